//! Named sets and maps, and the elements of all sets.

use super::super::ast::{Element, Expr, Set, SetRef, Source, Statement};
use super::super::datatype::{Datatype, Shape};
use super::super::normal;
use super::tape::View;
use super::{expr, statement};

/// A named set or map.
pub(super) fn read(body: View<'_, '_>, source: Source, is_map: bool) -> Option<Set> {
    let key = types(body.get("type")?)?;
    let data = if is_map { types(body.get("map")?)? } else { Vec::new() };
    let (shape, values) = (Shape::named(&key), values(&data));
    let known = body
        .only(&[
            "family",
            "name",
            "table",
            "type",
            "handle",
            "map",
            "policy",
            "flags",
            "elem",
            "timeout",
            "gc-interval",
            "size",
            "auto-merge",
            "comment",
            "stmt",
            "desc",
        ])
        .is_some();
    let mut set = Set {
        name: body.get("name")?.boxed()?,
        is_map,
        key,
        data,
        interval: false,
        dynamic: false,
        timeout: body.get("timeout").is_some(),
        elements: Vec::new(),
        partial: !known,
        source,
    };
    for flag in body.get("flags").into_iter().flat_map(View::items) {
        match flag.text() {
            Some("interval") => set.interval = true,
            Some("dynamic") => set.dynamic = true,
            Some("timeout") => set.timeout = true,
            Some("constant") => {}
            _ => set.partial = true,
        }
    }
    for item in body.get("elem").into_iter().flat_map(View::items) {
        match element(item, &shape, is_map.then_some(&values)) {
            Some(element) => set.elements.push(element),
            None => set.partial = true,
        }
    }
    Some(set)
}

/// The shape of a map's values.
fn values(data: &[Box<str>]) -> Shape {
    match data {
        [one] if matches!(&**one, "counter" | "quota" | "limit" | "synproxy" | "secmark") => Shape::One(Datatype::Text),
        [one] if one.starts_with("ct ") => Shape::One(Datatype::Text),
        data => Shape::named(data),
    }
}

/// `"ipv4_addr"`, `"ipv4_addr . inet_service"`, a list of names, or `{"typeof": EXPRESSION}`.
fn types(view: View<'_, '_>) -> Option<Vec<Box<str>>> {
    if let Some(inner) = view.get("typeof") {
        let inner = inner.get("concat").unwrap_or(inner);
        return Some(
            inner
                .items()
                .map(|part| Datatype::of(&expr::read(part, &Shape::One(Datatype::Integer))).name().into())
                .collect(),
        );
    }
    let mut types = Vec::new();
    for name in view.items() {
        types.extend(name.text()?.split(" . ").map(Box::from));
    }
    Some(types)
}

/// Elements of an anonymous set or map. An element that is not understood makes the key [`Expr::Unknown`].
pub(super) fn elements(list: View<'_, '_>, key: &Shape, value: Option<&Shape>) -> Vec<Element> {
    list.items()
        .map(|item| {
            element(item, key, value).unwrap_or_else(|| normal::element(Expr::Unknown(item.to_string().into())))
        })
        .collect()
}

/// `{"set": […]}` or `"@name"`, as the data of a map.
pub(super) fn reference(view: View<'_, '_>, key: &Shape, value: &Shape) -> Option<SetRef> {
    if let Some(name) = view.text() {
        return Some(SetRef::Named(name.strip_prefix('@').unwrap_or(name).into()));
    }
    match view.single()? {
        ("set", list) => Some(SetRef::Anonymous(elements(list, key, Some(value)))),
        _ => None,
    }
}

/// One element; with a shape of values it is one of a map, `[key, value]`. None: not understood.
fn element(item: View<'_, '_>, key: &Shape, value: Option<&Shape>) -> Option<Element> {
    let (item, value) = match value {
        Some(shape) => {
            let (item, value) = item.pair()?;
            (item, Some(known(expr::read(value, shape))?))
        }
        None => (item, None),
    };
    let mut element = match item.get("elem") {
        Some(body) => extended(body, key)?,
        None => normal::element(key_of(item, key)?),
    };
    element.value = value;
    Some(element)
}

fn known(expr: Expr) -> Option<Expr> {
    (!matches!(expr, Expr::Unknown(_))).then_some(expr)
}

fn key_of(item: View<'_, '_>, key: &Shape) -> Option<Expr> {
    match item.text() {
        Some("*") => Some(Expr::Wildcard),
        _ => known(expr::read(item, key)),
    }
}

/// `{"val": KEY, "timeout": …, "expires": …, "comment": …, "counter": …}`.
fn extended(body: View<'_, '_>, key: &Shape) -> Option<Element> {
    let mut element = normal::element(key_of(body.get("val")?, key)?);
    for (name, value) in body.members() {
        match name {
            "val" | "timeout" => {}
            "expires" => element.expires_s = value.number(),
            "comment" => element.comment = value.boxed(),
            _ => element.statements.push(statement::known(name, value)?),
        }
    }
    Some(element)
}

/// What a rule adds to a set: the key, which may stand in an `elem` with a timeout or statements.
pub(super) fn added(view: View<'_, '_>) -> Option<(Expr, Vec<Statement>)> {
    let shape = Shape::One(Datatype::Integer);
    match view.get("elem") {
        Some(body) => extended(body, &shape).map(|element| (element.key, element.statements)),
        None => Some((expr::read(view, &shape), Vec::new())),
    }
}
