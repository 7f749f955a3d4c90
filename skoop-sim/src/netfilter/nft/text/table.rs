//! Tables and chains.

use super::super::ast::{Base, Chain, ChainKind, Rule, Source, TableFamily};
use super::super::builder::{Builder, TableBuilder};
use super::super::normal;
use super::lexer::Token;
use super::parser::Parser;
use super::{object, set, statement};

/// After `table`: `ip NAME {` and what is in it. None: not understood, up to where the parser stands.
pub(super) fn read(parser: &mut Parser<'_>, builder: &mut Builder) -> Option<()> {
    let first = parser.name()?;
    let (family, name) = match (normal::family(first), parser.token) {
        (Some(family), Token::Word(_) | Token::Quoted(_)) => (family, parser.name()?),
        _ => (TableFamily::Ip, first),
    };
    let table = builder.table(family, name);
    // `nft list tables` prints no more than this.
    if parser.at_end_of_line() {
        return Some(());
    }
    parser.require(Token::Open)?;
    loop {
        parser.skip_newlines();
        match parser.token {
            Token::End => {
                builder.problem(format!("table {name}"), "cut off: rules may be missing");
                return Some(());
            }
            Token::Close => {
                parser.advance();
                return Some(());
            }
            _ => {}
        }
        let (start, line, open) = (parser.start, parser.line, parser.open());
        parser.take_handle();
        if part(parser, table, family).is_none() {
            parser.skip_open(open, |token| token == Token::Newline);
            table.doubt(format!("line {line}"), format!("not understood: {}", parser.excerpt(start)));
        }
    }
}

fn part(parser: &mut Parser<'_>, table: &mut TableBuilder, family: TableFamily) -> Option<()> {
    let start = (parser.start, parser.line);
    match parser.any_word()? {
        "chain" => chain(parser, table, family, start),
        "set" | "meter" => set::read(parser, table, start, false),
        "map" => set::read(parser, table, start, true),
        "flags" => loop {
            match parser.any_word()? {
                "dormant" => table.dormant(),
                "owner" | "persist" => {}
                _ => return None,
            }
            if !parser.eat(Token::Comma) {
                return parser.at_end_of_line().then_some(());
            }
        },
        "comment" => parser.quoted().map(drop),
        "flowtable" => object::flowtable(parser),
        kind => object::read(parser, table, kind),
    }
}

/// The place of something that began here and ends with the last token.
pub(super) fn source(parser: &Parser<'_>, (start, line): (usize, u32), handle: u32) -> Source {
    let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Source { offset: narrow(start), length: narrow(parser.end.saturating_sub(start)), line, handle }
}

/// After `chain`. Its rules are added one by one, so that those of a chain that is cut off count too.
fn chain(parser: &mut Parser<'_>, table: &mut TableBuilder, family: TableFamily, start: (usize, u32)) -> Option<()> {
    let name = parser.name()?;
    parser.require(Token::Open)?;
    let handle = parser.take_handle();
    let mut head = Head::default();
    let mut rules = Vec::new();
    loop {
        parser.skip_newlines();
        if matches!(parser.token, Token::End | Token::Close) {
            break;
        }
        let (start, line, open) = (parser.start, parser.line, parser.open());
        parser.take_handle();
        match parser.attempt(|parser| head_part(parser, family, &mut head)) {
            Some(true) => {}
            Some(false) => rules.push(rule(parser)),
            None => {
                parser.skip_open(open, |token| token == Token::Newline);
                table.doubt(format!("line {line}"), format!("not understood: {}", parser.excerpt(start)));
            }
        }
    }
    let closed = parser.eat(Token::Close);
    if !closed {
        table.doubt(format!("chain {name}"), "cut off: rules may be missing");
    }
    let Head { base, drops, devices } = head;
    let base = base.map(|(kind, hook, priority)| Base { kind, hook, priority, drops, devices });
    table.chain(Chain { name: name.into(), base, rules, source: source(parser, start, handle) });
    Some(())
}

/// What the first lines of a chain say.
#[derive(Debug, Default)]
struct Head {
    base: Option<(ChainKind, Box<str>, i32)>,
    drops: bool,
    devices: Vec<Box<str>>,
}

/// One part of a chain's head. False: it is a rule. None: not understood.
fn head_part(parser: &mut Parser<'_>, family: TableFamily, head: &mut Head) -> Option<bool> {
    let before = *parser;
    match parser.peek_word() {
        Some("type") => {
            parser.advance();
            let kind = match parser.any_word()? {
                "filter" => ChainKind::Filter,
                "nat" => ChainKind::Nat,
                "route" => ChainKind::Route,
                _ => ChainKind::Unknown,
            };
            parser.word("hook").then_some(())?;
            let hook = parser.any_word()?.into();
            head.devices.extend(devices(parser)?);
            parser.word("priority").then_some(())?;
            head.base = Some((kind, hook, priority(parser, family)?));
        }
        Some("policy") => {
            parser.advance();
            head.drops = match parser.any_word()? {
                "drop" => true,
                "accept" => false,
                _ => return None,
            };
        }
        Some("devices") => head.devices.extend(devices(parser)?),
        Some("flags") => {
            parser.advance();
            parser.word("offload").then_some(())?;
        }
        Some("comment") => {
            parser.advance();
            parser.quoted()?;
            if !parser.at_end_of_line() {
                *parser = before;
                return Some(false);
            }
        }
        _ => return Some(false),
    }
    parser.at_end_of_line().then_some(true)
}

/// `device "eth0"`, `devices = { eth0, eth1 }` or nothing.
pub(super) fn devices(parser: &mut Parser<'_>) -> Option<Vec<Box<str>>> {
    let mut devices = Vec::new();
    if parser.word("device") {
        devices.push(parser.name()?.into());
    } else if parser.word("devices") {
        parser.require(Token::Operator("="))?;
        parser.require(Token::Open)?;
        loop {
            parser.skip_newlines();
            if parser.eat(Token::Close) {
                break;
            }
            devices.push(parser.name()?.into());
            parser.eat(Token::Comma);
        }
    }
    Some(devices)
}

/// `-150`, `filter`, `dstnat + 5` (`include/uapi/linux/netfilter_ipv4.h`, `netfilter_bridge.h`).
pub(super) fn priority(parser: &mut Parser<'_>, family: TableFamily) -> Option<i32> {
    let word = parser.any_word()?;
    let base = match (word, family == TableFamily::Bridge) {
        ("dstnat", true) | ("raw", _) => -300,
        ("filter", true) => -200,
        ("mangle", _) => -150,
        ("dstnat", false) => -100,
        ("filter", false) => 0,
        ("security", _) => 50,
        ("srcnat", false) | ("out", true) => 100,
        ("srcnat", true) => 300,
        _ => word.parse().ok()?,
    };
    let negative = match parser.peek_word() {
        Some("+") => false,
        Some("-") => true,
        _ => return Some(base),
    };
    parser.advance();
    let offset: i32 = parser.any_word()?.parse().ok()?;
    if negative { base.checked_sub(offset) } else { base.checked_add(offset) }
}

fn rule(parser: &mut Parser<'_>) -> Rule {
    let start = (parser.start, parser.line);
    let mut rule = statement::rule(parser);
    // The comment with the handle is before the line's end, which is the next token.
    let handle = parser.take_handle();
    rule.source = source(parser, start, handle);
    rule
}
