//! Routes against `ip route`.

use skoop_model::{Family, NamespaceSnapshot, Route, RouteKind, TableId};

use crate::state::{index, snapshot};
use crate::support::Namespace;

/// A namespace with routes of all kinds.
fn routes() -> Namespace {
    let namespace = Namespace::new("routes");
    for command in [
        "link add veth0 type veth peer name veth1",
        "link set veth0 up",
        "link set veth1 up",
        "link add off0 type veth peer name off1",
        "link set off0 up",
        "addr add 10.0.0.1/24 dev veth0",
        "addr add 10.0.1.1/24 dev veth1",
        "addr add 10.0.2.1/24 dev off0",
        "addr add fd00::1/64 dev veth0 nodad",
        "addr add fd01::1/64 dev veth1 nodad",
        "route add default via 10.0.0.254 metric 50",
        "route add 10.1.0.0/16 via 10.0.0.2 src 10.0.0.1 mtu 1300 proto bird",
        "route add 10.2.0.0/16 metric 5 nexthop via 10.0.0.2 weight 3 nexthop via 10.0.1.2 dev veth1",
        "route add blackhole 10.3.0.0/16",
        "route add unreachable 10.4.0.0/16 metric 9",
        "route add prohibit 10.5.0.0/16",
        "route add throw 10.6.0.0/16 table 100",
        "route add 10.7.0.0/16 via 192.168.9.9 dev veth0 onlink table 70000",
        "route add 10.8.0.0/16 dev veth0 scope link tos 0x10",
        "route add 10.9.0.0/16 via inet6 fd00::5 dev veth0",
        "route add local 10.10.0.0/16 dev lo table 100",
        "nexthop add id 1 via 10.0.0.3 dev veth0",
        "nexthop add id 2 via 10.0.1.3 dev veth1",
        "nexthop add id 3 blackhole",
        "nexthop add id 10 group 1,5/2",
        "route add 10.11.0.0/16 nhid 1",
        "route add 10.12.0.0/16 nhid 10",
        "route add 10.13.0.0/16 nhid 3",
        "-6 route add default via fd00::fe",
        "-6 route add fd10::/16 metric 20 nexthop via fd00::2 nexthop via fd01::2",
        "-6 route add blackhole fd11::/16",
        "-6 nexthop add id 21 via fd00::3 dev veth0",
        "-6 route add fd12::/16 nhid 21",
    ] {
        namespace.ip(command);
    }
    namespace
}

/// The one route to `dst`; of default routes, the first.
fn find<'a>(snapshot: &'a NamespaceSnapshot, dst: &str) -> &'a Route {
    let mut found = snapshot.routes.elements().iter().filter(|route| route.dst.to_string() == dst);
    let route = found.next().unwrap_or_else(|| panic!("{dst}"));
    assert!(found.next().is_none() || dst.ends_with("/0"), "{dst} once");
    route
}

#[test]
#[ignore = "needs root: run by make test"]
fn routes_are_as_iproute2_shows_them() {
    let namespace = routes();
    let snapshot = snapshot(&namespace);
    let routes = snapshot.routes.elements();
    for (family, option) in [(Family::V4, "-4"), (Family::V6, "-6")] {
        let shown = namespace.ip_json(&format!("{option} -d route show table all"));
        let ours = routes.iter().filter(|route| Family::of(route.dst.addr()) == family);
        assert_eq!(ours.count(), shown.len(), "{family}");
        for shown in shown {
            let dst = shown["dst"].as_str().unwrap();
            let dst = match (dst, dst.contains('/'), family) {
                ("default", _, Family::V4) => "0.0.0.0/0".to_owned(),
                ("default", _, Family::V6) => "::/0".to_owned(),
                (dst, true, _) => dst.to_owned(),
                (dst, false, family) => format!("{dst}/{}", family.bits()),
            };
            let metric = shown["metric"].as_u64().unwrap_or(0);
            let kind = shown["type"].as_str().unwrap_or("unicast");
            let table = shown["table"].as_str().unwrap_or("main");
            let device = shown["dev"].as_str().map(|name| index(&snapshot, name));
            assert!(
                routes.iter().any(|route| route.dst.to_string() == dst
                    && u64::from(route.metric) == metric
                    && (route.kind.name() == kind || route.nexthop_id == Some(3))
                    && route.table.name() == table
                    && (device.is_none() || route.kind == RouteKind::Blackhole || route.nexthops[0].link == device)),
                "{shown} in {routes:#?}"
            );
        }
    }
}

#[test]
#[ignore = "needs root: run by make test"]
fn attributes_of_routes_are_read() {
    let snapshot = snapshot(&routes());
    let find = |dst| find(&snapshot, dst);
    let plain = find("10.1.0.0/16");
    assert_eq!((plain.mtu_bytes, plain.protocol.name().as_str()), (Some(1300), "bird"));
    assert_eq!(plain.prefsrc, Some([10, 0, 0, 1].into()));
    let multipath = find("10.2.0.0/16");
    let weights: Vec<_> = multipath.nexthops.iter().map(|hop| (hop.gateway.unwrap().to_string(), hop.weight)).collect();
    assert_eq!(weights, [("10.0.0.2".to_owned(), 3), ("10.0.1.2".to_owned(), 1)]);
    let onlink = find("10.7.0.0/16");
    assert_eq!((onlink.table, onlink.nexthops[0].onlink), (TableId(70_000), true));
    assert_eq!(find("10.8.0.0/16").tos, 0x10);
    let via = find("10.9.0.0/16");
    assert_eq!(via.unmodelled, ["via (other family)"]);
    assert_eq!(via.nexthops[0].gateway, Some("fd00::5".parse().unwrap()));
    assert!(find("10.0.2.0/24").nexthops[0].linkdown, "the peer of off0 is down");
    let local6 = snapshot.routes.elements().iter().find(|route| route.dst.to_string() == "fd00::1/128").unwrap();
    assert_eq!((local6.kind, local6.table), (RouteKind::Local, TableId::LOCAL));
}

#[test]
#[ignore = "needs root: run by make test"]
fn kinds_of_routes_are_told_apart() {
    let snapshot = snapshot(&routes());
    let find = |dst| find(&snapshot, dst);
    for (dst, kind) in [
        ("10.3.0.0/16", RouteKind::Blackhole),
        ("10.4.0.0/16", RouteKind::Unreachable),
        ("10.5.0.0/16", RouteKind::Prohibit),
        ("10.6.0.0/16", RouteKind::Throw),
        ("10.10.0.0/16", RouteKind::Local),
        ("10.13.0.0/16", RouteKind::Blackhole),
        ("fd11::/16", RouteKind::Blackhole),
    ] {
        assert_eq!(find(dst).kind, kind, "{dst}");
    }
}

#[test]
#[ignore = "needs root: run by make test"]
fn nexthop_objects_are_resolved() {
    let snapshot = snapshot(&routes());
    let find = |dst| find(&snapshot, dst);
    let object = find("10.11.0.0/16");
    assert_eq!((object.nexthop_id, object.nexthops.len()), (Some(1), 1));
    assert_eq!(object.nexthops[0].gateway, Some([10, 0, 0, 3].into()));
    assert_eq!(find("fd12::/16").nexthops[0].gateway, Some("fd00::3".parse().unwrap()));
    assert_eq!(find("fd10::/16").nexthops.len(), 2);
    let group: Vec<_> =
        find("10.12.0.0/16").nexthops.iter().map(|hop| (hop.gateway.unwrap().to_string(), hop.weight)).collect();
    assert_eq!(group, [("10.0.0.3".to_owned(), 5), ("10.0.1.3".to_owned(), 1)]);
}
