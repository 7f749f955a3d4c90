//! Objects of a ruleset: tables, chains, rules, sets, flowtables, stateful objects.

use super::super::ast::{
    Base, Chain, ChainKind, Limit, Object, ObjectKind, Quota, Rule, Source, Statement, TableFamily,
};
use super::super::builder::{Builder, TableBuilder};
use super::super::normal;
use super::tape::View;
use super::{set, statement};

/// Adds one object of the list, whose text begins at byte `start`.
pub(super) fn add(builder: &mut Builder, object: View<'_, '_>, start: usize, length: usize) {
    let what = || format!("object at byte {start}");
    let Some((kind, body)) = object.single() else {
        builder.problem(what(), format!("no object with one member: {}", excerpt(object)));
        return;
    };
    match kind {
        "metainfo" => return,
        // Dumps in the form of commands.
        "add" | "create" | "insert" if body.single().is_some() => return add(builder, body, start, length),
        _ => {}
    }
    let name = if kind == "table" { "name" } else { "table" };
    let family = body.get_text("family").and_then(normal::family);
    let (Some(family), Some(table)) = (family, body.get_text(name)) else {
        builder.problem(what(), format!("of no known table: {}", excerpt(object)));
        return;
    };
    let table = builder.table(family, table);
    let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let handle = body.get("handle").and_then(View::number32).unwrap_or(0);
    let source = Source { offset: narrow(start), length: narrow(length), line: 0, handle };
    if add_to_table(table, family, kind, body, source).is_none() {
        table.doubt(format!("{kind} at byte {start}"), format!("not understood: {}", excerpt(object)));
    }
}

/// None: not understood.
fn add_to_table(
    table: &mut TableBuilder,
    family: TableFamily,
    kind: &str,
    body: View<'_, '_>,
    source: Source,
) -> Option<()> {
    match kind {
        "table" => {
            body.only(&["family", "name", "handle", "flags", "comment"])?;
            for flag in body.get("flags").into_iter().flat_map(View::items) {
                // nft 1.0.6 prints freed memory where a table has one flag: any other word may be `dormant`.
                match flag.text()? {
                    "dormant" => table.dormant(),
                    "owner" | "persist" => {}
                    _ => return None,
                }
            }
        }
        "chain" => table.chain(chain(body, source)?),
        "rule" => {
            let rule = rule(body, source);
            table.rule(body.get_text("chain")?, rule);
        }
        "set" | "map" | "meter" => table.set(set::read(body, source, kind == "map")?),
        // Which flows it has taken is told by the flows.
        "flowtable" => {}
        _ => {
            let kind = object(kind, body, family)?;
            table.object(Object { name: body.get("name")?.boxed()?, kind });
        }
    }
    Some(())
}

fn chain(body: View<'_, '_>, source: Source) -> Option<Chain> {
    body.only(&["family", "table", "name", "handle", "type", "hook", "prio", "policy", "dev", "comment", "flags"])?;
    if body.get("flags").is_some_and(|flags| flags.items().any(|flag| flag.text() != Some("offload"))) {
        return None;
    }
    let name = body.get("name")?.boxed()?;
    let Some(hook) = body.get("hook") else {
        return Some(Chain { name, base: None, rules: Vec::new(), source });
    };
    let drops = match body.get_text("policy") {
        Some("drop") => true,
        Some("accept") | None => false,
        Some(_) => return None,
    };
    let base = Base {
        kind: chain_kind(body.get_text("type")?),
        hook: hook.boxed()?,
        priority: body.get("prio")?.signed32()?,
        drops,
        devices: names(body.get("dev"))?,
    };
    Some(Chain { name, base: Some(base), rules: Vec::new(), source })
}

fn chain_kind(name: &str) -> ChainKind {
    match name {
        "filter" => ChainKind::Filter,
        "nat" => ChainKind::Nat,
        "route" => ChainKind::Route,
        _ => ChainKind::Unknown,
    }
}

/// One name or a list of them.
fn names(value: Option<View<'_, '_>>) -> Option<Vec<Box<str>>> {
    value.map_or_else(|| Some(Vec::new()), |value| value.items().map(View::boxed).collect())
}

fn rule(body: View<'_, '_>, source: Source) -> Rule {
    let mut statements = Vec::with_capacity(body.get("expr").map_or(0, |list| list.items().count()));
    for statement in body.get("expr").into_iter().flat_map(View::items) {
        statement::read(statement, &mut statements);
    }
    if body.only(&["family", "table", "chain", "handle", "expr", "comment", "index", "position"]).is_none() {
        // A member that no version known here prints may be a condition on the whole rule.
        statements.insert(0, Statement::Unknown(excerpt(body).into()));
    }
    Rule { statements, comment: body.get("comment").and_then(View::boxed), source }
}

/// Stateful objects.
fn object(kind: &str, body: View<'_, '_>, _family: TableFamily) -> Option<ObjectKind> {
    let over = || body.get("inv").and_then(View::bool).unwrap_or(false);
    let bytes = |name| body.get(name).and_then(View::number).unwrap_or(0);
    Some(match kind {
        "counter" => ObjectKind::Counter,
        "quota" => ObjectKind::Quota(Quota { over: over(), bytes: bytes("bytes"), used_bytes: bytes("used") }),
        "limit" => ObjectKind::Limit(Limit { over: over() }),
        "ct helper" => ObjectKind::Helper(body.get("type")?.boxed()?),
        "ct timeout" => ObjectKind::Timeout,
        "ct expectation" => ObjectKind::Expectation,
        "secmark" => ObjectKind::Secmark,
        "synproxy" => ObjectKind::Synproxy,
        "tunnel" => ObjectKind::Tunnel,
        _ => return None,
    })
}

/// The beginning of an object's text.
fn excerpt(object: View<'_, '_>) -> String {
    let mut text = object.to_string();
    if let Some((end, _)) = text.char_indices().nth(200) {
        text.truncate(end);
        text.push('…');
    }
    text
}
