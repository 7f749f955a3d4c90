//! The next token and what all parts of the grammar need.

use super::lexer::{Lexer, Token};

/// Expressions, sets and blocks in each other at most.
const DEPTH: u32 = 48;
/// Bytes of a text that a message cites.
const EXCERPT: usize = 200;

/// A text being read; the next token is known. Cheap to copy: a copy is a place to come back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The next token.
    pub token: Token<'a>,
    /// Where it begins.
    pub start: usize,
    /// On which line, from 1.
    pub line: u32,
    /// Where the last token passed ended.
    pub end: usize,
    /// Braces that are open.
    open: u32,
    depth: u32,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let lexer = Lexer::new(text);
        let mut parser = Self { text, lexer, token: Token::Newline, start: 0, line: 1, end: 0, open: 0, depth: 0 };
        parser.advance();
        parser
    }

    /// Passes the next token and gives it.
    pub(super) fn advance(&mut self) -> Token<'a> {
        let passed = self.token;
        match passed {
            Token::Open => self.open += 1,
            Token::Close => self.open = self.open.saturating_sub(1),
            _ => {}
        }
        self.end = self.lexer.at();
        (self.start, self.token) = self.lexer.next();
        self.line = self.lexer.line
            - u32::from(self.token == Token::Newline && self.text.as_bytes().get(self.start) == Some(&b'\n'));
        passed
    }

    /// Passes the token if it is this one.
    pub(super) fn eat(&mut self, token: Token<'_>) -> bool {
        let found = self.token == token;
        if found {
            self.advance();
        }
        found
    }

    /// The same, for a token without which the text is not understood.
    pub(super) fn require(&mut self, token: Token<'_>) -> Option<()> {
        self.eat(token).then_some(())
    }

    /// Passes a word if it is this one.
    pub(super) fn word(&mut self, word: &str) -> bool {
        self.eat(Token::Word(word))
    }

    /// The next token if it is a word; it is not passed.
    pub(super) fn peek_word(&self) -> Option<&'a str> {
        match self.token {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn any_word(&mut self) -> Option<&'a str> {
        let word = self.peek_word()?;
        self.advance();
        Some(word)
    }

    /// A name, with or without quotes.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        match self.token {
            Token::Word(name) | Token::Quoted(name) => {
                self.advance();
                Some(name)
            }
            _ => None,
        }
    }

    pub(super) fn quoted(&mut self) -> Option<&'a str> {
        match self.token {
            Token::Quoted(text) => {
                self.advance();
                Some(text)
            }
            _ => None,
        }
    }

    /// Decimal or hexadecimal.
    pub(super) fn number(&mut self) -> Option<u64> {
        let number = super::super::datatype::number(self.peek_word()?)?;
        self.advance();
        Some(number)
    }

    pub(super) fn number32(&mut self) -> Option<u32> {
        self.number().and_then(|number| u32::try_from(number).ok())
    }

    pub(super) fn skip_newlines(&mut self) {
        while self.eat(Token::Newline) {}
    }

    /// Whether nothing more of this rule or line comes.
    pub(super) fn at_end_of_line(&self) -> bool {
        matches!(self.token, Token::Newline | Token::Close | Token::End)
    }

    /// Passes the rest of the line, with the blocks that it opens.
    pub(super) fn skip_line(&mut self) {
        self.skip_open(self.open, |token| matches!(token, Token::Newline));
    }

    /// As [`Self::skip_line`], for a line at whose beginning `open` braces were open.
    pub(super) fn skip_open(&mut self, open: u32, ends: impl Fn(Token<'_>) -> bool) {
        loop {
            match self.token {
                Token::End => return,
                token if self.open <= open && ends(token) => return,
                Token::Close if self.open <= open && open > 0 => return,
                _ => {}
            }
            self.advance();
        }
    }

    pub(super) fn open(&self) -> u32 {
        self.open
    }

    /// The handle of the last comment, once.
    pub(super) fn take_handle(&mut self) -> u32 {
        std::mem::take(&mut self.lexer.handle)
    }

    /// The text from a place to the end of the last token.
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.end).unwrap_or_default()
    }

    /// The same, cut short.
    pub(super) fn excerpt(&self, start: usize) -> String {
        let text = self.since(start);
        let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= EXCERPT).unwrap_or(text.len());
        let rest = if end < text.len() { "…" } else { "" };
        format!("{}{rest}", text.get(..end).unwrap_or_default())
    }

    /// Runs a part of the grammar that may hold itself; None where it is too deep.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth >= DEPTH {
            return None;
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Runs a part of the grammar; where it fails nothing is passed.
    pub(super) fn attempt<T>(&mut self, parse: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let before = *self;
        let parsed = parse(self);
        if parsed.is_none() {
            *self = before;
        }
        parsed
    }

    /// Replaces the next token by the rest of it: `:8080` by `8080`.
    pub(super) fn shorten(&mut self, word: &'a str) {
        self.token = Token::Word(word);
    }
}
