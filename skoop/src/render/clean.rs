//! Text from clusters is not trusted: names and comments may hold escape sequences, markup or direction marks.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character may reach a terminal as it is.
///
/// Not control characters (C0, DEL, C1: terminals act on them), and not the invisible and direction-changing ones of
/// Unicode (UAX #9, "Trojan Source"), which make a text read as another.
fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line, with everything that is not plain made visible: `\n`, `\u{1b}`.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        push_visible(&mut clean, character);
    }
    Cow::Owned(clean)
}

/// The lines of the text, each made plain; a tab becomes two spaces, empty lines at the end are dropped.
pub(crate) fn lines(text: &str) -> Vec<String> {
    text.trim_end().lines().map(|part| line(&part.trim_end().replace('\t', "  ")).into_owned()).collect()
}

fn push_visible(out: &mut String, character: char) {
    if is_plain(character) {
        out.push(character);
    } else {
        out.extend(character.escape_default());
    }
}

/// The text for HTML and SVG, in content and in quoted attributes.
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for character in line(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Not characters of XML 1.0.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// An argument list as one line for a POSIX shell (for what is not plain: bash, zsh, ksh), safe to paste.
pub(crate) fn shell(arguments: &[String]) -> String {
    arguments.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" ")
}

fn quoted(argument: &str) -> Cow<'_, str> {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !argument.is_empty() && argument.chars().all(bare) {
        return Cow::Borrowed(argument);
    }
    if argument.chars().all(is_plain) {
        return Cow::Owned(format!("'{}'", argument.replace('\'', r"'\''")));
    }
    let mut out = String::from("$'");
    for character in argument.chars() {
        match character {
            '\'' | '\\' => out.extend(['\\', character]),
            _ if is_plain(character) => out.push(character),
            _ => {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    // Writing to a String does not fail.
                    let _ = write!(out, "\\x{byte:02x}");
                }
            }
        }
    }
    out.push('\'');
    Cow::Owned(out)
}

/// Columns that a text takes; every character counts as one, which holds for what networks are named with.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// `count` times a length.
pub(crate) fn times(count: usize, each: f64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) * each
}

/// Width of a text in which each character has the width `character`.
pub(crate) fn pixels(text: &str, character: f64) -> f64 {
    times(columns(text), character)
}

/// The text cut to at most `width` columns, with `…` where something was cut.
pub(crate) fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    Cow::Owned(short)
}

/// The text broken at spaces into lines of at most `width` columns; a longer word stands alone.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in text.split_whitespace() {
        if !current.is_empty() && columns(&current) + 1 + columns(word) > width {
            lines.push(std::mem::take(&mut current));
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    if !current.is_empty() {
        lines.push(current);
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_are_made_visible() {
        assert_eq!(line("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\\nc");
        assert_eq!(line("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(line("Grüße"), "Grüße");
        assert_eq!(lines("a\tb\n  c\u{7}\n\n"), ["a  b", "  c\\u{7}"]);
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(xml("<b a=\"x\">&'"), "&lt;b a=&quot;x&quot;&gt;&amp;&#39;");
    }

    #[test]
    fn commands_are_quoted_for_a_shell() {
        let argv = |parts: &[&str]| parts.iter().map(|&part| part.to_owned()).collect::<Vec<_>>();
        assert_eq!(shell(&argv(&["ip", "route", "add", "10.0.0.0/8"])), "ip route add 10.0.0.0/8");
        assert_eq!(shell(&argv(&["x", "", "a b", "it's", "$(reboot)"])), r"x '' 'a b' 'it'\''s' '$(reboot)'");
        assert_eq!(shell(&argv(&["x", "a\nb'c"])), r"x $'a\x0ab\'c'");
    }

    #[test]
    fn long_text_is_wrapped_or_cut() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }

    proptest! {
        #[test]
        fn nothing_but_plain_characters_comes_out(text in "\\PC*|.*|[\\x00-\\x20\u{80}-\u{9f}\u{2020}-\u{2070}]*") {
            prop_assert!(line(&text).chars().all(is_plain));
            prop_assert!(shell(std::slice::from_ref(&text)).chars().all(is_plain));
            let escaped = xml(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
        }
    }
}
