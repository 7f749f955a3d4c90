//! The token that callers must show.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Shortest token: one that nobody guesses has as many characters.
pub(crate) const MIN_LENGTH: usize = 16;

/// The hash of a token; the token itself is not kept. Comparing hashes, in constant time, tells an attacker nothing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token([u8; 32]);

impl Token {
    /// The token in a file's text; none if it is too short to be one.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let text = text.trim();
        (text.len() >= MIN_LENGTH).then(|| Self(hash(text)))
    }

    /// Whether the value of an `Authorization` header shows the token (RFC 6750, section 2.1).
    pub(crate) fn admits(&self, header: Option<&[u8]>) -> bool {
        let shown = header.and_then(|value| std::str::from_utf8(value).ok()?.split_once(' '));
        let shown = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        shown.is_some_and(|token| bool::from(hash(token).ct_eq(&self.0)))
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_is_admitted() {
        let token = Token::of_text("0123456789abcdef\n").unwrap();
        for (header, admitted) in [
            (Some("Bearer 0123456789abcdef"), true),
            (Some("bearer  0123456789abcdef"), true),
            (Some("Bearer 0123456789abcdeF"), false),
            (Some("Bearer "), false),
            (Some("Basic 0123456789abcdef"), false),
            (Some("0123456789abcdef"), false),
            (Some("Bearer 0123456789abcdef0"), false),
            (None, false),
        ] {
            assert_eq!(token.admits(header.map(str::as_bytes)), admitted, "{header:?}");
        }
        assert!(!token.admits(Some(b"Bearer \xff")));
        assert!(Token::of_text(" \n").is_none() && Token::of_text("short").is_none());
    }
}
