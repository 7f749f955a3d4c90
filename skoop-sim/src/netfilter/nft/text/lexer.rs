//! Words of the text form.

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Anything without white space and delimiters: `tcp`, `10.0.0.0/8`, `80-90`, `@nh`, `.`, `:`, `:8080`, `*`.
    Word(&'a str),
    /// Between quotes.
    Quoted(&'a str),
    /// `==`, `!=`, `<`, `<=`, `>`, `>=`, `!`, `&`, `|`, `^`, `<<`, `>>`, `=`.
    Operator(&'a str),
    Open,
    Close,
    ParenOpen,
    ParenClose,
    Comma,
    /// A line's end, or `;`.
    Newline,
    /// `# xt_NAME`: what old versions print of an extension of iptables, with the rest of the rule behind it.
    Extension(&'a str),
    End,
}

/// A text and how far it is read. Cheap to copy: a copy is a place to come back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Line of `at`, from 1.
    pub line: u32,
    /// Of the last comment `# handle N`; 0: none.
    pub handle: u32,
}

const INVALID: &str = "[invalid type]";

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1, handle: 0 }
    }

    /// Bytes read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> &'a str {
        let taken = self.rest().get(..length).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        let mut length = 0;
        let mut bytes = rest.bytes().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b' ' | b'\t' | b'\r' => length += 1,
                b'\\' if bytes.next_if_eq(&b'\n').is_some() => {
                    length += 2;
                    self.line += 1;
                }
                _ => break,
            }
        }
        self.at += length;
    }

    /// The next token, with the place of its first byte.
    pub(super) fn next(&mut self) -> (usize, Token<'a>) {
        loop {
            self.skip_blanks();
            let start = self.at;
            let Some(first) = self.rest().bytes().next() else {
                return (start, Token::End);
            };
            let token = match first {
                // What nft 1.0 adds to the ports of `ct`.
                b'[' if self.rest().starts_with(INVALID) => {
                    self.take(INVALID.len());
                    continue;
                }
                b'#' => match self.comment() {
                    Some(name) => Token::Extension(name),
                    None => continue,
                },
                b'\n' => {
                    self.line += 1;
                    self.single(Token::Newline)
                }
                b';' => self.single(Token::Newline),
                b'{' => self.single(Token::Open),
                b'}' => self.single(Token::Close),
                b'(' => self.single(Token::ParenOpen),
                b')' => self.single(Token::ParenClose),
                b',' => self.single(Token::Comma),
                b'"' => self.quoted(),
                b'=' | b'!' | b'<' | b'>' | b'&' | b'|' | b'^' => Token::Operator(self.take(self.operator())),
                _ => {
                    let rest = self.rest();
                    let length = rest.bytes().position(ends_word).unwrap_or(rest.len());
                    // A byte that begins no token, in the middle of nothing, is a word of its own.
                    Token::Word(self.take(length.max(1)))
                }
            };
            return (start, token);
        }
    }

    fn single(&mut self, token: Token<'a>) -> Token<'a> {
        self.at += 1;
        token
    }

    fn operator(&self) -> usize {
        const DOUBLE: [&str; 8] = ["==", "!=", "<=", ">=", "<<", ">>", "&&", "||"];
        if DOUBLE.iter().any(|operator| self.rest().starts_with(operator)) { 2 } else { 1 }
    }

    /// Up to the next quote, at most to the end of the line.
    fn quoted(&mut self) -> Token<'a> {
        self.at += 1;
        let rest = self.rest();
        let length = rest.bytes().position(|byte| matches!(byte, b'"' | b'\n')).unwrap_or(rest.len());
        let text = self.take(length);
        if self.rest().starts_with('"') {
            self.at += 1;
        }
        Token::Quoted(text)
    }

    /// To the end of the line, or only the name of an extension.
    fn comment(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        if let Some(name) = rest.strip_prefix("# xt_") {
            let length = name.bytes().position(ends_word).unwrap_or(name.len());
            self.at += "# xt_".len();
            return Some(self.take(length));
        }
        let length = rest.bytes().position(|byte| byte == b'\n').unwrap_or(rest.len());
        let comment = self.take(length);
        if let Some(handle) = comment.trim_ascii_end().strip_prefix("# handle ") {
            self.handle = handle.parse().unwrap_or(0);
        }
        None
    }
}

fn ends_word(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'\r'
            | b'\n'
            | b';'
            | b'{'
            | b'}'
            | b'('
            | b')'
            | b','
            | b'"'
            | b'#'
            | b'='
            | b'!'
            | b'<'
            | b'>'
            | b'&'
            | b'|'
            | b'^'
    )
}
