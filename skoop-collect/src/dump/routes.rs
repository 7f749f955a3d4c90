//! Routes: `ip -j route show table all`, with and without `-6`.

use std::net::IpAddr;

use ipnet::IpNet;
use skoop_model::{Family, Item, NextHop, Reason, Route, RouteKind, RouteProtocol, RouteScope, TableId, Unavailable};

use super::fields::{Fields, prefix};
use super::names::{route_protocol, scope, table, tos};
use super::{HalfSeen, Reader};

const FILES: [(Family, &str); 2] = [(Family::V4, "ip-route.json"), (Family::V6, "ip6-route.json")];

/// The routes of both families. `ip route show table all` without a family prints IPv6 too where it prints all tables; a file of
/// IPv6's own rules.
pub(super) fn read(reader: &mut Reader<'_>) -> Item<Vec<Route>> {
    let mut routes = Vec::new();
    let mut why_not = Vec::new();
    let mut strays = Vec::new();
    for (family, file) in FILES {
        match reader.text(file) {
            Ok(text) => {
                let found = reader.each(file, text, |reader, object| route(reader, file, object).map(Some));
                let (own, other): (Vec<Route>, Vec<Route>) = found.into_iter().partition(|route| of(route) == family);
                if family == Family::V4 {
                    strays = other;
                }
                match complete(family, file, &own) {
                    Ok(()) => routes.extend(own),
                    Err(why) => why_not.push((family, why)),
                }
            }
            Err(why) => why_not.push((family, why)),
        }
    }
    if why_not.iter().any(|(family, _)| *family == Family::V6)
        && complete(Family::V6, "", &strays).is_ok()
        && !strays.is_empty()
    {
        why_not.retain(|(family, _)| *family != Family::V6);
        routes.extend(strays);
    }
    match why_not.as_slice() {
        [] => reader.known(routes),
        [(family, why)] => {
            reader.half_seen.push(HalfSeen { family: *family, text: format!("{family} routes: {why}") });
            reader.known(routes)
        }
        [(_, why), ..] => Item::Unavailable(why.clone()),
    }
}

fn of(route: &Route) -> Family {
    Family::of(route.dst.addr())
}

/// Whether all tables were printed: a namespace with routes has some in table local, for the kernel puts each address there.
fn complete(family: Family, file: &str, routes: &[Route]) -> Result<(), Unavailable> {
    if routes.is_empty() || routes.iter().any(|route| route.table != TableId::MAIN) {
        return Ok(());
    }
    let option = if family == Family::V6 { "-6 " } else { "" };
    let detail = format!("{file} holds the main table only: print all with `ip {option}-j route show table all`");
    Err(Unavailable::new(Reason::NotCollected, detail))
}

fn route(reader: &mut Reader<'_>, file: &'static str, object: Fields<'_>) -> Result<Route, String> {
    let dst = object.text("dst").ok_or("no dst")?;
    let guess = match (file, dst.contains(':')) {
        ("ip-route.json", false) => default_family(object),
        _ => Family::V6,
    };
    let dst = prefix(&dst, guess).ok_or_else(|| format!("dst: `{dst}` is no prefix"))?;
    let family = Family::of(dst.addr());
    let mut route = Route {
        table: object.text("table").map_or(Ok(TableId::MAIN), |text| table(&text))?,
        dst: dst.trunc(),
        src: object.prefix("from", family)?.map(|net: IpNet| net.trunc()),
        tos: object.text("tos").map_or(Ok(0), |text| tos(&text))?,
        metric: object.number("metric")?.unwrap_or(0),
        kind: kind(object.text("type").as_deref().unwrap_or("unicast"))?,
        protocol: RouteProtocol(object.text("protocol").map_or(RouteProtocol::BOOT.0, |text| route_protocol(&text))),
        scope: match object.text("scope") {
            Some(text) => RouteScope(scope(&text).ok_or_else(|| format!("scope `{text}` is not known"))?),
            None => RouteScope::GLOBAL,
        },
        prefsrc: object.address("prefsrc")?,
        nexthops: Vec::new(),
        nexthop_id: object.number("nhid")?,
        mtu_bytes: None,
        unmodelled: Vec::new(),
    };
    route.mtu_bytes = metrics_mtu(object)?;
    unmodelled(object, &mut route);
    for hop in object.objects("nexthops") {
        let hop = nexthop(reader, hop, &mut route.unmodelled)?;
        route.nexthops.push(hop);
    }
    // A blackhole nexthop object is printed with the loopback device, by which nothing leaves.
    let is_blackhole_object = route.nexthop_id.is_some() && route.kind == RouteKind::Blackhole;
    let has_way = ["dev", "gateway", "via"].iter().any(|key| object.get(key).is_some());
    if route.nexthops.is_empty() && has_way && !is_blackhole_object {
        let hop = nexthop(reader, object, &mut route.unmodelled)?;
        route.nexthops.push(hop);
    }
    if route.nexthop_id.is_some() && route.nexthops.is_empty() && route.kind == RouteKind::Unicast {
        route.unmodelled.push(format!("nexthop object {}", route.nexthop_id.unwrap_or_default()));
    }
    Ok(route)
}

