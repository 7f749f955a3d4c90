//! Statements of rules.

use super::super::ast::{Expr, Limit, Quota, Rule, SetOp, Source, Statement, Verdict};
use super::super::datatype::{Datatype, Shape};
use super::super::normal;
use super::lexer::Token;
use super::parser::Parser;
use super::{element, expr, nat};

/// One rule, up to the end of its line. Its source is left open.
pub(super) fn rule(parser: &mut Parser<'_>) -> Rule {
    let mut rule = Rule { statements: Vec::new(), comment: None, source: Source::default() };
    while !parser.at_end_of_line() {
        if parser.word("comment") && parser.quoted().map(|text| rule.comment = Some(text.into())).is_some() {
            continue;
        }
        match parser.attempt(one) {
            Some(statement) => rule.statements.push(statement),
            None => rule.statements.push(Statement::Unknown(unknown(parser).into())),
        }
    }
    rule
}

/// Passes what is not understood: all up to a verdict that ends the rule, or up to the rule's end.
fn unknown<'a>(parser: &mut Parser<'a>) -> &'a str {
    let (start, open) = (parser.start, parser.open());
    loop {
        parser.advance();
        let outside = parser.open() <= open;
        if parser.token == Token::End || outside && (parser.at_end_of_line() || ends_with_verdict(*parser)) {
            break;
        }
    }
    parser.since(start)
}

fn ends_with_verdict(mut parser: Parser<'_>) -> bool {
    // A place to look from: the caller keeps its own.
    element::verdict(&mut parser).is_some() && (parser.at_end_of_line() || parser.peek_word() == Some("comment"))
}

/// One statement. None: not understood.
pub(super) fn one(parser: &mut Parser<'_>) -> Option<Statement> {
    if let Token::Extension(name) = parser.token {
        parser.advance();
        return Some(Statement::Xt { kind: "".into(), name: name.into() });
    }
    let before = *parser;
    if let Some(word) = parser.any_word()
        && let Some(parse) = keyword(word)
        && let Some(statement) = parse(parser)
    {
        return Some(statement);
    }
    *parser = before;
    of_expression(parser)
}

