mod reverse;

use std::net::IpAddr;

use skoop_model::{
    Address, AddressScope, HostRole, IfIndex, Item, Link, LinkKind, Mark, MarkMask, NamespaceSnapshot, NetnsId,
    NextHop, OperState, Packet, Port, Reason, Route, RouteKind, RouteProtocol, RouteScope, RoutingRule, RuleAction,
    Sysctls, TableId,
};

use super::*;
use crate::explore;

const LO: IfIndex = IfIndex(1);
const ETH0: IfIndex = IfIndex(2);
const ETH1: IfIndex = IfIndex(3);

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn link(index: IfIndex, name: &str) -> Link {
    Link {
        index,
        name: name.to_owned(),
        mac: None,
        mtu_bytes: 1500,
        up: true,
        lower_up: true,
        loopback: index == LO,
        no_arp: false,
        point_to_point: false,
        promiscuous: false,
        oper_state: OperState::Up,
        kind: LinkKind::Physical,
        controller: None,
        bridge_port: None,
        group: 0,
        hooks: Vec::new(),
    }
}

fn hop(gateway: Option<&str>, link: IfIndex, weight: u32) -> NextHop {
    NextHop { gateway: gateway.map(ip), link: Some(link), weight, onlink: false, dead: false, linkdown: false }
}

fn route(table: TableId, dst: &str, nexthops: Vec<NextHop>) -> Route {
    Route {
        table,
        dst: dst.parse().expect("a prefix"),
        src: None,
        tos: 0,
        metric: 0,
        kind: if table == TableId::LOCAL { RouteKind::Local } else { RouteKind::Unicast },
        protocol: RouteProtocol::KERNEL,
        scope: RouteScope::GLOBAL,
        prefsrc: None,
        nexthops,
        nexthop_id: None,
        mtu_bytes: None,
        unmodelled: Vec::new(),
    }
}

fn refusal(kind: RouteKind, dst: &str) -> Route {
    Route { kind, ..route(TableId(100), dst, Vec::new()) }
}

fn rule(priority: u32, action: RuleAction) -> RoutingRule {
    let plain = default_rules(Family::V4).into_iter().next().expect("there are three");
    RoutingRule { priority, action, ..plain }
}

fn address(link: IfIndex, net: &str, scope: AddressScope) -> Address {
    Address {
        link,
        net: net.parse().expect("a prefix"),
        peer: None,
        scope,
        secondary: false,
        deprecated: false,
        tentative: false,
        dad_failed: false,
    }
}

/// Two devices, `10.0.0.1/24` on `eth0`, and a default route by it.
fn node(routes: &[Route], rules: &[RoutingRule]) -> NamespaceSnapshot {
    let mut all = vec![
        route(TableId::LOCAL, "10.0.0.1/32", vec![hop(None, ETH0, 1)]),
        route(TableId::LOCAL, "127.0.0.0/8", vec![hop(None, LO, 1)]),
        route(TableId::MAIN, "10.0.0.0/24", vec![hop(None, ETH0, 1)]),
        route(TableId::MAIN, "0.0.0.0/0", vec![hop(Some("10.0.0.254"), ETH0, 1)]),
    ];
    all.extend_from_slice(routes);
    let mut all_rules = default_rules(Family::V4);
    all_rules.extend_from_slice(rules);
    let addresses =
        vec![address(LO, "127.0.0.1/8", AddressScope::Host), address(ETH0, "10.0.0.1/24", AddressScope::Global)];
    NamespaceSnapshot {
        links: Item::known(0, vec![link(LO, "lo"), link(ETH0, "eth0"), link(ETH1, "eth1")]),
        addresses: Item::known(0, addresses),
        routes: Item::known(0, all),
        rules: Item::known(0, all_rules),
        sysctls: Item::known(0, Sysctls::default()),
        ..NamespaceSnapshot::new(NetnsId(1), HostRole::Host)
    }
}

fn flow(dst: &str) -> Flow {
    Flow { src: None, uid: Some(0), ..Flow::of(&Packet::tcp_syn(ip("0.0.0.0"), Port(4000), ip(dst), Port(80))) }
}

/// The way of a packet: gateway or device, or what was refused; one for each way that chance leaves open.
fn ways(namespace: &NamespaceSnapshot, flow: &Flow) -> Vec<(String, f64)> {
    let fib = Fib::new(namespace);
    let (ways, _) = explore(16, |forks| match fib.lookup(flow, forks) {
        Lookup::Found(found) if found.is_local() => "local".to_owned(),
        Lookup::Found(found) => match (found.gateway(), found.device()) {
            (Some(gateway), _) => gateway.to_string(),
            (None, device) => format!("{device:?}"),
        },
        Lookup::Refused { kind, route, .. } => {
            format!("{} by {}", kind.name(), if route.is_some() { "route" } else { "rule" })
        }
        Lookup::NoRoute { asked } => format!("no route in {asked:?}"),
        Lookup::Unknown(unseen) => unseen.what,
    });
    ways.into_iter().map(|way| (way.value.clone(), way.chance())).collect()
}

