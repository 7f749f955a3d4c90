//! Expressions.

use super::super::ast::{BinaryOp, Direction, Expr, PayloadBase};
use super::super::datatype::{Datatype, Shape, prefix};
use super::super::normal;
use super::tape::View;
use super::{set, statement};

/// One expression; `shape` says what its words mean.
pub(super) fn read(view: View<'_, '_>, shape: &Shape) -> Expr {
    try_read(view, shape).unwrap_or_else(|| Expr::Unknown(view.to_string().into()))
}

fn try_read(view: View<'_, '_>, shape: &Shape) -> Option<Expr> {
    if let Some(number) = view.number() {
        return Some(match (shape.part(0), number) {
            (Datatype::Boolean | Datatype::FibDevice, 0) => Expr::Bool(false),
            (Datatype::Boolean | Datatype::FibDevice, 1) => Expr::Bool(true),
            _ => Expr::Number(number),
        });
    }
    if let Some(text) = view.text() {
        return Some(match text.strip_prefix('@') {
            Some(name) => Expr::SetRef(name.into()),
            None => shape.part(0).constant(text),
        });
    }
    if let Some(value) = view.bool() {
        return Some(Expr::Bool(value));
    }
    if view.is_list() {
        return Some(normal::list(shape.part(0), view.items().map(|item| read(item, shape)).collect()));
    }
    let (kind, body) = view.single()?;
    match kind {
        "payload" => payload(body),
        "meta" => keyed(body, &["key"]).map(|key| Expr::Meta(key.into())),
        "ct" => connection(body),
        "concat" => {
            let part = |(at, part)| read(part, &Shape::One(shape.part(at)));
            body.is_list().then(|| Expr::Concat(body.items().enumerate().map(part).collect()))
        }
        "set" => Some(Expr::Set(set::elements(body, shape, None))),
        "prefix" => {
            body.only(&["addr", "len"])?;
            prefix(body.get_text("addr")?, u8::try_from(body.get("len")?.number()?).ok()?)
        }
        "range" => {
            let (from, to) = body.pair()?;
            Some(Expr::Range(Box::new((read(from, shape), read(to, shape)))))
        }
        "map" => {
            body.only(&["key", "data"])?;
            let key = read(body.get("key")?, &Shape::One(Datatype::Integer));
            let map = set::reference(body.get("data")?, &Shape::of(&key), shape)?;
            Some(Expr::Map { key: Box::new(key), map })
        }
        "&" | "|" | "^" | "<<" | ">>" => binary(kind, body, shape),
        "elem" => Some(read(body.get("val")?, shape)),
        "accept" | "drop" | "continue" | "return" | "jump" | "goto" => {
            statement::verdict(kind, body).map(Expr::Verdict)
        }
        _ => lookup(kind, body),
    }
}

/// What is asked of other parts of the kernel, and headers that are optional.
fn lookup(kind: &str, body: View<'_, '_>) -> Option<Expr> {
    match kind {
        "exthdr" => option(body).map(|(name, field)| Expr::ExtensionHeader { name, field }),
        "tcp option" => option(body).map(|(name, field)| Expr::TcpOption { name, field }),
        "ip option" => option(body).map(|(name, field)| Expr::IpOption { name, field }),
        "sctp chunk" => option(body).map(|(name, field)| Expr::SctpChunk { name, field }),
        "dccp option" => body.get("type")?.number32().map(Expr::DccpOption),
        "rt" => {
            let family = body.get_text("family").and_then(normal::family);
            keyed(body, &["key", "family"]).map(|key| Expr::Rt { key: key.into(), family })
        }
        "socket" => keyed(body, &["key", "level"]).map(|key| Expr::Socket(key.into())),
        "osf" => keyed(body, &["key", "ttl"]).map(|key| Expr::Osf(key.into())),
        "fib" => {
            body.only(&["result", "flags"])?;
            let flags = body.get("flags").into_iter().flat_map(View::items).map(View::boxed);
            Some(Expr::Fib { result: body.get("result")?.boxed()?, flags: flags.collect::<Option<_>>()? })
        }
        "numgen" => {
            let random = match body.get_text("mode")? {
                "random" => true,
                "inc" => false,
                _ => return None,
            };
            let (modulus, offset) = modulus(body, &["mode", "mod", "offset"])?;
            Some(Expr::Numgen { random, modulus, offset })
        }
        "jhash" => {
            let (modulus, offset) = modulus(body, &["mod", "offset", "expr", "seed"])?;
            let seed = body.get("seed").and_then(View::number32);
            let expr = Box::new(read(body.get("expr")?, &Shape::One(Datatype::Integer)));
            Some(Expr::Jhash { expr, modulus, offset, seed })
        }
        "symhash" => {
            let (modulus, offset) = modulus(body, &["mod", "offset"])?;
            Some(Expr::Symhash { modulus, offset })
        }
        "ipsec" => {
            let spnum = body.get("spnum").and_then(View::number32).unwrap_or(0);
            let inbound = match body.get_text("dir")? {
                "in" => true,
                "out" => false,
                _ => return None,
            };
            keyed(body, &["key", "family", "dir", "spnum"]).map(|key| Expr::Ipsec { key: key.into(), inbound, spnum })
        }
        _ => None,
    }
}

