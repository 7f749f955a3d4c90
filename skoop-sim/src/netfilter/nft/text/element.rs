//! Elements of sets and maps, named or not.

use super::super::ast::{Element, Expr, SetRef, Statement, Verdict};
use super::super::datatype::{Datatype, Shape, duration_ms};
use super::super::normal;
use super::lexer::Token;
use super::parser::Parser;
use super::{expr, statement};

/// `{ … }`.
#[derive(Debug, Default)]
pub(super) struct List {
    pub elements: Vec<Element>,
    /// Elements that were not understood; their keys are [`Expr::Unknown`].
    pub unknown: usize,
    /// Its end is missing.
    pub cut_off: bool,
}

/// The shape of a map's values.
pub(super) fn values(data: &[Box<str>]) -> Shape {
    match data {
        [one] if matches!(&**one, "counter" | "quota" | "limit" | "synproxy" | "secmark") || one.starts_with("ct ") => {
            Shape::One(Datatype::Text)
        }
        data => Shape::named(data),
    }
}

/// A list of elements; with a shape of values they are those of a map.
pub(super) fn list(parser: &mut Parser<'_>, key: &Shape, value: Option<&Shape>) -> Option<List> {
    parser.require(Token::Open)?;
    let mut list = List::default();
    parser.nested(|parser| {
        loop {
            parser.skip_newlines();
            if parser.eat(Token::Close) {
                return Some(());
            }
            if parser.token == Token::End {
                list.cut_off = true;
                return Some(());
            }
            if parser.eat(Token::Comma) {
                continue;
            }
            let (start, open) = (parser.start, parser.open());
            let before = *parser;
            let element = element(parser, key, value).filter(|_| {
                parser.skip_newlines();
                matches!(parser.token, Token::Comma | Token::Close)
            });
            if let Some(element) = element {
                list.elements.push(element);
                continue;
            }
            *parser = before;
            parser.skip_open(open, |token| token == Token::Comma);
            list.unknown += 1;
            list.elements.push(normal::element(Expr::Unknown(parser.since(start).into())));
        }
    })?;
    Some(list)
}

/// `{ … }` or `@name` behind `map` or `vmap`.
pub(super) fn reference(parser: &mut Parser<'_>, key: &Shape, value: &Shape) -> Option<SetRef> {
    if let Some(name) = parser.peek_word().and_then(|word| word.strip_prefix('@')) {
        parser.advance();
        return Some(SetRef::Named(name.into()));
    }
    let list = list(parser, key, Some(value))?;
    (!list.cut_off).then_some(SetRef::Anonymous(list.elements))
}

fn element(parser: &mut Parser<'_>, key: &Shape, value: Option<&Shape>) -> Option<Element> {
    let key = if parser.word("*") { Expr::Wildcard } else { expr::concatenation(parser, key)? };
    let mut element = normal::element(key);
    options(parser, &mut element)?;
    if let Some(shape) = value {
        parser.word(":").then_some(())?;
        element.value = Some(match shape {
            Shape::One(Datatype::Verdict) => Expr::Verdict(verdict(parser)?),
            shape => expr::concatenation(parser, shape)?,
        });
        options(parser, &mut element)?;
    }
    Some(element)
}

/// `accept`, `jump NAME`.
pub(super) fn verdict(parser: &mut Parser<'_>) -> Option<Verdict> {
    Some(match parser.any_word()? {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        "continue" => Verdict::Continue,
        "return" => Verdict::Return,
        "jump" => Verdict::Jump(parser.name()?.into()),
        "goto" => Verdict::Goto(parser.name()?.into()),
        _ => return None,
    })
}

/// What follows the key of an element: `timeout 1h expires 59m counter packets 0 bytes 0 comment "…"`.
pub(super) fn options(parser: &mut Parser<'_>, element: &mut Element) -> Option<()> {
    loop {
        match parser.peek_word() {
            Some("timeout") => {
                parser.advance();
                parser.any_word()?;
            }
            Some("expires") => {
                parser.advance();
                element.expires_s = Some(duration_ms(parser.any_word()?)? / 1000);
            }
            Some("comment") => {
                parser.advance();
                element.comment = Some(parser.quoted()?.into());
            }
            Some("counter" | "limit" | "quota" | "ct" | "last") => element.statements.push(state(parser)?),
            _ => return Some(()),
        }
    }
}

/// A statement that an element of a set may have.
fn state(parser: &mut Parser<'_>) -> Option<Statement> {
    let statement = statement::one(parser)?;
    matches!(
        statement,
        Statement::Counter
            | Statement::Limit(_)
            | Statement::Quota(_)
            | Statement::ConnectionCount { .. }
            | Statement::Last
            | Statement::ObjectRef { .. }
    )
    .then_some(statement)
}
