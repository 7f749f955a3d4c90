//! Statements of rules.

use super::super::ast::{Limit, Nat, NatKind, Quota, SetOp, Statement, TableFamily, Verdict};
use super::super::datatype::{Datatype, Shape};
use super::super::{normal, text};
use super::tape::View;
use super::{expr, set};

/// Adds one statement of a rule's list.
pub(super) fn read(statement: View<'_, '_>, into: &mut Vec<Statement>) {
    // A statement that this version of nft has no JSON form for is printed as text.
    match statement.text() {
        Some(text) => into.extend(text::statements(text)),
        None => into.push(one(statement)),
    }
}

fn one(statement: View<'_, '_>) -> Statement {
    let known = statement.single().and_then(|(kind, body)| known(kind, body));
    known.unwrap_or_else(|| Statement::Unknown(statement.to_string().into()))
}

/// A statement of a known kind with known members only.
pub(super) fn known(kind: &str, body: View<'_, '_>) -> Option<Statement> {
    match kind {
        "match" => comparison(body),
        "vmap" => verdict_map(body),
        "mangle" => mangle(body),
        "snat" => nat(NatKind::Snat, body),
        "dnat" => nat(NatKind::Dnat, body),
        "masquerade" => nat(NatKind::Masquerade, body),
        "redirect" => nat(NatKind::Redirect, body),
        "counter" | "quota" | "limit" | "ct helper" | "ct timeout" | "ct expectation" | "synproxy" | "secmark"
        | "tunnel"
            if body.text().is_some() || body.get("map").is_some() =>
        {
            Some(Statement::ObjectRef { kind: kind.into(), name: expr::read(body, &Shape::One(Datatype::Text)) })
        }
        "counter" => Some(Statement::Counter),
        "last" => Some(Statement::Last),
        "limit" => {
            body.only(&["rate", "rate_unit", "per", "burst", "burst_unit", "inv"])?;
            Some(Statement::Limit(Limit { over: inverted(body)? }))
        }
        "quota" => quota(body),
        "ct count" => {
            body.only(&["val", "inv"])?;
            Some(Statement::ConnectionCount { over: inverted(body)?, count: body.get("val")?.number32()? })
        }
        "log" => Some(Statement::Log),
        "reject" => reject(body),
        "notrack" => Some(Statement::Notrack),
        "set" | "map" => set_update(kind, body),
        "meter" => meter(body),
        "dup" | "fwd" | "tproxy" => forward(kind, body),
        "flow" => {
            body.only(&["op", "flowtable"])?;
            let name = body.get_text("flowtable")?;
            Some(Statement::FlowOffload(name.strip_prefix('@').unwrap_or(name).into()))
        }
        "synproxy" => Some(Statement::Synproxy),
        "queue" => queue(body),
        "reset" | "optstrip" => Some(Statement::OptstripTcp(body.get("tcp option")?.get("name")?.boxed()?)),
        "xt" => Some(extension(body)),
        _ => verdict(kind, body).map(Statement::Verdict),
    }
}

/// `{"accept": null}`, `{"jump": {"target": …}}`.
pub(super) fn verdict(kind: &str, body: View<'_, '_>) -> Option<Verdict> {
    let target = || body.get("target").and_then(View::boxed);
    Some(match kind {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        "continue" => Verdict::Continue,
        "return" => Verdict::Return,
        "jump" => Verdict::Jump(target()?),
        "goto" => Verdict::Goto(target()?),
        _ => return None,
    })
}

fn inverted(body: View<'_, '_>) -> Option<bool> {
    body.get("inv").map_or(Some(false), View::bool)
}

fn comparison(body: View<'_, '_>) -> Option<Statement> {
    body.only(&["op", "left", "right"])?;
    let left = expr::read(body.get("left")?, &Shape::One(Datatype::Integer));
    let right = expr::read(body.get("right")?, &Shape::of(&left));
    normal::comparison(body.get_text("op").unwrap_or("=="), left, right)
}

fn verdict_map(body: View<'_, '_>) -> Option<Statement> {
    body.only(&["key", "data"])?;
    let key = expr::read(body.get("key")?, &Shape::One(Datatype::Integer));
    let map = set::reference(body.get("data")?, &Shape::of(&key), &Shape::One(Datatype::Verdict))?;
    Some(Statement::VerdictMap { key, map })
}

fn mangle(body: View<'_, '_>) -> Option<Statement> {
    body.only(&["key", "value"])?;
    let key = expr::read(body.get("key")?, &Shape::One(Datatype::Integer));
    let value = expr::read(body.get("value")?, &Shape::of(&key));
    Some(Statement::Mangle { key, value })
}

