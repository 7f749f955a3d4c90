//! Answers and the checks on what comes in, one table for each; the kernel itself is asked in `tests/stack_kernel`.

use skoop_model::{
    Address, AddressScope, BridgeConfig, Family, Frame, HostRole, IfIndex, Item, Link, LinkKind, MacAddr, Mark,
    MarkMask, NamespaceSnapshot, NetfilterDumps, NetnsId, NextHop, NodeName, Packet, Route, RouteKind, RouteProtocol,
    RouteScope, RoutingRule, RuleAction, Sysctls, TableId,
};

use super::*;
use crate::netfilter::testkit::no_rules;

const LO: IfIndex = IfIndex(1);
const ETH0: IfIndex = IfIndex(2);
const ETH1: IfIndex = IfIndex(3);
const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const PEER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

mod bridged;

struct Wires;

impl Surroundings for Wires {
    fn resolve(&self, _device: IfIndex, address: IpAddr) -> Resolution {
        if address == ip("10.2.0.99") { Resolution::Nobody } else { Resolution::Answer(PEER) }
    }

    fn takes(&self, _port: IfIndex, _mac: MacAddr) -> bool {
        false
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn hop(link: IfIndex) -> NextHop {
    NextHop { gateway: None, link: Some(link), weight: 1, onlink: false, dead: false, linkdown: false }
}

fn route(kind: RouteKind, dst: &str, link: IfIndex) -> Route {
    let refuses = matches!(kind, RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Blackhole);
    let local = matches!(kind, RouteKind::Local | RouteKind::Broadcast);
    Route {
        table: if local { TableId::LOCAL } else { TableId::MAIN },
        dst: dst.parse().expect("a prefix"),
        src: None,
        tos: 0,
        metric: 0,
        kind,
        protocol: RouteProtocol::KERNEL,
        scope: if local { RouteScope::HOST } else { RouteScope::LINK },
        prefsrc: None,
        nexthops: if refuses { Vec::new() } else { vec![hop(link)] },
        nexthop_id: None,
        mtu_bytes: None,
        unmodelled: Vec::new(),
    }
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

/// A routing rule for every packet.
fn plain((family, priority, table): (Family, u32, TableId)) -> RoutingRule {
    RoutingRule { priority, action: RuleAction::Lookup(table), ..RoutingRule::any(family) }
}

/// A router: `10.1.0.1/24` on `eth0`, `10.2.0.1/24` on `eth1` with a smaller MTU, forwarding, no sockets.
fn router(rules: &str) -> Namespace {
    let kinds = [
        (RouteKind::Local, "10.1.0.1/32", ETH0),
        (RouteKind::Local, "10.2.0.1/32", ETH1),
        (RouteKind::Local, "127.0.0.0/8", LO),
        (RouteKind::Broadcast, "10.1.0.255/32", ETH0),
        (RouteKind::Unicast, "10.1.0.0/24", ETH0),
        (RouteKind::Unicast, "10.2.0.0/24", ETH1),
        (RouteKind::Unreachable, "10.66.0.0/16", LO),
        (RouteKind::Prohibit, "10.67.0.0/16", LO),
        (RouteKind::Blackhole, "10.68.0.0/16", LO),
        (RouteKind::Unicast, "fd00:2::/64", ETH1),
    ];
    let link = |index, name: &str, kind| Link { mac: Some(OWN), ..Link::new(index, name, kind) };
    let links = vec![
        Link { mac: None, ..Link::new(LO, "lo", LinkKind::Loopback) },
        link(ETH0, "eth0", LinkKind::Physical),
        Link { mtu_bytes: 1400, ..link(ETH1, "eth1", LinkKind::Physical) },
    ];
    let addresses = vec![
        address(LO, "127.0.0.1/8", AddressScope::Host),
        address(ETH0, "10.1.0.1/24", AddressScope::Global),
        address(ETH1, "10.2.0.1/24", AddressScope::Global),
    ];
    let rules_of = |family| [(family, 0, TableId::LOCAL), (family, 32_766, TableId::MAIN)].into_iter();
    let sysctls: Sysctls = ["all", "eth0", "eth1"]
        .iter()
        .flat_map(|device| {
            [("forwarding", "1"), ("rp_filter", "0")]
                .map(|(name, value)| (Sysctls::device_path(Family::V4, device, name), value.to_owned()))
        })
        .collect();
    Namespace::new(NamespaceSnapshot {
        links: Item::known(0, links),
        addresses: Item::known(0, addresses),
        routes: Item::known(0, kinds.into_iter().map(|(kind, dst, link)| route(kind, dst, link)).collect()),
        rules: Item::known(0, rules_of(Family::V4).chain(rules_of(Family::V6)).map(plain).collect()),
        sysctls: Item::known(0, sysctls),
        sockets: Item::known(0, Vec::new()),
        netfilter: NetfilterDumps { nft_v4: Item::known(0, rules.to_owned()), ..no_rules() },
        ..NamespaceSnapshot::new(NetnsId(1), HostRole::Host)
    })
}

fn taken(namespace: &Namespace, entry: Entry) -> Outcome {
    let node = NodeName::from("node");
    let site = Site { node: &node, label: "host", namespace };
    walk(site, entry, &mut Conntrack::default(), &Wires, &mut Forks::first(), false)
}

fn received(namespace: &Namespace, packet: Packet) -> Outcome {
    taken(namespace, Entry::Frame { device: ETH0, frame: Frame { src_mac: PEER, dst_mac: OWN, packet } })
}

fn syn(dst: &str) -> Packet {
    Packet::tcp_syn(ip("10.1.0.2"), 4000.into(), ip(dst), 80.into())
}

/// `ip_error`, `net/ipv4/route.c`; `ip_forward`, `net/ipv4/ip_forward.c`; `ipv4_link_failure`; `tcp_v4_rcv`; `udp_rcv`;
/// `ip_protocol_deliver_rcu`.
#[test]
fn what_is_stopped_is_answered() {
    let big = Packet { length_bytes: 1450, ..syn("10.2.0.2") };
    let cases = [
        (syn("10.66.0.1"), "10.1.0.1 icmp 3/1"),
        (syn("10.67.0.1"), "10.1.0.1 icmp 3/13"),
        (syn("10.68.0.1"), "nothing"),
        (syn("192.0.2.1"), "10.1.0.1 icmp 3/0"),
        (Packet { ttl: 1, ..syn("10.2.0.2") }, "10.1.0.1 icmp 11/0"),
        (big.clone(), "10.1.0.1 icmp 3/4 mtu 1400"),
        (Packet { dont_fragment: false, ..big }, "nothing"),
        (syn("10.2.0.99"), "10.1.0.1 icmp 3/1 after 3000 ms"),
        (syn("10.2.0.1"), "10.2.0.1 reset"),
        (Packet::udp(ip("10.1.0.2"), 4000.into(), ip("10.2.0.1"), 53.into(), 60), "10.2.0.1 icmp 3/3"),
        (Packet::udp(ip("10.1.0.2"), 4000.into(), ip("10.1.0.255"), 53.into(), 60), "nothing"),
    ];
    let namespace = router("");
    for (packet, wanted) in cases {
        assert_eq!(told(received(&namespace, packet.clone()).answer.as_ref()), wanted, "{packet}");
    }
}

fn told(answer: Option<&Answer>) -> String {
    let Some(answer) = answer else { return "nothing".to_owned() };
    let mut text = match answer.kind {
        AnswerKind::Icmp { kind, code, .. } => format!("{} icmp {kind}/{code}", answer.packet.src),
        AnswerKind::TcpReset => format!("{} reset", answer.packet.src),
    };
    if let Some(mtu) = answer.mtu_bytes {
        text += &format!(" mtu {mtu}");
    }
    if answer.delay_ms > 0 {
        text += &format!(" after {} ms", answer.delay_ms);
    }
    text
}

/// `nf_send_unreach`, `nf_send_reset`: the answer passes OUTPUT and is translated back, what it cites included.
#[test]
fn an_answer_is_a_packet_like_any_other() {
    let rules = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.96.0.1/32 -p tcp -j DNAT --to-destination 10.2.0.2:8080\nCOMMIT\n\
                 *filter\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -p tcp -m tcp --dport 8080 -j REJECT --reject-with WITH\n\
                 -A OUTPUT -d 10.1.0.3/32 -j DROP\nCOMMIT\n";
    for (with, kind) in [("tcp-reset", None), ("icmp-port-unreachable", Some((3, 3)))] {
        let namespace = router(&rules.replace("WITH", with));
        let answer = received(&namespace, syn("10.96.0.1")).answer.expect("an answer");
        let arrived = answer.arrived().expect("it arrived");
        assert_eq!((arrived.src, arrived.dst), (ip("10.96.0.1"), ip("10.1.0.2")), "{with}");
        if let AnswerKind::Icmp { kind: of, code, .. } = answer.kind {
            assert_eq!(kind, Some((of, code)));
            let cited = arrived.details.as_ref().and_then(|details| details.cited.as_ref()).expect("cited");
            assert_eq!((cited.src, cited.dst), (ip("10.1.0.2"), ip("10.96.0.1")));
        }
        let silent =
            received(&namespace, Packet { src: ip("10.1.0.3"), ..syn("10.96.0.1") }).answer.expect("an answer");
        assert_eq!(silent.arrived(), None, "dropped in OUTPUT");
    }
}

/// `nf_conntrack_attach`: the answer belongs to a flow that is not in the table yet, though the walk goes on as if allowed.
#[test]
fn an_answer_leaves_before_its_flow_is_known() {
    let rules = "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -j REJECT\n\
                 -A OUTPUT -m conntrack --ctstatus CONFIRMED -j DROP\nCOMMIT\n";
    let answer = received(&router(rules), syn("10.2.0.1")).answer.expect("an answer");
    assert!(answer.arrived().is_some(), "{answer:?}");
}

/// `ip_route_me_harder`, `net/ipv4/netfilter.c`: the error of the lookup comes before that of a later chain.
#[test]
fn what_output_makes_unroutable_meets_no_further_rule() {
    let rules = "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -j DNAT --to-destination TO\nCOMMIT\n\
                 *filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -j DROP\nCOMMIT\n";
    for (to, errno) in [("192.0.2.1", Errno::Enetunreach), ("10.68.0.1", Errno::Einval), ("10.2.0.3", Errno::Eperm)] {
        let entry = Entry::Local { packet: syn("10.2.0.2"), choose_source: true, sender: Sender::default() };
        assert_eq!(taken(&router(&rules.replace("TO", to)), entry).errno, Some(errno), "{to}");
    }
}

/// `fib_props`, `net/ipv4/fib_semantics.c`; `nf_hook_slow`.
#[test]
fn a_sender_learns_the_error_at_once() {
    let namespace = router("*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d 10.2.0.9/32 -j DROP\nCOMMIT\n");
    let cases = [
        ("10.66.0.1", Some(Errno::Ehostunreach)),
        ("10.67.0.1", Some(Errno::Eacces)),
        ("10.68.0.1", Some(Errno::Einval)),
        ("192.0.2.1", Some(Errno::Enetunreach)),
        ("10.2.0.9", Some(Errno::Eperm)),
        ("10.2.0.2", None),
    ];
    for (dst, errno) in cases {
        let entry = Entry::Local { packet: syn(dst), choose_source: true, sender: Sender::default() };
        let outcome = taken(&namespace, entry);
        assert_eq!(outcome.errno, errno, "{dst}");
        assert_eq!(outcome.answer, None, "{dst}");
    }
}

/// "The most weird martians" of `ip_route_input_slow` come before the routes, the reverse path after.
#[test]
fn what_may_not_come_in_does_not() {
    let namespace = router("");
    let from = |src: &str| Packet { src: ip(src), ..syn("192.0.2.1") };
    for src in ["127.0.0.1", "0.0.0.0", "224.0.0.5", "255.255.255.255"] {
        let outcome = received(&namespace, from(src));
        assert!(matches!(outcome.blockers.first().map(|blocker| &blocker.stop), Some(Stop::Martian)), "{src}");
        assert_eq!(outcome.answer, None, "{src}");
    }
    for dst in ["127.0.0.1", "0.0.0.0"] {
        let outcome = received(&namespace, syn(dst));
        assert!(matches!(outcome.blockers.first().map(|blocker| &blocker.stop), Some(Stop::Martian)), "{dst}");
    }
}

fn sent(rules: &str, packet: Packet) -> Outcome {
    let sender = Sender { uid: Some(0), gid: Some(0) };
    taken(&router(rules), Entry::Local { packet, choose_source: false, sender })
}

/// `ip_append_data`; `ip6_fragment`, `ip6_xmit`, net/ipv6/ip6_output.c: refused before OUTPUT, or cut.
#[test]
fn long_datagrams_are_refused_or_cut() {
    let drop = "*filter\n:OUTPUT DROP [0:0]\nCOMMIT\n";
    let datagram = |src: &str, dst: &str| Packet::udp(ip(src), 4000.into(), ip(dst), 53.into(), 1450);
    let v4 = Packet { src: ip("10.2.0.1"), ..datagram("10.2.0.1", "10.2.0.2") };
    let outcome = sent(drop, Packet { dont_fragment: true, ..v4.clone() });
    assert_eq!(outcome.errno, Some(Errno::Emsgsize));
    assert!(matches!(outcome.blockers.first().map(|first| &first.stop), Some(Stop::TooLarge { mtu_bytes: 1400 })));
    let outcome = sent(drop, Packet { dont_fragment: false, ..v4 });
    assert_eq!(outcome.errno, Some(Errno::Eperm));
    let outcome = sent("", datagram("fd00:2::1", "fd00:2::2"));
    let Ending::Sent { frame, .. } = &outcome.ending else { panic!("{:?}", outcome.blockers) };
    assert_eq!((frame.packet.fragment_bytes, outcome.errno), (Some(1400), None));
    let segment = Packet::tcp_syn(ip("fd00:2::1"), 4000.into(), ip("fd00:2::2"), 80.into());
    let outcome = sent("", Packet { length_bytes: 1450, ..segment });
    assert_eq!(outcome.errno, Some(Errno::Emsgsize));
}

/// `ip_route_output_key_hash_rcu`: no route is asked for, the device is that of the source.
#[test]
fn what_is_for_all_leaves_by_the_device_of_its_source() {
    for dst in ["255.255.255.255", "224.0.0.5"] {
        let outcome = sent("", Packet::udp(ip("10.2.0.1"), 4000.into(), ip(dst), 53.into(), 60));
        assert!(matches!(outcome.ending, Ending::Sent { device: ETH1, .. }), "{dst}: {:?}", outcome.blockers);
    }
}

/// `__mkroute_output`, net/ipv4/route.c.
#[test]
fn loopback_addresses_stay_inside() {
    let outcome = sent("", Packet::udp(ip("127.0.0.1"), 4000.into(), ip("10.2.0.2"), 53.into(), 60));
    assert_eq!((outcome.ending, outcome.errno), (Ending::Stopped, Some(Errno::Einval)));
}

/// "nf_reset_ct(skb)" of `__udp4_lib_rcv`: the error about a datagram without socket is tracked like any packet, that of REJECT is not.
#[test]
fn errors_of_sockets_are_tracked_anew() {
    let rules = "*raw\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j NOTRACK\nCOMMIT\n\
                 *nat\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -j SNAT --to-source 10.1.0.9\nCOMMIT\n";
    let datagram = Packet::udp(ip("10.1.0.2"), 4000.into(), ip("10.2.0.1"), 53.into(), 60);
    let answer = received(&router(rules), datagram).answer.expect("an answer");
    assert_eq!(
        answer.arrived().map(|packet| packet.dst),
        Some(ip("10.1.0.9")),
        "exempt from tracking, it is not translated back"
    );
}

/// net/netfilter/xt_owner.c: ICMP errors and resets of closed ports have a socket of the kernel, those of REJECT none.
#[test]
fn owners_of_answers() {
    for (test, error, reset) in [
        ("--socket-exists", false, true),
        ("! --socket-exists", true, false),
        ("--uid-owner 0", true, true),
        ("! --uid-owner 0", false, false),
    ] {
        let rules = format!(
            "*filter\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\n\
             -A OUTPUT -m owner {test} -j DROP\nCOMMIT\n"
        );
        let namespace = router(&rules);
        let arrives =
            |packet: Packet| received(&namespace, packet).answer.is_some_and(|answer| answer.arrived().is_some());
        assert_eq!(arrives(syn("192.0.2.1")), error, "{test}: no route");
        assert_eq!(arrives(syn("10.2.0.2")), reset, "{test}: REJECT");
        assert_eq!(arrives(syn("10.2.0.1")), error, "{test}: no socket");
    }
}

/// `icmp_route_lookup`, net/ipv4/icmp.c: the error of REJECT in OUTPUT goes by the route that DNAT gave the packet before
/// (`ip_route_me_harder`), so that its sender is chosen anew.
#[test]
fn errors_about_what_was_routed_anew() {
    let rules = "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -j DNAT --to-destination 10.2.0.3\nCOMMIT\n\
                 *filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -j REJECT\n-A OUTPUT -s 10.1.0.1 -p icmp -j DROP\nCOMMIT\n";
    let packet = Packet { src: ip("10.1.0.1"), ..syn("10.1.0.1") };
    let entry = Entry::Local { packet, choose_source: false, sender: Sender::default() };
    let answer = taken(&router(rules), entry).answer.expect("an answer");
    assert_eq!((answer.packet.src, answer.arrived()), (ip("10.1.0.1"), None), "{answer:?}");
}

/// `ip_mc_output`, net/ipv4/ip_output.c: a copy of a broadcast passes POSTROUTING first, without socket, and decides about NAT.
#[test]
fn the_copy_of_a_broadcast_comes_first() {
    for (test, dst, translated) in [
        ("-m owner --socket-exists", "10.1.0.255", false),
        ("-m owner --socket-exists", "10.1.0.7", true),
        ("-m owner ! --socket-exists", "10.1.0.255", true),
        ("-m owner ! --socket-exists", "10.1.0.7", false),
        ("-p udp", "10.1.0.255", true),
    ] {
        let rules =
            format!("*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {test} -j SNAT --to-source 10.9.0.9\nCOMMIT\n");
        let packet = Packet::udp(ip("10.1.0.1"), 4000.into(), ip(dst), 53.into(), 60);
        let sender = Sender { uid: Some(0), gid: Some(0) };
        let outcome = taken(&router(&rules), Entry::Local { packet, choose_source: false, sender });
        let Ending::Sent { frame, .. } = outcome.ending else { panic!("{test} {dst}: {:?}", outcome.ending) };
        assert_eq!(frame.packet.src == ip("10.9.0.9"), translated, "{test} {dst}");
    }
}

/// `br_nf_pre_routing_finish`, net/bridge/br_netfilter_hooks.c: what DNAT sends up is routed there, and keeps that route (`skb_valid_dst`
/// of `ip_rcv_finish_core`), whatever bridge chains do to its mark later.
#[test]
fn what_a_bridge_routed_is_not_routed_again() {
    let rules =
        "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.96.0.1 -p tcp -j DNAT --to-destination 10.2.0.2\nCOMMIT\n";
    for (chain, leaves) in
        [("prerouting priority -200", false), ("prerouting priority 10", true), ("input priority 0", true)]
    {
        let mut snapshot = router(rules).snapshot().clone();
        let text = format!(
            "table bridge t {{\n\tchain c {{\n\t\ttype filter hook {chain}; policy accept;\n\t\tmeta mark set 1\n\t}}\n}}\n"
        );
        snapshot.netfilter.nft_text = Item::known(0, text);
        snapshot.netfilter.nft_json = Item::not_collected();
        let mut links = snapshot.links.elements().to_vec();
        let bridge = LinkKind::Bridge(BridgeConfig { nf_call_iptables: true, ..BridgeConfig::default() });
        links.push(Link { mac: Some(OWN), ..Link::new(IfIndex(4), "br0", bridge) });
        let port = Link::new(IfIndex(5), "port0", LinkKind::Physical);
        links.push(Link { mac: Some(OWN), controller: Some(IfIndex(4)), ..port });
        snapshot.links = Item::known(0, links);
        drop_mark_one(&mut snapshot, Mark(1));
        let frame = Frame { src_mac: PEER, dst_mac: OWN, packet: syn("10.96.0.1") };
        let outcome = taken(&Namespace::new(snapshot), Entry::Frame { device: IfIndex(5), frame });
        assert_eq!(matches!(outcome.ending, Ending::Sent { device: ETH1, .. }), leaves, "{chain}: {outcome:?}");
    }
}

/// Adds a routing rule that drops what has mark 1 under the mask `bits`.
fn drop_mark_one(snapshot: &mut NamespaceSnapshot, bits: Mark) {
    let mut policies = snapshot.rules.elements().to_vec();
    let mark = Some(MarkMask { value: Mark(1), mask: bits });
    policies.push(RoutingRule { mark, priority: 100, action: RuleAction::Blackhole, ..RoutingRule::any(Family::V4) });
    snapshot.rules = Item::known(0, policies);
}

/// `ipt_mangle_out`, net/ipv4/netfilter/iptable_mangle.c: the packet is routed anew at once, and a mark set later changes nothing.
#[test]
fn output_routes_anew_by_the_mark_of_that_moment() {
    for (mangle, filter, leaves) in
        [("MARK --set-mark 2", "MARK --set-mark 1", true), ("MARK --set-mark 1", "ACCEPT", false)]
    {
        let rules = format!(
            "*mangle\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j {mangle}\nCOMMIT\n*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j {filter}\nCOMMIT\n"
        );
        let mut snapshot = router(&rules).snapshot().clone();
        drop_mark_one(&mut snapshot, Mark(u32::MAX));
        let packet = Packet { src: ip("10.1.0.1"), ..syn("10.2.0.2") };
        let entry = Entry::Local { packet, choose_source: false, sender: Sender::default() };
        let outcome = taken(&Namespace::new(snapshot), entry);
        assert_eq!(matches!(outcome.ending, Ending::Sent { .. }), leaves, "{mangle}: {outcome:?}");
    }
}

/// `dev_loopback_xmit`, net/core/dev.c: the copy of a broadcast passes PREROUTING and INPUT, and what rules remember of it stays,
/// up to the one that stops it.
#[test]
fn the_copy_of_a_broadcast_comes_in() {
    for (input, stops) in [
        ("-A INPUT -j CONNMARK --set-mark 1\n-A INPUT -j DROP", true),
        ("-A INPUT -i eth0 -j CONNMARK --set-mark 1", true),
        ("-A INPUT -i lo -j CONNMARK --set-mark 1", false),
        ("-A INPUT -j DROP\n-A INPUT -j CONNMARK --set-mark 1", false),
    ] {
        let rules = format!(
            "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -m connmark --mark 1 -j DROP\n{input}\nCOMMIT\n"
        );
        let namespace = router(&rules);
        let node = NodeName::from("node");
        let site = Site { node: &node, label: "host", namespace: &namespace };
        let mut conntrack = Conntrack::default();
        let mut send = || {
            let packet = Packet::udp(ip("10.1.0.1"), 4000.into(), ip("10.1.0.255"), 53.into(), 60);
            let entry = Entry::Local { packet, choose_source: false, sender: Sender { uid: Some(0), gid: Some(0) } };
            walk(site, entry, &mut conntrack, &Wires, &mut Forks::first(), false).blockers.is_empty()
        };
        assert_eq!((send(), send()), (true, !stops), "{input}");
    }
}

/// `eth_type_trans`, net/ethernet/eth.c: the frame says whom it is for, whatever its packet says.
#[test]
fn the_kind_of_a_packet_is_that_of_its_frame() {
    for (dst, mac, kind) in [
        ("10.1.0.255", OWN, "unicast"),
        ("10.1.0.255", MacAddr::BROADCAST, "broadcast"),
        ("10.2.0.1", MacAddr::BROADCAST, "broadcast"),
        ("10.2.0.1", OWN, "unicast"),
    ] {
        let rules = format!("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m pkttype --pkt-type {kind} -j DROP\nCOMMIT\n");
        let packet = Packet::udp(ip("10.1.0.2"), 4000.into(), ip(dst), 53.into(), 60);
        let frame = Frame { src_mac: PEER, dst_mac: mac, packet };
        let outcome = taken(&router(&rules), Entry::Frame { device: ETH0, frame });
        assert_eq!(outcome.blockers.len(), 1, "{dst} in a frame for {mac}: {outcome:?}");
    }
}