type Parse = fn(&mut Parser<'_>) -> Option<Statement>;

/// Statements that begin with a word of their own.
fn keyword(word: &str) -> Option<Parse> {
    Some(match word {
        "accept" => |_| Some(Statement::Verdict(Verdict::Accept)),
        "drop" => |_| Some(Statement::Verdict(Verdict::Drop)),
        "continue" => |_| Some(Statement::Verdict(Verdict::Continue)),
        "return" => |_| Some(Statement::Verdict(Verdict::Return)),
        "jump" => |parser| Some(Statement::Verdict(Verdict::Jump(parser.name()?.into()))),
        "goto" => |parser| Some(Statement::Verdict(Verdict::Goto(parser.name()?.into()))),
        "counter" => counter,
        "limit" => limit,
        "quota" => quota,
        "ct" => connection,
        "meta" => {
            |parser| (parser.word("secmark") && parser.word("set")).then(|| object_ref(parser, "secmark")).flatten()
        }
        "log" => log,
        "reject" => reject,
        "snat" | "dnat" | "masquerade" | "redirect" => return nat::keyword(word),
        "tproxy" => nat::tproxy,
        "dup" => nat::dup,
        "fwd" => nat::fwd,
        "notrack" => |_| Some(Statement::Notrack),
        "last" => |parser| {
            if parser.word("used") {
                parser.any_word()?;
            }
            Some(Statement::Last)
        },
        "add" => |parser| set_update(parser, SetOp::Add),
        "update" => |parser| set_update(parser, SetOp::Update),
        "delete" => |parser| set_update(parser, SetOp::Delete),
        "meter" => meter,
        "flow" => flow,
        "synproxy" => synproxy,
        "queue" => queue,
        "reset" => |parser| {
            (parser.word("tcp") && parser.word("option")).then_some(())?;
            Some(Statement::OptstripTcp(parser.any_word()?.into()))
        },
        "xt" => |parser| {
            let kind = parser.any_word()?.into();
            Some(Statement::Xt { kind, name: parser.name()?.into() })
        },
        "tunnel" => |parser| parser.word("name").then(|| object_ref(parser, "tunnel")).flatten(),
        _ => return None,
    })
}

/// `EXPR vmap …`, `EXPR set …`, `EXPR [OP] …`.
fn of_expression(parser: &mut Parser<'_>) -> Option<Statement> {
    let left = expr::key(parser)?;
    let shape = Shape::of(&left);
    if parser.word("vmap") {
        let map = element::reference(parser, &shape, &Shape::One(Datatype::Verdict))?;
        return Some(Statement::VerdictMap { key: left, map });
    }
    if parser.word("set") {
        return Some(Statement::Mangle { key: left, value: expr::right(parser, &shape)? });
    }
    let op = match parser.token {
        Token::Operator(op @ ("==" | "!=" | "<" | ">" | "<=" | ">=" | "!")) => Some(op),
        Token::Word("eq") => Some("=="),
        Token::Word("ne" | "neq") => Some("!="),
        Token::Word("lt") => Some("<"),
        Token::Word("gt") => Some(">"),
        Token::Word("le") => Some("<="),
        Token::Word("ge") => Some(">="),
        _ => None,
    };
    if op.is_some() {
        parser.advance();
    }
    let right = expr::right(parser, &shape)?;
    if parser.word("/") {
        // `tcp flags syn / fin,syn,rst,ack`: the flag among the mask.
        let mask = expr::right(parser, &shape)?;
        let left = normal::binary(super::super::ast::BinaryOp::And, left, mask);
        return normal::comparison(op.unwrap_or("=="), left, right);
    }
    normal::comparison(op.unwrap_or("in"), left, right)
}

/// Behind `name` or `set`: the name of an object, or a map to names.
fn object_ref(parser: &mut Parser<'_>, kind: &str) -> Option<Statement> {
    let name = match parser.quoted() {
        Some(name) => Expr::Text(name.into()),
        None => match parser.attempt(|parser| expr::mapped(parser, &Shape::One(Datatype::Text))) {
            Some(map @ Expr::Map { .. }) => map,
            _ => Expr::Text(parser.any_word()?.into()),
        },
    };
    Some(Statement::ObjectRef { kind: kind.into(), name })
}

fn counter(parser: &mut Parser<'_>) -> Option<Statement> {
    if parser.word("name") {
        return object_ref(parser, "counter");
    }
    if parser.word("packets") {
        parser.number()?;
        parser.word("bytes").then_some(())?;
        parser.number()?;
    }
    Some(Statement::Counter)
}

/// Also the line of a named limit.
pub(super) fn limit(parser: &mut Parser<'_>) -> Option<Statement> {
    if parser.word("name") {
        return object_ref(parser, "limit");
    }
    parser.word("rate").then_some(())?;
    let over = parser.word("over");
    parser.word("until");
    // `5/second`, or `10 mbytes/second`.
    let rate = parser.any_word()?;
    if !rate.contains('/') {
        parser.any_word().filter(|unit| unit.contains('/'))?;
    }
    if parser.word("burst") {
        parser.number()?;
        parser.any_word()?;
    }
    Some(Statement::Limit(Limit { over }))
}

/// Also the line of a named quota.
pub(super) fn quota(parser: &mut Parser<'_>) -> Option<Statement> {
    if parser.word("name") {
        return object_ref(parser, "quota");
    }
    let over = parser.word("over");
    parser.word("until");
    let bytes = |parser: &mut Parser<'_>| {
        let count = parser.number()?;
        count.checked_mul(normal::unit_bytes(parser.any_word()?)?)
    };
    let limit = bytes(parser)?;
    let used_bytes = if parser.word("used") { bytes(parser)? } else { 0 };
    Some(Statement::Quota(Quota { over, bytes: limit, used_bytes }))
}