/// `default` in a file of both families is the gateway's: only IPv6's routes have a preference.
fn default_family(object: Fields<'_>) -> Family {
    let hop = object.objects("nexthops").next().unwrap_or(object);
    let gateway = hop.text("gateway").or_else(|| object.text("from"));
    let is_v6 = object.get("pref").is_some() || gateway.is_some_and(|gateway| gateway.contains(':'));
    if is_v6 { Family::V6 } else { Family::V4 }
}

fn nexthop(reader: &mut Reader<'_>, hop: Fields<'_>, unmodelled: &mut Vec<String>) -> Result<NextHop, String> {
    let mut gateway: Option<IpAddr> = hop.address("gateway")?;
    if let Some(via) = hop.object("via") {
        unmodelled.push("via (other family)".to_owned());
        gateway = via.address("host")?;
    }
    if hop.get("encap").is_some() && !unmodelled.iter().any(|name| name == "encap") {
        unmodelled.push("encap".to_owned());
    }
    Ok(NextHop {
        gateway,
        link: hop.text("dev").map(|name| reader.devices.index(&name)),
        weight: hop.number("weight")?.unwrap_or(1),
        onlink: hop.lists("flags", "onlink"),
        dead: hop.lists("flags", "dead"),
        linkdown: hop.lists("flags", "linkdown"),
    })
}

/// The MTU among the metrics. A locked one is printed with `mtu lock`, as a list or a text of its own.
fn metrics_mtu(object: Fields<'_>) -> Result<Option<u32>, String> {
    for metrics in object.objects("metrics") {
        if let Some(mtu) = metrics.number("mtu")? {
            return Ok(Some(mtu));
        }
    }
    Ok(None)
}

fn unmodelled(object: Fields<'_>, route: &mut Route) {
    if object.get("to").is_some() {
        route.unmodelled.push("as to".to_owned());
    }
    match object.text("pref").as_deref() {
        Some("low") => route.unmodelled.push("pref low".to_owned()),
        Some("high") => route.unmodelled.push("pref high".to_owned()),
        _ => {}
    }
}

fn kind(text: &str) -> Result<RouteKind, String> {
    Ok(match text {
        "unicast" | "1" => RouteKind::Unicast,
        "local" | "2" => RouteKind::Local,
        "broadcast" | "3" => RouteKind::Broadcast,
        "anycast" | "4" => RouteKind::Anycast,
        "multicast" | "5" => RouteKind::Multicast,
        "blackhole" | "6" => RouteKind::Blackhole,
        "unreachable" | "7" => RouteKind::Unreachable,
        "prohibit" | "8" => RouteKind::Prohibit,
        "throw" | "9" => RouteKind::Throw,
        "nat" => RouteKind::Other(10),
        "xresolve" => RouteKind::Other(11),
        _ => RouteKind::Other(text.parse().map_err(|_| format!("type `{text}` is not known"))?),
    })
}
