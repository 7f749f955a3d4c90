//! What a packet keeps from where it came in, and how nftables sees it later.

use super::*;

const BRIDGE: IfIndex = IfIndex(4);
const PORT: IfIndex = IfIndex(5);
const OTHER_PORT: IfIndex = IfIndex(6);

/// Everybody is behind the other port.
struct Behind;

impl Surroundings for Behind {
    fn resolve(&self, _device: IfIndex, _address: IpAddr) -> Resolution {
        Resolution::Answer(PEER)
    }

    fn takes(&self, port: IfIndex, _mac: MacAddr) -> bool {
        port == OTHER_PORT
    }
}

/// The router with a bridge of two ports, `10.3.0.0/24` and `fd00:3::/64` on it; `nft` is its ruleset.
fn bridging(rules: &str, nft: &str, calls_iptables: bool) -> NamespaceSnapshot {
    let mut snapshot = router(rules).snapshot().clone();
    snapshot.netfilter.nft_text = Item::known(0, nft.to_owned());
    snapshot.netfilter.nft_json = Item::not_collected();
    let mut links = snapshot.links.elements().to_vec();
    let config = BridgeConfig { nf_call_iptables: calls_iptables, ..BridgeConfig::default() };
    links.push(Link { mac: Some(OWN), ..Link::new(BRIDGE, "br0", LinkKind::Bridge(config)) });
    for (index, name) in [(PORT, "p0"), (OTHER_PORT, "p1")] {
        let port = Link::new(index, name, LinkKind::Physical);
        links.push(Link { mac: Some(OWN), controller: Some(BRIDGE), ..port });
    }
    snapshot.links = Item::known(0, links);
    let mut routes = snapshot.routes.elements().to_vec();
    routes.push(route(RouteKind::Unicast, "10.3.0.0/24", BRIDGE));
    routes.push(route(RouteKind::Unicast, "fd00:3::/64", BRIDGE));
    snapshot.routes = Item::known(0, routes);
    let mut sysctls = snapshot.sysctls.get().expect("sysctls").clone();
    for (family, device, name) in [
        (Family::V4, "br0", "forwarding"),
        (Family::V4, "br0", "rp_filter"),
        (Family::V4, "br0", "src_valid_mark"),
        (Family::V6, "br0", "forwarding"),
        (Family::V6, "all", "forwarding"),
    ] {
        sysctls.set(Sysctls::device_path(family, device, name), "1");
    }
    snapshot.sysctls = Item::known(0, sysctls);
    snapshot
}

fn with_rule(mut snapshot: NamespaceSnapshot, rule: RoutingRule) -> Namespace {
    let mut rules = snapshot.rules.elements().to_vec();
    rules.push(rule);
    snapshot.rules = Item::known(0, rules);
    Namespace::new(snapshot)
}

fn came_in(namespace: &Namespace, device: IfIndex, dst_mac: MacAddr, packet: Packet) -> Outcome {
    let node = NodeName::from("node");
    let site = Site { node: &node, label: "host", namespace };
    let entry = Entry::Frame { device, frame: Frame { src_mac: PEER, dst_mac, packet } };
    walk(site, entry, &mut Conntrack::default(), &Behind, &mut Forks::first(), false)
}

/// `br_nf_pre_routing_finish`, net/bridge/br_netfilter_hooks.c: `ip_route_input` checks the source there; `ip_rcv_finish_core`,
/// net/ipv4/ip_input.c, does not again what has a route.
#[test]
fn the_source_is_checked_where_the_bridge_routes() {
    let rules =
        "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.96.0.1 -p tcp -j DNAT --to-destination 10.2.0.2\nCOMMIT\n";
    for (chain, leaves) in [("prerouting priority -200", false), ("input priority 0", true)] {
        let nft = format!(
            "table bridge t {{\n\tchain c {{\n\t\ttype filter hook {chain}; policy accept;\n\t\tmeta mark set 1\n\t}}\n}}\n"
        );
        let back = RoutingRule {
            mark: Some(MarkMask { value: Mark(1), mask: Mark(1) }),
            dst: Some("10.3.0.0/24".parse().expect("a prefix")),
            priority: 100,
            action: RuleAction::Blackhole,
            ..RoutingRule::any(Family::V4)
        };
        let namespace = with_rule(bridging(rules, &nft, true), back);
        let packet = Packet::tcp_syn(ip("10.3.0.2"), 4000.into(), ip("10.96.0.1"), 80.into());
        let outcome = came_in(&namespace, PORT, OWN, packet);
        assert_eq!(outcome.blockers.is_empty(), leaves, "{chain}: {outcome:?}");
    }
}

