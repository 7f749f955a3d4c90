//! Named sets and maps.

use super::super::ast::Set;
use super::super::builder::TableBuilder;
use super::super::datatype::{Datatype, Shape};
use super::lexer::Token;
use super::parser::Parser;
use super::{element, expr, table};

/// After `set` or `map`.
pub(super) fn read(parser: &mut Parser<'_>, table: &mut TableBuilder, start: (usize, u32), is_map: bool) -> Option<()> {
    let name = parser.name()?;
    parser.require(Token::Open)?;
    let mut set = Set {
        name: name.into(),
        is_map,
        key: Vec::new(),
        data: Vec::new(),
        interval: false,
        dynamic: false,
        timeout: false,
        elements: Vec::new(),
        partial: false,
        source: table::source(parser, start, 0),
    };
    let handle = parser.take_handle();
    loop {
        parser.skip_newlines();
        if parser.eat(Token::Close) {
            break;
        }
        if parser.token == Token::End {
            set.partial = true;
            table.doubt(format!("set {name}"), "cut off: rules may be missing");
            break;
        }
        let open = parser.open();
        if line(parser, &mut set).is_none() {
            set.partial = true;
            parser.skip_open(open, |token| token == Token::Newline);
        }
    }
    if set.key.is_empty() {
        return None;
    }
    set.source = table::source(parser, start, handle);
    table.set(set);
    Some(())
}

fn line(parser: &mut Parser<'_>, set: &mut Set) -> Option<()> {
    match parser.any_word()? {
        "type" => {
            set.key = types(parser)?;
            if parser.word(":") {
                set.data = types(parser)?;
            }
        }
        "typeof" => {
            set.key = typeof_names(parser)?;
            if parser.word(":") {
                set.data = typeof_names(parser)?;
            }
        }
        "flags" => loop {
            match parser.any_word()? {
                "interval" => set.interval = true,
                "dynamic" => set.dynamic = true,
                "timeout" => set.timeout = true,
                "constant" => {}
                _ => return None,
            }
            if !parser.eat(Token::Comma) {
                break;
            }
        },
        "timeout" => {
            parser.any_word()?;
            set.timeout = true;
        }
        "elements" => {
            parser.require(Token::Operator("="))?;
            let data = set.is_map.then(|| element::values(&set.data));
            let list = element::list(parser, &Shape::named(&set.key), data.as_ref())?;
            set.partial |= list.unknown > 0 || list.cut_off;
            set.elements.extend(list.elements);
        }
        "size" | "gc-interval" | "policy" => drop(parser.any_word()?),
        "comment" => drop(parser.quoted()?),
        "auto-merge" => {}
        // Statements that new elements get.
        "counter" | "limit" | "quota" | "ct" | "last" => parser.skip_line(),
        _ => return None,
    }
    parser.at_end_of_line().then_some(())
}

/// `ipv4_addr . inet_service`; a map to ranges has `interval` before its type.
fn types(parser: &mut Parser<'_>) -> Option<Vec<Box<str>>> {
    let mut types = Vec::new();
    parser.word("interval");
    loop {
        let name = parser.any_word()?;
        // `ct helper` and the like.
        types.push(if name == "ct" { format!("ct {}", parser.any_word()?).into() } else { name.into() });
        if !parser.word(".") {
            return Some(types);
        }
    }
}

/// The names of the types of expressions.
fn typeof_names(parser: &mut Parser<'_>) -> Option<Vec<Box<str>>> {
    parser.word("interval");
    if parser.word("verdict") {
        return Some(vec!["verdict".into()]);
    }
    let mut types = Vec::new();
    loop {
        let expr = parser.attempt(|parser| expr::binary(parser, Datatype::Integer, 0));
        match expr {
            Some(expr) => types.push(Datatype::of(&expr).name().into()),
            // A word that is no expression, such as the kind of an object.
            None => types.push(parser.any_word()?.into()),
        }
        if !parser.word(".") {
            return Some(types);
        }
    }
}