fn way(namespace: &NamespaceSnapshot, flow: &Flow) -> String {
    let ways = ways(namespace, flow);
    assert_eq!(ways.len(), 1, "{ways:?}");
    ways.into_iter().next().expect("one").0
}

#[test]
fn the_longest_prefix_wins_then_the_smallest_metric_that_is_alive() {
    let dead = NextHop { dead: true, ..hop(Some("10.0.0.2"), ETH0, 1) };
    let namespace = node(
        &[
            Route { metric: 20, ..route(TableId::MAIN, "10.1.0.0/16", vec![hop(Some("10.0.0.4"), ETH0, 1)]) },
            Route { metric: 10, ..route(TableId::MAIN, "10.1.0.0/16", vec![hop(Some("10.0.0.3"), ETH0, 1)]) },
            Route { metric: 5, ..route(TableId::MAIN, "10.1.0.0/16", vec![dead]) },
        ],
        &[],
    );
    assert_eq!(way(&namespace, &flow("10.1.2.3")), "10.0.0.3");
    assert_eq!(way(&namespace, &flow("10.2.2.3")), "10.0.0.254");
    assert_eq!(way(&namespace, &flow("10.0.0.1")), "local");
}

#[test]
fn rules_choose_the_table() {
    let marked = |value, mask| Some(MarkMask { value: Mark(value), mask: Mark(mask) });
    let namespace = node(
        &[
            route(TableId(100), "0.0.0.0/0", vec![hop(Some("10.0.0.9"), ETH0, 1)]),
            refusal(RouteKind::Throw, "10.7.0.0/16"),
            refusal(RouteKind::Prohibit, "10.8.0.0/16"),
        ],
        &[
            RoutingRule { mark: marked(1, 0xf), ..rule(10, RuleAction::Lookup(TableId(100))) },
            RoutingRule { mark: marked(2, 0xf), ..rule(20, RuleAction::Goto(32_767)) },
            RoutingRule { iif: Some("eth1".to_owned()), ..rule(30, RuleAction::Unreachable) },
            RoutingRule { mark: marked(3, 0xf), invert: true, ..rule(40, RuleAction::Nop) },
        ],
    );
    let with = |mark, dst| Flow { mark: Mark(mark), ..flow(dst) };
    assert_eq!(way(&namespace, &with(0x11, "192.0.2.1")), "10.0.0.9");
    assert_eq!(way(&namespace, &with(1, "10.7.0.1")), "10.0.0.254", "throw goes on");
    assert_eq!(way(&namespace, &with(1, "10.8.0.1")), "prohibit by route");
    assert_eq!(way(&namespace, &with(2, "192.0.2.1")), "no route in [TableId(255), TableId(253)]");
    let coming = Flow { iif: Some(ETH1), ..flow("192.0.2.1") };
    assert_eq!(way(&namespace, &coming), "unreachable by rule");
    let why: Vec<_> =
        Fib::new(&namespace).trace(&with(1, "10.7.0.1")).iter().map(|tried| tried.why).map(kind_of_miss).collect();
    assert_eq!(why, ["no route", "throw"]);
}