/// `eth_type_trans`, net/ethernet/eth.c, says what kind a packet is, and it stays that: `br_nf_dev_queue_xmit` takes back what
/// br_netfilter made of it. `nf_hook_egress` of `__dev_queue_xmit`, net/core/dev.c, comes where the Ethernet header counts.
#[test]
fn what_is_sent_on_is_of_the_kind_that_it_came_in_with() {
    let forwarded = |dst| Packet::tcp_syn(ip("10.1.0.2"), 4000.into(), ip(dst), 80.into());
    let bridged = Packet::tcp_syn(ip("10.3.0.2"), 4000.into(), ip("10.3.0.3"), 80.into());
    let bytes = bridged.length_bytes;
    let length = |more: u32| format!("meta length {}", bytes + more);
    let egress = "netdev|filter hook egress device \"p1\" priority 0";
    for (chain, test, device, mac, packet, drops) in [
        (egress, "meta pkttype host".to_owned(), PORT, PEER, &bridged, false),
        (egress, "meta pkttype other".to_owned(), PORT, PEER, &bridged, true),
        (egress, "meta pkttype host".to_owned(), ETH0, OWN, &forwarded("10.3.0.3"), true),
        (egress, length(0), PORT, PEER, &bridged, false),
        (egress, length(14), PORT, PEER, &bridged, true),
        (
            "bridge|filter hook output priority 0",
            "meta pkttype host".to_owned(),
            ETH0,
            OWN,
            &forwarded("10.3.0.3"),
            true,
        ),
        ("bridge|filter hook postrouting priority 0", "meta pkttype host".to_owned(), PORT, PEER, &bridged, false),
        ("bridge|filter hook postrouting priority 0", length(0), PORT, PEER, &bridged, true),
    ] {
        for calls_iptables in [false, true] {
            let (family, hook) = chain.split_once('|').expect("family and hook");
            let nft = format!(
                "table {family} t {{\n\tchain c {{\n\t\ttype {hook}; policy accept;\n\t\t{test} drop\n\t}}\n}}\n"
            );
            let namespace = Namespace::new(bridging("", &nft, calls_iptables));
            let outcome = came_in(&namespace, device, mac, packet.clone());
            assert_eq!(outcome.blockers.len(), usize::from(drops), "{chain} {test} {calls_iptables}: {outcome:?}");
        }
    }
}

/// `nft_fib6_flowi_init`, net/ipv6/netfilter/nft_fib_ipv6.c, and `nft_fib4_eval`: in FORWARD the answer is looked up as if it came in where
/// the packet leaves; the device that the packet came in by is not asked for, but compared afterwards.
#[test]
fn fib_asks_for_the_way_of_the_answer() {
    let plain = RoutingRule { priority: 100, ..RoutingRule::any(Family::V6) };
    let main = |family| RoutingRule { action: RuleAction::Lookup(TableId::MAIN), ..RoutingRule::any(family) };
    let from = |family, name: &str| RoutingRule {
        iif: Some(name.to_owned()),
        priority: 100,
        action: RuleAction::Unreachable,
        ..RoutingRule::any(family)
    };
    let nearer = |metric| Route { metric, ..route(RouteKind::Unicast, "fd00:3::/64", ETH1) };
    for (src, dst, hook, rule, metric, drops) in [
        ("fd00:3::2", "fd00:2::2", "forward", main(Family::V6), None, true),
        ("fd00:3::2", "fd00:2::2", "forward", from(Family::V6, "eth1"), None, false),
        ("fd00:3::2", "fd00:2::2", "prerouting", from(Family::V6, "eth1"), None, true),
        ("fd00:3::2", "fd00:2::2", "prerouting", plain, Some(12), false),
        ("10.3.0.2", "10.2.0.2", "forward", main(Family::V4), None, true),
        ("10.3.0.2", "10.2.0.2", "forward", from(Family::V4, "eth1"), None, false),
    ] {
        let nft = format!(
            "table inet t {{\n\tchain c {{\n\t\ttype filter hook {hook} priority 0; policy accept;\n\t\tfib saddr . iif oif exists drop\n\t}}\n}}\n"
        );
        let mut snapshot = bridging("", &nft, false);
        let mut routes = snapshot.routes.elements().to_vec();
        if let Some(metric) = metric {
            for route in &mut routes {
                route.metric = route.metric.max(256);
            }
            routes.push(nearer(metric));
        }
        snapshot.routes = Item::known(0, routes);
        let packet = Packet::tcp_syn(ip(src), 4000.into(), ip(dst), 80.into());
        let outcome = came_in(&with_rule(snapshot, rule), PORT, OWN, packet);
        let met = outcome.blockers.iter().any(|blocker| matches!(blocker.stop, Stop::Netfilter(_)));
        assert_eq!(met, drops, "{src} {hook} {metric:?}: {outcome:?}");
    }
}