/// `ct count` and the objects that a connection may get.
fn connection(parser: &mut Parser<'_>) -> Option<Statement> {
    let kind = match parser.any_word()? {
        "count" => {
            let over = parser.word("over");
            return Some(Statement::ConnectionCount { over, count: parser.number32()? });
        }
        "helper" => "ct helper",
        "timeout" => "ct timeout",
        "expectation" => "ct expectation",
        _ => return None,
    };
    parser.word("set").then(|| object_ref(parser, kind)).flatten()
}

fn log(parser: &mut Parser<'_>) -> Option<Statement> {
    loop {
        match parser.peek_word() {
            Some("prefix") => {
                parser.advance();
                parser.name()?;
            }
            Some("group" | "snaplen" | "queue-threshold" | "level") => {
                parser.advance();
                parser.any_word()?;
            }
            Some("flags") => {
                parser.advance();
                if matches!(parser.any_word()?, "tcp" | "ip") {
                    parser.any_word()?;
                }
                while parser.eat(Token::Comma) {
                    parser.any_word()?;
                }
            }
            _ => return Some(Statement::Log),
        }
    }
}

fn reject(parser: &mut Parser<'_>) -> Option<Statement> {
    if !parser.word("with") {
        return Some(Statement::Reject(None));
    }
    let kind = parser.any_word()?;
    if kind == "tcp" {
        return parser.word("reset").then(|| normal::reject("tcp reset", None)).flatten();
    }
    // Old versions print `type` before the code.
    parser.word("type");
    normal::reject(kind, Some(&expr::binary(parser, normal::reject_codes(kind), 0)?))
}

/// `@SET { KEY OPTIONS : VALUE }`.
fn set_update(parser: &mut Parser<'_>, op: SetOp) -> Option<Statement> {
    let set = parser.any_word()?.strip_prefix('@')?.into();
    parser.require(Token::Open)?;
    let mut element = normal::element(expr::key(parser)?);
    element::options(parser, &mut element)?;
    let value = if parser.word(":") {
        let value = expr::concatenation(parser, &Shape::target())?;
        element::options(parser, &mut element)?;
        Some(value)
    } else {
        None
    };
    parser.require(Token::Close)?;
    Some(Statement::SetUpdate { op, set, key: element.key, value, statements: element.statements })
}

/// `meter NAME [size N] { KEY STATEMENT }`.
fn meter(parser: &mut Parser<'_>) -> Option<Statement> {
    let name = parser.name()?.into();
    if parser.word("size") {
        parser.number()?;
    }
    parser.require(Token::Open)?;
    let key = expr::key(parser)?;
    if parser.word("timeout") {
        parser.any_word()?;
    }
    let statement = Box::new(parser.nested(one)?);
    parser.require(Token::Close)?;
    Some(Statement::Meter { name, key, statement })
}

/// `flow add @NAME`; old versions print `flow offload @NAME`.
fn flow(parser: &mut Parser<'_>) -> Option<Statement> {
    (parser.word("add") || parser.word("offload")).then_some(())?;
    Some(Statement::FlowOffload(parser.any_word()?.strip_prefix('@')?.into()))
}

fn synproxy(parser: &mut Parser<'_>) -> Option<Statement> {
    if parser.word("name") {
        return object_ref(parser, "synproxy");
    }
    loop {
        match parser.peek_word() {
            Some("mss" | "wscale") => {
                parser.advance();
                parser.number()?;
            }
            Some("timestamp" | "sack-perm") => drop(parser.advance()),
            _ => return Some(Statement::Synproxy),
        }
    }
}

/// `queue num 3-5 bypass,fanout`, `queue flags bypass to 3`.
fn queue(parser: &mut Parser<'_>) -> Option<Statement> {
    let mut bypass = false;
    loop {
        match parser.peek_word() {
            Some("bypass") => {
                bypass = true;
                parser.advance();
            }
            Some("fanout" | "flags") => drop(parser.advance()),
            Some("num" | "to") => {
                parser.advance();
                expr::mapped(parser, &Shape::One(Datatype::Integer))?;
            }
            _ if parser.eat(Token::Comma) => {}
            _ => return Some(Statement::Queue { bypass }),
        }
    }
}
