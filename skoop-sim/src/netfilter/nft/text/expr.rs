//! Expressions and constants.

use super::super::ast::{BinaryOp, Expr};
use super::super::datatype::{Datatype, Shape};
use super::super::normal;
use super::lexer::Token;
use super::parser::Parser;
use super::{element, header};

/// A word longer than this is no range of names.
const LONGEST_RANGE: usize = 160;

/// What a statement looks at: `ip daddr . tcp dport`, `meta mark & 0xff`.
pub(super) fn key(parser: &mut Parser<'_>) -> Option<Expr> {
    concatenation(parser, &Shape::One(Datatype::Integer))
}

/// The right side of a comparison or assignment: a value, flags joined by commas, a set, a map.
pub(super) fn right(parser: &mut Parser<'_>, shape: &Shape) -> Option<Expr> {
    if parser.token == Token::Open {
        let list = element::list(parser, shape, None)?;
        return (!list.cut_off).then_some(Expr::Set(list.elements));
    }
    let first = mapped(parser, shape)?;
    if parser.token != Token::Comma {
        return Some(first);
    }
    let mut values = vec![first];
    while parser.eat(Token::Comma) {
        values.push(binary(parser, shape.part(0), 0)?);
    }
    Some(normal::list(shape.part(0), values))
}

/// A value, or `KEY map { … }`; `shape` is that of the values.
pub(super) fn mapped(parser: &mut Parser<'_>, shape: &Shape) -> Option<Expr> {
    let key = match shape {
        // Names would take any word: a map's key is not one.
        Shape::One(Datatype::Text) if !matches!(parser.token, Token::Quoted(_)) => key(parser)?,
        shape => concatenation(parser, shape)?,
    };
    if !parser.word("map") {
        return Some(key);
    }
    let map = element::reference(parser, &Shape::of(&key), shape)?;
    Some(Expr::Map { key: Box::new(key), map })
}

/// `A . B . C`.
pub(super) fn concatenation(parser: &mut Parser<'_>, shape: &Shape) -> Option<Expr> {
    let first = binary(parser, shape.part(0), 0)?;
    if parser.peek_word() != Some(".") {
        return Some(first);
    }
    let mut parts = vec![first];
    while parser.word(".") {
        parts.push(binary(parser, shape.part(parts.len()), 0)?);
    }
    Some(Expr::Concat(parts))
}

/// Operators that bind at least as tightly as `level`.
pub(super) fn binary(parser: &mut Parser<'_>, of: Datatype, level: u32) -> Option<Expr> {
    let mut left = primary(parser, of)?;
    while let Some((op, tightness)) = operator(parser.token).filter(|(_, tightness)| *tightness >= level) {
        parser.advance();
        let of = if matches!(left, Expr::Number(_)) { of } else { Datatype::of(&left) };
        left = normal::binary(op, left, binary(parser, of, tightness + 1)?);
    }
    Some(left)
}

fn operator(token: Token<'_>) -> Option<(BinaryOp, u32)> {
    Some(match token {
        Token::Operator("|") | Token::Word("or") => (BinaryOp::Or, 1),
        Token::Operator("^") | Token::Word("xor") => (BinaryOp::Xor, 2),
        Token::Operator("&") | Token::Word("and") => (BinaryOp::And, 3),
        Token::Operator("<<") | Token::Word("lshift") => (BinaryOp::ShiftLeft, 4),
        Token::Operator(">>") | Token::Word("rshift") => (BinaryOp::ShiftRight, 4),
        _ => return None,
    })
}

fn primary(parser: &mut Parser<'_>, of: Datatype) -> Option<Expr> {
    match parser.token {
        Token::ParenOpen => {
            parser.advance();
            let inner = parser.nested(|parser| binary(parser, of, 0))?;
            parser.require(Token::ParenClose)?;
            Some(inner)
        }
        Token::Quoted(text) => {
            parser.advance();
            let from = of.constant(text);
            // `"06:00"-"18:00"`.
            if parser.word("-") {
                let to = of.constant(parser.quoted()?);
                return Some(Expr::Range(Box::new((from, to))));
            }
            Some(from)
        }
        Token::Word(word) => {
            if of.names(word) {
                parser.advance();
                return of.try_constant(word);
            }
            if let Some(found) = parser.attempt(header::expression) {
                return Some(found);
            }
            if header::is_keyword(word) && of != Datatype::Text && of != Datatype::DeviceName {
                return None;
            }
            let found = constant(of, word)?;
            parser.advance();
            Some(found)
        }
        _ => None,
    }
}

/// A constant, a prefix or a range. A word that nothing is known of is one where names are expected.
fn constant(of: Datatype, word: &str) -> Option<Expr> {
    if matches!(word, "." | ":" | "*" | "-" | "+" | "/") {
        return None;
    }
    if let Some(name) = word.strip_prefix('@') {
        return (!name.is_empty()).then(|| Expr::SetRef(name.into()));
    }
    if let Some(found) = of.try_constant(word).or_else(|| range(of, word)) {
        return Some(found);
    }
    // Numbers over 64 bits are written as they stand.
    let wide = word.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    (wide || of != Datatype::Integer).then(|| Expr::Text(word.into()))
}

/// `80-90`, `10.0.0.1-10.0.0.9`; names may have hyphens of their own.
fn range(of: Datatype, word: &str) -> Option<Expr> {
    if word.len() > LONGEST_RANGE {
        return None;
    }
    word.match_indices('-').find_map(|(at, _)| {
        let (from, to) = (word.get(..at)?, word.get(at + 1..)?);
        Some(Expr::Range(Box::new((of.try_constant(from)?, of.try_constant(to)?))))
    })
}