/// The member `key`, if there is no other but these.
fn keyed<'t>(body: View<'t, '_>, members: &[&str]) -> Option<&'t str> {
    body.only(members)?;
    body.get_text("key")
}

fn payload(body: View<'_, '_>) -> Option<Expr> {
    if let Some(protocol) = body.get("protocol") {
        body.only(&["protocol", "field", "tunnel"])?;
        let tunnel = body.get("tunnel").and_then(View::boxed);
        return Some(Expr::Payload { protocol: protocol.boxed()?, field: body.get("field")?.boxed()?, tunnel });
    }
    body.only(&["base", "offset", "len"])?;
    let base = match body.get_text("base")? {
        "ll" => PayloadBase::Link,
        "nh" => PayloadBase::Network,
        "th" => PayloadBase::Transport,
        "ih" => PayloadBase::Inner,
        _ => return None,
    };
    let (offset, length) = (body.get("offset")?.number32()?, body.get("len")?.number32()?);
    Some(Expr::RawPayload { base, offset, length })
}

fn connection(body: View<'_, '_>) -> Option<Expr> {
    body.only(&["key", "dir", "family"])?;
    let direction = match body.get_text("dir") {
        None => None,
        Some("original") => Some(Direction::Original),
        Some("reply") => Some(Direction::Reply),
        Some(_) => return None,
    };
    let mut expr = normal::connection(body.get_text("key")?, direction);
    if let (Expr::Ct { family, .. }, Some(name)) = (&mut expr, body.get_text("family")) {
        *family = normal::family(name);
    }
    Some(expr)
}

/// Name and field of an option or extension header.
fn option(body: View<'_, '_>) -> Option<(Box<str>, Option<Box<str>>)> {
    if body.get("base").is_some() {
        // A TCP option by its number: `@NUMBER,OFFSET,LENGTH` in text.
        let number = |view: View<'_, '_>| view.number32();
        let (offset, length) = (body.get("offset").and_then(number)?, body.get("len").and_then(number)?);
        let kind = body.get("base").and_then(number)?;
        return Some((kind.to_string().into(), Some(format!("@{offset},{length}").into())));
    }
    body.only(&["name", "field", "offset"])?;
    Some((body.get("name")?.boxed()?, body.get("field").and_then(View::boxed)))
}

/// Members `mod` and `offset`.
fn modulus(body: View<'_, '_>, members: &[&str]) -> Option<(u32, u32)> {
    body.only(members)?;
    let offset = body.get("offset").map_or(Some(0), View::number32)?;
    Some((body.get("mod")?.number32()?, offset))
}

/// Two or more operands, from left to right. The first one says what the words of the others mean.
fn binary(op: &str, body: View<'_, '_>, shape: &Shape) -> Option<Expr> {
    let op = match op {
        "&" => BinaryOp::And,
        "|" => BinaryOp::Or,
        "^" => BinaryOp::Xor,
        "<<" => BinaryOp::ShiftLeft,
        _ => BinaryOp::ShiftRight,
    };
    let mut operands = body.is_list().then(|| body.items())?;
    let mut left = read(operands.next()?, shape);
    let shape = match &left {
        Expr::Number(_) => shape.clone(),
        left => Shape::of(left),
    };
    for right in operands {
        left = normal::binary(op, left, read(right, &shape));
    }
    Some(left)
}