fn quota(body: View<'_, '_>) -> Option<Statement> {
    body.only(&["val", "val_unit", "used", "used_unit", "inv"])?;
    let bytes = |value: &str, unit: &str| {
        let unit = body.get_text(unit).map_or(Some(1), normal::unit_bytes)?;
        body.get(value).map_or(Some(0), |value| value.number()?.checked_mul(unit))
    };
    let (limit, used) = (bytes("val", "val_unit")?, bytes("used", "used_unit")?);
    Some(Statement::Quota(Quota { over: inverted(body)?, bytes: limit, used_bytes: used }))
}

fn reject(body: View<'_, '_>) -> Option<Statement> {
    body.only(&["type", "expr"])?;
    let Some(kind) = body.get_text("type") else {
        return Some(Statement::Reject(None));
    };
    let code = body.get("expr").map(|code| expr::read(code, &Shape::One(normal::reject_codes(kind))));
    normal::reject(kind, code.as_ref())
}

/// The member `family`, if there is one. None: it is none that is known.
fn family(body: View<'_, '_>, into: &mut Option<TableFamily>) -> Option<()> {
    if let Some(name) = body.get_text("family") {
        *into = Some(normal::family(name)?);
    }
    Some(())
}

fn nat(kind: NatKind, body: View<'_, '_>) -> Option<Statement> {
    body.only(&["addr", "family", "port", "flags", "type_flags"])?;
    let address = body.get("addr").map(|address| expr::read(address, &Shape::target()));
    let port = body.get("port").map(|port| expr::read(port, &Shape::One(Datatype::Service)));
    let mut nat = Nat {
        kind,
        family: None,
        address,
        port,
        random: false,
        fully_random: false,
        persistent: false,
        netmap: false,
        concat: false,
    };
    family(body, &mut nat.family)?;
    for flag in ["flags", "type_flags"].into_iter().filter_map(|name| body.get(name)).flat_map(View::items) {
        match flag.text()? {
            "random" => nat.random = true,
            "fully-random" => nat.fully_random = true,
            "persistent" => nat.persistent = true,
            "netmap" | "prefix" => nat.netmap = true,
            "concat" => nat.concat = true,
            "interval" => {}
            _ => return None,
        }
    }
    Some(normal::nat(nat))
}

fn set_update(kind: &str, body: View<'_, '_>) -> Option<Statement> {
    body.only(&["op", "elem", "data", "set", "map", "stmt"])?;
    let op = match body.get_text("op")? {
        "add" => SetOp::Add,
        "update" => SetOp::Update,
        "delete" => SetOp::Delete,
        _ => return None,
    };
    let name = body.get_text(kind).or_else(|| body.get_text("set"))?;
    let (key, mut statements) = set::added(body.get("elem")?)?;
    for statement in body.get("stmt").into_iter().flat_map(View::items) {
        read(statement, &mut statements);
    }
    let value = body.get("data").map(|value| expr::read(value, &Shape::target()));
    let set = name.strip_prefix('@').unwrap_or(name).into();
    Some(Statement::SetUpdate { op, set, key, value, statements })
}

fn meter(body: View<'_, '_>) -> Option<Statement> {
    body.only(&["name", "key", "stmt", "size"])?;
    let name = body.get("name").map_or_else(|| Some("".into()), View::boxed)?;
    let (key, _) = set::added(body.get("key")?)?;
    Some(Statement::Meter { name, key, statement: Box::new(one(body.get("stmt")?)) })
}

/// `dup`, `fwd` and `tproxy`.
fn forward(kind: &str, body: View<'_, '_>) -> Option<Statement> {
    body.only(&["addr", "dev", "family", "port"])?;
    let read = |name: &str, of: Datatype| body.get(name).map(|value| expr::read(value, &Shape::One(of)));
    let mut of = None;
    family(body, &mut of)?;
    let (address, device) = (read("addr", Datatype::Integer), read("dev", Datatype::DeviceIndex));
    Some(match kind {
        "dup" => {
            let (address, device) = normal::way(address, device);
            Statement::Dup { address, device }
        }
        "fwd" => {
            let (address, device) = normal::way(address, device);
            Statement::Fwd { family: of, address, device }
        }
        _ => Statement::Tproxy { family: of, address, port: read("port", Datatype::Service) },
    })
}

fn queue(body: View<'_, '_>) -> Option<Statement> {
    body.only(&["num", "flags"])?;
    let mut bypass = false;
    for flag in body.get("flags").into_iter().flat_map(View::items) {
        match flag.text()? {
            "bypass" => bypass = true,
            "fanout" => {}
            _ => return None,
        }
    }
    Some(Statement::Queue { bypass })
}

/// Old versions print no name.
fn extension(body: View<'_, '_>) -> Statement {
    let member = |name| body.get(name).and_then(View::boxed).unwrap_or_default();
    Statement::Xt { kind: member("type"), name: member("name") }
}
