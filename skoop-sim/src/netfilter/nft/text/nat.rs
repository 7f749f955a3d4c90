//! Statements that name an address and a port: NAT, `tproxy`, `dup`, `fwd`.

use super::super::ast::{Expr, Nat, NatKind, Statement, TableFamily};
use super::super::datatype::{Datatype, Shape};
use super::super::normal;
use super::expr;
use super::lexer::Token;
use super::parser::Parser;

/// By the word that was passed.
pub(super) fn keyword(word: &str) -> Option<fn(&mut Parser<'_>) -> Option<Statement>> {
    Some(match word {
        "snat" => |parser| nat(parser, NatKind::Snat),
        "dnat" => |parser| nat(parser, NatKind::Dnat),
        "masquerade" => |parser| nat(parser, NatKind::Masquerade),
        "redirect" => |parser| nat(parser, NatKind::Redirect),
        _ => return None,
    })
}

fn family(parser: &mut Parser<'_>) -> Option<TableFamily> {
    match parser.peek_word() {
        Some("ip") => {
            parser.advance();
            Some(TableFamily::Ip)
        }
        Some("ip6") => {
            parser.advance();
            Some(TableFamily::Ip6)
        }
        _ => None,
    }
}

fn nat(parser: &mut Parser<'_>, kind: NatKind) -> Option<Statement> {
    let mut nat = Nat {
        kind,
        family: family(parser),
        address: None,
        port: None,
        random: false,
        fully_random: false,
        persistent: false,
        netmap: false,
        concat: false,
    };
    if parser.word("addr") {
        nat.concat = parser.word(".") && parser.word("port");
    }
    nat.netmap = parser.word("prefix");
    parser.word("interval");
    if parser.word("to") {
        (nat.address, nat.port) = target(parser)?;
    } else if nat.family.is_some() || nat.concat || nat.netmap {
        return None;
    }
    loop {
        match parser.peek_word() {
            Some("random") => nat.random = true,
            Some("fully-random") => nat.fully_random = true,
            Some("persistent") => nat.persistent = true,
            _ => return Some(normal::nat(nat)),
        }
        parser.advance();
        parser.eat(Token::Comma);
    }
}

/// An address, a port or both: `10.0.0.1:80`, `[fe80::1]:80`, `:8080-8090`, or expressions for them.
fn target(parser: &mut Parser<'_>) -> Option<(Option<Expr>, Option<Expr>)> {
    let constant = parser.peek_word().and_then(constant);
    let address = match (constant, parser.peek_word()) {
        (Some((address, "")), _) => {
            parser.advance();
            Some(address)
        }
        (Some((address, port)), _) => {
            parser.shorten(port);
            Some(address)
        }
        (None, Some(word)) if word.starts_with(':') && !word.starts_with("::") => None,
        (None, _) => Some(expr::mapped(parser, &Shape::target())?),
    };
    let port = if colon(parser) { Some(port(parser)?) } else { None };
    Some((address, port))
}

/// Whether a port comes: `:8080`, `:tcp dport map { … }`. Its colon is passed.
fn colon(parser: &mut Parser<'_>) -> bool {
    match parser.peek_word().and_then(|word| word.strip_prefix(':')) {
        None => return false,
        Some("") => drop(parser.advance()),
        Some(word) => parser.shorten(word),
    }
    true
}

fn port(parser: &mut Parser<'_>) -> Option<Expr> {
    expr::mapped(parser, &Shape::One(Datatype::Service))
}

/// The constant address or range at the beginning of a word, and `:PORT` behind it. None: no constant, or one that stands before
/// a `.` or another part of an expression is left to the general grammar by having no `:`.
fn constant(word: &str) -> Option<(Expr, &str)> {
    let (address, port) = if word.starts_with('[') {
        let end = word.rfind(']')? + 1;
        word.split_at_checked(end)?
    } else if word.contains('.') {
        word.split_at_checked(word.find(':').unwrap_or(word.len()))?
    } else {
        return None;
    };
    if port.is_empty() && !address.starts_with('[') {
        return None;
    }
    let one = |text: &str| Some(Expr::Address(text.trim_matches(['[', ']']).parse().ok()?));
    let address = match address.split_once('-') {
        Some((from, to)) => Expr::Range(Box::new((one(from)?, one(to)?))),
        None => one(address)?,
    };
    Some((address, port))
}

/// `tproxy [ip|ip6] to ADDRESS:PORT`.
pub(super) fn tproxy(parser: &mut Parser<'_>) -> Option<Statement> {
    let family = family(parser);
    parser.word("to").then_some(())?;
    let (address, port) = target(parser)?;
    Some(Statement::Tproxy { family, address, port })
}

/// `dup to ADDRESS device DEVICE`; in family netdev `dup to DEVICE`.
pub(super) fn dup(parser: &mut Parser<'_>) -> Option<Statement> {
    let (address, device) = address_and_device(parser)?;
    Some(Statement::Dup { address, device })
}

/// `fwd to DEVICE`, `fwd ip to ADDRESS device DEVICE`.
pub(super) fn fwd(parser: &mut Parser<'_>) -> Option<Statement> {
    let family = family(parser);
    let (address, device) = address_and_device(parser)?;
    Some(Statement::Fwd { family, address, device })
}

fn address_and_device(parser: &mut Parser<'_>) -> Option<(Option<Expr>, Option<Expr>)> {
    parser.word("to").then_some(())?;
    let first = expr::mapped(parser, &Shape::One(Datatype::DeviceIndex))?;
    if parser.word("device") {
        return Some((Some(first), Some(expr::mapped(parser, &Shape::One(Datatype::DeviceIndex))?)));
    }
    Some(normal::way(Some(first), None))
}