fn kind_of_miss(miss: Miss<'_>) -> &'static str {
    match miss {
        Miss::NoTable(_) => "no table",
        Miss::NoRoute(_) => "no route",
        Miss::Throw(_) => "throw",
        Miss::Suppressed(_) => "suppressed",
    }
}

#[test]
fn a_suppressed_route_does_not_count() {
    let wide = RoutingRule { suppress_prefix_length: Some(0), ..rule(10, RuleAction::Lookup(TableId::MAIN)) };
    let other = route(TableId(100), "0.0.0.0/0", vec![hop(Some("10.0.0.9"), ETH0, 1)]);
    let namespace = node(&[other], &[wide, rule(20, RuleAction::Lookup(TableId(100)))]);
    assert_eq!(way(&namespace, &flow("192.0.2.1")), "10.0.0.9");
    assert_eq!(way(&namespace, &flow("10.0.0.7")), "Some(IfIndex(2))");
}

#[test]
fn what_is_not_understood_forks() {
    let odd = RoutingRule { unmodelled: vec!["tun_id".to_owned()], ..rule(10, RuleAction::Blackhole) };
    let namespace = node(&[], &[odd]);
    let names: Vec<_> = ways(&namespace, &flow("192.0.2.1")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["blackhole by rule", "10.0.0.254"]);
    let unread = NamespaceSnapshot { routes: Item::unavailable(Reason::Permission, "netlink"), ..node(&[], &[]) };
    assert_eq!(way(&unread, &flow("192.0.2.1")), "IPv4 routes");
    let lawless = NamespaceSnapshot { rules: Item::known(0, Vec::new()), ..node(&[], &[]) };
    assert_eq!(way(&lawless, &flow("10.0.0.1")), "no route in []");
}

#[test]
fn tables_local_and_main_may_be_one() {
    let longer = route(TableId::MAIN, "127.0.5.0/24", vec![hop(Some("10.0.0.3"), ETH0, 1)]);
    let names: Vec<_> =
        ways(&node(std::slice::from_ref(&longer), &[]), &flow("127.0.5.1")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["10.0.0.3", "local"]);
    let split = node(&[longer], &[rule(10, RuleAction::Nop)]);
    assert_eq!(way(&split, &flow("127.0.5.1")), "local");
}

#[test]
fn next_hops_share_by_weight_or_stay_pinned() {
    let hops = || vec![hop(Some("10.0.0.3"), ETH0, 3), hop(Some("10.0.0.4"), ETH0, 1)];
    let mut namespace = node(&[route(TableId::MAIN, "10.1.0.0/16", hops())], &[]);
    let pinned = ways(&namespace, &flow("10.1.0.1"));
    assert!(pinned.iter().all(|(_, chance)| (chance - 1.0).abs() < 1e-9), "a hash is no chance: {pinned:?}");
    let policy = [("net/ipv4/fib_multipath_hash_policy", "1".to_owned())];
    namespace.sysctls = Item::known(0, policy.into_iter().collect());
    assert_eq!(ways(&namespace, &flow("10.1.0.1")), [("10.0.0.3".to_owned(), 0.75), ("10.0.0.4".to_owned(), 0.25)]);
}

#[test]
fn a_bound_sender_takes_its_device_for_the_link() {
    let namespace = node(&[], &[]);
    let bound = |device| Flow { oif: Some(device), ..flow("192.0.2.1") };
    assert_eq!(way(&namespace, &bound(ETH0)), "10.0.0.254");
    assert_eq!(way(&namespace, &bound(ETH1)), "Some(IfIndex(3))");
}

fn check(sysctls: &[(&str, &str)], src: &str, out: Option<IfIndex>) -> String {
    let values = sysctls.iter().map(|(name, value)| (format!("net/ipv4/conf/{name}"), (*value).to_owned()));
    let namespace = NamespaceSnapshot { sysctls: Item::known(0, values.collect()), ..node(&[], &[]) };
    let packet = Packet::tcp_syn(ip(src), Port(4000), ip("10.0.0.1"), Port(80));
    match Fib::new(&namespace).validate_source(&packet, ETH1, out, &mut Forks::first()) {
        SourceCheck::Ok => "ok".to_owned(),
        SourceCheck::Martian { why } => why,
        SourceCheck::RpFilter { sysctl, value, .. } => format!("{sysctl} = {value}"),
        SourceCheck::Unknown(unseen) => unseen.what,
    }
}

#[test]
fn the_greater_rp_filter_counts() {
    assert_eq!(check(&[("all/rp_filter", "0"), ("eth1/rp_filter", "0")], "192.0.2.1", None), "ok");
    let strict = [("all/rp_filter", "1"), ("eth1/rp_filter", "0")];
    assert_eq!(check(&strict, "192.0.2.1", None), "net/ipv4/conf/all/rp_filter = 1");
    // `eth1` has no address: the loose check fails too.
    let loose = [("all/rp_filter", "0"), ("eth1/rp_filter", "2")];
    assert_eq!(check(&loose, "192.0.2.1", None), "net/ipv4/conf/eth1/rp_filter = 2");
}

#[test]
fn martians_are_named() {
    let off = [("all/rp_filter", "0"), ("eth1/rp_filter", "0")];
    assert!(check(&off, "10.0.0.1", None).contains("address of this host itself"));
    assert!(check(&off, "127.0.0.1", None).contains("route_localnet"));
    assert!(check(&off, "224.0.0.1", None).contains("not a unicast address"));
}

#[test]
fn sources_follow_the_next_hop() {
    let mut namespace = node(&[], &[]);
    let mut addresses = namespace.addresses.elements().to_vec();
    addresses.push(address(ETH0, "10.9.0.1/24", AddressScope::Global));
    addresses.push(address(ETH0, "fd00::1/64", AddressScope::Global));
    addresses.push(address(ETH0, "fe80::1/64", AddressScope::Link));
    namespace.addresses = Item::known(0, addresses);
    let fib = Fib::new(&namespace);
    let masqueraded = |dst: &str| {
        let packet =
            Packet::tcp_syn(ip(if dst.contains(':') { "fd00::9" } else { "10.5.0.1" }), Port(1), ip(dst), Port(2));
        fib.masquerade_address(ETH0, &packet)
    };
    assert_eq!(masqueraded("192.0.2.1"), Some(ip("10.0.0.1")), "towards the gateway");
    assert_eq!(masqueraded("2001:db8::1"), Some(ip("fd00::1")));
    assert_eq!(masqueraded("fe80::9"), Some(ip("fe80::1")));
    assert_eq!(fib.address_kind(ip("10.0.0.1"), None), RouteKind::Local);
    assert_eq!(fib.address_kind(ip("10.0.0.2"), None), RouteKind::Unicast);
    assert_eq!(fib.address_kind(ip("127.0.0.5"), Some(ETH0)), RouteKind::Unicast);
}
