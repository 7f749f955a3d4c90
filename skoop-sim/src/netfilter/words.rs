//! Words of a line of `iptables-save`.

use std::borrow::Cow;

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    /// Text, quotes and escapes taken away.
    pub text: Cow<'a, str>,
    /// It stood in quotes, so it is a value whatever it looks like.
    pub quoted: bool,
}

impl Word<'_> {
    /// Whether this is the unquoted word `text`.
    pub(crate) fn is(&self, text: &str) -> bool {
        !self.quoted && self.text == text
    }

    /// Whether this starts a long option.
    pub(crate) fn is_option(&self) -> bool {
        !self.quoted && self.text.starts_with("--")
    }
}

/// Splits a line as `iptables-restore` does: blanks separate, double quotes hold together, a backslash in quotes takes the next
/// character as it is (`add_param_to_argv`, `iptables/xshared.c`).
#[derive(Debug, Clone)]
pub(crate) struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    pub(crate) fn new(line: &'a str) -> Self {
        Self { rest: line }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let rest = self.rest.trim_ascii_start();
        if rest.is_empty() {
            self.rest = rest;
            return None;
        }
        let special = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'"';
        let end = rest.as_bytes().iter().position(special).unwrap_or(rest.len());
        if rest.as_bytes().get(end) != Some(&b'"') {
            let (word, rest) = rest.split_at(end);
            self.rest = rest;
            return Some(Word { text: Cow::Borrowed(word), quoted: false });
        }
        Some(self.quoted(rest))
    }
}

impl<'a> Words<'a> {
    /// A word with at least one quoted part. A plain `"…"` is borrowed.
    fn quoted(&mut self, rest: &'a str) -> Word<'a> {
        if let Some(inner) = rest.strip_prefix('"')
            && let Some(end) = inner.bytes().position(|byte| byte == b'"' || byte == b'\\')
            && let (word, Some(after)) = (inner.get(..end), inner.get(end..).and_then(|tail| tail.strip_prefix('"')))
            && let Some(word) = word
            && after.bytes().next().is_none_or(|byte| byte.is_ascii_whitespace())
        {
            self.rest = after;
            return Word { text: Cow::Borrowed(word), quoted: true };
        }
        let mut text = String::new();
        let mut inside = false;
        let mut chars = rest.char_indices();
        self.rest = "";
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => inside = !inside,
                '\\' if inside => text.extend(chars.next().map(|(_, escaped)| escaped)),
                blank if blank.is_ascii_whitespace() && !inside => {
                    self.rest = rest.get(at..).unwrap_or_default();
                    break;
                }
                other => text.push(other),
            }
        }
        Word { text: Cow::Owned(text), quoted: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<(String, bool)> {
        Words::new(line).map(|word| (word.text.into_owned(), word.quoted)).collect()
    }

    #[test]
    fn words_are_split_as_iptables_restore_does() {
        let plain = |text: &str| (text.to_owned(), false);
        let quoted = |text: &str| (text.to_owned(), true);
        assert_eq!(words("-A INPUT  -j DROP"), [plain("-A"), plain("INPUT"), plain("-j"), plain("DROP")]);
        assert_eq!(words(r#"--comment "a b" -j X"#), [plain("--comment"), quoted("a b"), plain("-j"), plain("X")]);
        assert_eq!(words(r#""a \"b\" \\ c""#), [quoted(r#"a "b" \ c"#)]);
        assert_eq!(words(r#"a"b c"d e"#), [quoted("ab cd"), plain("e")]);
        assert_eq!(words(r#""never closed \"#), [quoted("never closed ")]);
        assert_eq!(words(r#""--opt" """#), [quoted("--opt"), quoted("")]);
        assert_eq!(words("  \t "), []);
    }

    proptest::proptest! {
        #[test]
        fn any_line_ends(line in "[ \"\\\\a-z\u{e4}]{0,40}") {
            proptest::prop_assert!(Words::new(&line).count() <= line.len() + 1);
        }
    }
}
