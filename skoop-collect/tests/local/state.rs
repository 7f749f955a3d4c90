//! Links, addresses, routes, rules, neighbours, sysctls and sockets of one namespace.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use serde_json::Value;
use skoop_collect::local::{Options, Others, Selection, collect};
use skoop_model::{
    Family, IfIndex, LinkKind, Mark, MarkMask, NamespaceSnapshot, NeighbourState, NodeName, OuterDf, Port, PortState,
    Protocol, RouteKind, RuleAction, SocketState, TableId,
};

use crate::looking::json;
use crate::support::{Namespace, run};

/// The snapshot of one namespace alone, of which every part must be there.
fn snapshot(namespace: &Namespace) -> NamespaceSnapshot {
    let selection = Selection { host: namespace.netns(), others: Others::None };
    let mut node = collect(NodeName::from("node"), &selection, &Options::default()).unwrap();
    assert_eq!(node.unseen, []);
    let snapshot = node.namespaces.pop().unwrap();
    assert_eq!(snapshot.unavailable(), []);
    assert_eq!(snapshot.names, std::slice::from_ref(&namespace.name));
    snapshot
}

fn index(snapshot: &NamespaceSnapshot, name: &str) -> IfIndex {
    snapshot.link_named(name).unwrap().index
}

fn has(flags: &Value, flag: &str) -> bool {
    flags.as_array().unwrap().iter().any(|found| found == flag)
}

#[test]
#[ignore = "needs root: run by make test"]
fn links_are_as_iproute2_shows_them() {
    let namespace = Namespace::new("links");
    for command in [
        "link add br0 type bridge stp_state 1 nf_call_iptables 1",
        "link add br1 type bridge",
        "link add veth0 group 7 mtu 1400 type veth peer name veth1",
        "link set veth0 master br0 up",
        "link set veth1 up",
        "link set br0 up promisc on",
        "link set veth0 type bridge_slave hairpin on learning off isolated on neigh_suppress on",
        "link set veth0 type bridge_slave flood off bcast_flood off",
        "link add vx0 type vxlan id 77 dstport 4789 local 10.0.0.1 dev veth1 nolearning ttl 9 df set",
        "link add vx1 type vxlan id 78 dstport 8472 local fd00::1 remote fd00::2",
        "link add vx2 type vxlan external dstport 4790",
        "link add ... type bridge",
        "link add ünï type bridge",
    ] {
        namespace.ip(command);
    }
    // Kinds that a small kernel may lack; what was made is compared.
    let vlans = namespace.can("link set br0 type bridge vlan_filtering 1");
    for command in [
        "link add mac0 link veth1 type macvlan mode bridge",
        "link add vlan.100 link veth1 type vlan id 100",
        "link add vrf0 type vrf table 10",
        "link set br1 master vrf0",
        "link add ifb7 type ifb",
        "link add dummy0 type dummy",
        "tuntap add tap0 mode tap",
        "tunnel add ipip0 mode ipip local 10.0.0.1 remote 10.0.0.2",
        "link add sit7 type sit local 10.0.0.1",
        "link add wg0 type wireguard",
    ] {
        namespace.can(command);
    }
    run(&["tc", "-n", &namespace.name, "qdisc", "add", "dev", "veth1", "clsact"]);
    let snapshot = snapshot(&namespace);
    let links = snapshot.links.elements();

    let shown = namespace.ip_json("-d link");
    assert_eq!(links.len(), shown.len());
    assert!(links.is_sorted_by_key(|link| link.index));
    for shown in &shown {
        let link = snapshot.link_named(shown["ifname"].as_str().unwrap()).unwrap();
        assert_eq!(u64::from(link.index.0), shown["ifindex"].as_u64().unwrap());
        assert_eq!(u64::from(link.mtu_bytes), shown["mtu"].as_u64().unwrap());
        assert_eq!(link.up, has(&shown["flags"], "UP"), "{link:?}");
        assert_eq!(link.lower_up, has(&shown["flags"], "LOWER_UP"), "{link:?}");
        assert_eq!(link.no_arp, has(&shown["flags"], "NOARP"), "{link:?}");
        assert_eq!(link.point_to_point, has(&shown["flags"], "POINTOPOINT"), "{link:?}");
        assert_eq!(link.promiscuous, has(&shown["flags"], "PROMISC"), "{link:?}");
        assert_eq!(format!("{:?}", link.oper_state).to_uppercase(), shown["operstate"].as_str().unwrap());
        assert_eq!(shown["group"] == "default", link.group == 0);
        let kind =
            shown["linkinfo"]["info_kind"].as_str().unwrap_or(if link.loopback { "loopback" } else { "physical" });
        assert_eq!(link.kind.name(), kind);
        let controller = link.controller.map(|index| snapshot.link(index).unwrap().name.as_str());
        assert_eq!(controller, shown["master"].as_str());
        if shown["link_type"] == "ether" {
            assert_eq!(link.mac.unwrap().to_string(), shown["address"].as_str().unwrap());
        }
    }
    assert!(links.iter().all(|link| link.mac.is_some() || link.kind.name() != "physical"));
    assert_eq!(snapshot.link_named("veth0").unwrap().group, 7);
    assert_eq!(snapshot.link_named("veth1").unwrap().hooks, ["clsact"]);
    assert!(links.iter().all(|link| link.name == "veth1" || link.hooks.is_empty()));

    let LinkKind::Bridge(bridge) = &snapshot.link_named("br0").unwrap().kind else { panic!("br0") };
    assert_eq!(bridge.vlan_filtering, vlans);
    assert!(bridge.stp && bridge.nf_call_iptables && !bridge.nf_call_ip6tables);
    let port = snapshot.link_named("veth0").unwrap().bridge_port.clone().unwrap();
    assert!(port.hairpin && port.isolated && port.neighbour_suppress);
    assert!(!port.learning && !port.unicast_flood && !port.broadcast_flood);
    assert!(matches!(port.state, PortState::Listening | PortState::Learning | PortState::Forwarding));
    assert_eq!(snapshot.link_named("br1").unwrap().bridge_port, None, "a port of a VRF is none of a bridge");

    let vxlan = |name| match &snapshot.link_named(name).unwrap().kind {
        LinkKind::Vxlan(config) => config.clone(),
        other => panic!("{name}: {other:?}"),
    };
    let first = vxlan("vx0");
    assert_eq!((first.vni.0, first.port, first.ttl), (77, Port(4789), 9));
    assert_eq!((first.local, first.remote), (Some(IpAddr::from([10, 0, 0, 1])), None));
    assert_eq!(first.underlay, Some(index(&snapshot, "veth1")));
    assert_eq!((first.learning, first.dont_fragment, first.collect_metadata), (false, OuterDf::Set, false));
    let second = vxlan("vx1");
    assert_eq!(second.remote, Some("fd00::2".parse().unwrap()));
    assert_eq!((second.learning, second.dont_fragment, second.underlay), (true, OuterDf::Unset, None));
    assert!(vxlan("vx2").collect_metadata);

    // Both ends of a pair in one namespace.
    let peer = snapshot.link_named("veth0").unwrap().veth_peer().copied().unwrap();
    assert_eq!((peer.index, peer.netns), (index(&snapshot, "veth1"), Some(snapshot.id)));
}

#[test]
#[ignore = "needs root: run by make test"]
fn addresses_are_as_iproute2_shows_them() {
    let namespace = Namespace::new("addresses");
    for command in [
        "link add veth0 type veth peer name veth1",
        "link set veth0 up",
        "link set veth1 up",
        "addr add 10.0.0.1/24 dev veth0",
        "addr add 10.0.0.2/24 dev veth0",
        "addr add 10.9.0.1 peer 10.9.0.2/32 dev veth1 scope link",
        "addr add fd00::1/64 dev veth0 nodad",
        "addr add fd00::2/64 dev veth0 nodad preferred_lft 0",
        "addr add fd00::9/128 dev veth1 nodad",
    ] {
        namespace.ip(command);
    }
    let snapshot = snapshot(&namespace);
    // Duplicate address detection of the link-local addresses is under way.
    let addresses: Vec<_> =
        snapshot.addresses.elements().iter().filter(|address| !address.ip().to_string().starts_with("fe80")).collect();
    let mut shown = Vec::new();
    for device in namespace.ip_json("addr") {
        for address in device["addr_info"].as_array().unwrap() {
            if !address["local"].as_str().unwrap().starts_with("fe80") {
                shown.push((device["ifindex"].as_u64().unwrap(), address.clone()));
            }
        }
    }
    assert_eq!(addresses.len(), shown.len());
    for (index, shown) in shown {
        let local: IpAddr = shown["local"].as_str().unwrap().parse().unwrap();
        let address = addresses.iter().find(|address| address.ip() == local).unwrap();
        assert_eq!(u64::from(address.link.0), index);
        assert_eq!(u64::from(address.net.prefix_len()), shown["prefixlen"].as_u64().unwrap());
        assert_eq!(address.peer.map(|peer| peer.to_string()).as_deref(), shown["address"].as_str());
        assert_eq!(format!("{:?}", address.scope).to_lowercase(), shown["scope"].as_str().unwrap());
        assert_eq!(address.secondary, shown["secondary"].as_bool().unwrap_or(false), "{address:?}");
        assert_eq!(address.deprecated, shown["deprecated"].as_bool().unwrap_or(false), "{address:?}");
        assert!(!address.dad_failed);
    }
}

#[test]
#[ignore = "needs root: run by make test"]
fn routes_are_as_iproute2_shows_them() {
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
        "nexthop add id 10 group 1/2,5",
        "route add 10.11.0.0/16 nhid 1",
        "route add 10.12.0.0/16 nhid 10",
        "route add 10.13.0.0/16 nhid 3",
        "-6 route add default via fd00::fe",
        "-6 route add fd10::/16 metric 20 nexthop via fd00::2 nexthop via fd01::2",
        "-6 route add blackhole fd11::/16",
        "-6 nexthop add id 21 via fd00::3 dev veth0",
        "-6 route add fd12::/16 nhid 21",
    ] {
        namespace.ip(&command.replace("1/2,5", "1,5/2"));
    }
    let snapshot = snapshot(&namespace);
    let routes = snapshot.routes.elements();
    let find = |dst: &str| {
        let mut found = routes.iter().filter(|route| route.dst.to_string() == dst);
        let route = found.next().unwrap_or_else(|| panic!("{dst}"));
        assert!(found.next().is_none() || dst.ends_with("/0"), "{dst} once");
        route
    };
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

    let plain = find("10.1.0.0/16");
    assert_eq!((plain.mtu_bytes, plain.protocol.name().as_str()), (Some(1300), "bird"));
    assert_eq!(plain.prefsrc, Some([10, 0, 0, 1].into()));
    let multipath = find("10.2.0.0/16");
    let weights: Vec<_> = multipath.nexthops.iter().map(|hop| (hop.gateway.unwrap().to_string(), hop.weight)).collect();
    assert_eq!(weights, [("10.0.0.2".to_owned(), 3), ("10.0.1.2".to_owned(), 1)]);
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
    let onlink = find("10.7.0.0/16");
    assert_eq!((onlink.table, onlink.nexthops[0].onlink), (TableId(70_000), true));
    assert_eq!(find("10.8.0.0/16").tos, 0x10);
    let via = find("10.9.0.0/16");
    assert_eq!(via.unmodelled, ["via (other family)"]);
    assert_eq!(via.nexthops[0].gateway, Some("fd00::5".parse().unwrap()));
    assert_eq!(find("10.0.2.0/24").nexthops[0].linkdown, true, "the peer of off0 is down");
    let object = find("10.11.0.0/16");
    assert_eq!((object.nexthop_id, object.nexthops.len()), (Some(1), 1));
    assert_eq!(object.nexthops[0].gateway, Some([10, 0, 0, 3].into()));
    assert_eq!(find("fd12::/16").nexthops[0].gateway, Some("fd00::3".parse().unwrap()));
    assert_eq!(find("fd10::/16").nexthops.len(), 2);
    let local6 = routes.iter().find(|route| route.dst.to_string() == "fd00::1/128").unwrap();
    assert_eq!((local6.kind, local6.table), (RouteKind::Local, TableId::LOCAL));
}

#[test]
#[ignore = "needs root: run by make test"]
fn nexthop_groups_resolve_with_their_weights() {
    let namespace = Namespace::new("groups");
    for command in [
        "link add veth0 type veth peer name veth1",
        "link set veth0 up",
        "link set veth1 up",
        "addr add 10.0.0.1/24 dev veth0",
        "nexthop add id 1 via 10.0.0.3 dev veth0",
        "nexthop add id 2 via 10.0.0.4 dev veth0",
        "nexthop add id 10 group 1,5/2",
        "route add 10.12.0.0/16 nhid 10",
    ] {
        namespace.ip(command);
    }
    let snapshot = snapshot(&namespace);
    let route = snapshot.routes.elements().iter().find(|route| route.nexthop_id == Some(10)).unwrap();
    let hops: Vec<_> = route.nexthops.iter().map(|hop| (hop.gateway.unwrap().to_string(), hop.weight)).collect();
    assert_eq!(hops, [("10.0.0.3".to_owned(), 5), ("10.0.0.4".to_owned(), 1)]);
}

#[test]
#[ignore = "needs root: run by make test"]
fn rules_have_every_selector_and_action() {
    let namespace = Namespace::new("rules");
    for family in ["-4", "-6"] {
        let net = if family == "-4" { "10.244.0.0/16" } else { "fd44::/64" };
        for rule in [
            "priority 10 from NET to NET lookup 100",
            "priority 11 not fwmark 0x20000/0xf0000 lookup 70000",
            "priority 12 iif veth0 tos 0x10 lookup main suppress_prefixlength 0",
            "priority 13 oif veth1 uidrange 1000-2000 blackhole",
            "priority 14 ipproto tcp sport 1000-2000 dport 80 unreachable",
            "priority 15 ipproto udp prohibit",
            "priority 16 goto 100",
            "priority 100 nop",
            "priority 101 fwmark 0x1 lookup main suppress_ifgroup 4",
            "priority 102 l3mdev",
            "priority 103 tun_id 5 lookup 100",
        ] {
            namespace.ip(&format!("{family} rule add {}", rule.replace("NET", net)));
        }
    }
    let snapshot = snapshot(&namespace);
    let rules = snapshot.rules.elements();
    assert!(rules.is_sorted_by_key(|rule| rule.priority));
    for (family, option) in [(Family::V4, "-4"), (Family::V6, "-6")] {
        let ours: Vec<_> = rules.iter().filter(|rule| rule.family == family).collect();
        let shown = namespace.ip_json(&format!("{option} rule"));
        assert_eq!(ours.len(), shown.len());
        for (rule, shown) in ours.iter().zip(&shown) {
            assert_eq!(u64::from(rule.priority), shown["priority"].as_u64().unwrap());
            assert_eq!(rule.invert, shown.get("not").is_some());
            assert_eq!(rule.iif.as_deref(), shown["iif"].as_str());
            assert_eq!(rule.oif.as_deref(), shown["oif"].as_str());
        }
        let at = |priority| *ours.iter().find(|rule| rule.priority == priority).unwrap();
        assert_eq!((at(10).src, at(10).dst), (at(10).dst, at(10).src));
        assert_eq!(at(10).src.unwrap().prefix_len(), if family == Family::V4 { 16 } else { 64 });
        assert_eq!(at(11).mark, Some(MarkMask { value: Mark(0x20000), mask: Mark(0xf_0000) }));
        assert_eq!(at(11).action, RuleAction::Lookup(TableId(70_000)));
        assert_eq!((at(12).tos, at(12).suppress_prefix_length), (Some(0x10), Some(0)));
        assert_eq!((at(13).uids, at(13).action), (Some((1000, 2000)), RuleAction::Blackhole));
        let ports = at(14);
        assert_eq!((ports.protocol, ports.action), (Some(Protocol::TCP), RuleAction::Unreachable));
        assert_eq!(ports.sports.map(|range| (range.first.0, range.last.0)), Some((1000, 2000)));
        assert_eq!(ports.dports.map(|range| (range.first.0, range.last.0)), Some((80, 80)));
        assert_eq!((at(15).protocol, at(15).action), (Some(Protocol::UDP), RuleAction::Prohibit));
        assert_eq!((at(16).action, at(100).action), (RuleAction::Goto(100), RuleAction::Nop));
        assert_eq!((at(101).suppress_group, at(101).suppress_prefix_length), (Some(4), None));
        assert!(at(102).l3mdev);
        assert_eq!(at(103).unmodelled, ["tun_id"]);
        assert!(ours.iter().all(|rule| rule.priority == 103 || rule.unmodelled.is_empty()));
    }
}

#[test]
#[ignore = "needs root: run by make test"]
fn neighbours_and_forwarding_databases_are_as_iproute2_shows_them() {
    let namespace = Namespace::new("fdb");
    for command in [
        "link add br0 type bridge",
        "link add veth0 type veth peer name veth1",
        "link set veth0 master br0 up",
        "link set veth1 up",
        "link set br0 up",
        "link add vx0 type vxlan id 7 dstport 8472 local 10.0.0.1 nolearning",
        "link set vx0 up",
        "link add vx6 type vxlan id 8 dstport 8473 local fd00::1 nolearning",
        "addr add 10.0.0.1/24 dev veth1",
        "neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev veth1 nud permanent",
        "neigh add 10.0.0.3 lladdr 02:00:00:00:00:03 dev veth1 nud stale",
        "neigh add fd00::2 lladdr 02:00:00:00:00:04 dev veth1 nud noarp",
        "neigh add proxy 10.0.0.9 dev veth1",
        "neigh add proxy fd00::9 dev veth1",
    ] {
        namespace.ip(command);
    }
    let bridge = |arguments: &str| {
        let mut command = vec!["bridge", "-n", &namespace.name];
        command.extend(arguments.split(' '));
        run(&command)
    };
    let vlans = namespace.can("link set br0 type bridge vlan_filtering 1");
    bridge(&format!("fdb add 02:00:00:00:01:01 dev veth0 master static{}", if vlans { " vlan 1" } else { "" }));
    bridge("fdb add 02:00:00:00:02:01 dev vx0 dst 192.168.0.2 self permanent");
    bridge("fdb append 00:00:00:00:00:00 dev vx0 dst 192.168.0.3 port 4789 vni 9 via veth1 self permanent");
    bridge("fdb append 00:00:00:00:00:00 dev vx6 dst fd00::7 self permanent");
    let snapshot = snapshot(&namespace);

    let neighbours = snapshot.neighbours.elements();
    let state = |address: &str| {
        let address: IpAddr = address.parse().unwrap();
        let found = neighbours.iter().find(|neighbour| neighbour.address == address).unwrap();
        assert_eq!(found.link, index(&snapshot, "veth1"));
        (found.state, found.proxy, found.mac.map(|mac| mac.to_string()))
    };
    let mac = |last: u8| Some(format!("02:00:00:00:00:{last:02x}"));
    assert_eq!(state("10.0.0.2"), (NeighbourState::Permanent, false, mac(2)));
    assert_eq!(state("10.0.0.3"), (NeighbourState::Stale, false, mac(3)));
    assert_eq!(state("fd00::2"), (NeighbourState::NoArp, false, mac(4)));
    assert_eq!((state("10.0.0.9").1, state("fd00::9").1), (true, true));

    let devices = ["br0", "veth0", "vx0", "vx6"].map(|name| index(&snapshot, name));
    let fdb = snapshot.fdb.elements();
    assert!(fdb.iter().all(|entry| devices.contains(&entry.link)), "no device's own list: {fdb:#?}");
    let shown: BTreeSet<_> = json(&bridge("-j fdb"))
        .iter()
        .filter(|shown| {
            shown.get("master").is_some() || shown["ifname"].as_str().is_some_and(|name| name.starts_with("vx"))
        })
        .map(|shown| (shown["mac"].as_str().unwrap().to_owned(), shown["dst"].as_str().map(str::to_owned)))
        .collect();
    let ours: BTreeSet<_> =
        fdb.iter().map(|entry| (entry.mac.to_string(), entry.dst.map(|dst| dst.to_string()))).collect();
    assert_eq!(ours, shown);
    let entry = |mac: &str, dst: Option<&str>| {
        fdb.iter()
            .find(|entry| entry.mac.to_string() == mac && dst.is_none_or(|dst| entry.dst == dst.parse().ok()))
            .unwrap()
    };
    let static_entry = entry("02:00:00:00:01:01", None);
    assert_eq!((static_entry.vlan, static_entry.controller), (vlans.then_some(1), Some(index(&snapshot, "br0"))));
    assert!(static_entry.is_static && !static_entry.local);
    let remote = entry("02:00:00:00:02:01", Some("192.168.0.2"));
    assert!(remote.is_static && !remote.local && remote.controller.is_none());
    let flood = entry("00:00:00:00:00:00", Some("192.168.0.3"));
    assert_eq!((flood.port, flood.vni.map(|vni| vni.0)), (Some(4789), Some(9)));
    assert_eq!(flood.via, Some(index(&snapshot, "veth1")));
    let own = snapshot.link_named("veth0").unwrap().mac.unwrap();
    assert!(fdb.iter().any(|entry| entry.mac == own && entry.local));
}

#[test]
#[ignore = "needs root: run by make test"]
fn sysctls_are_those_of_the_namespace_and_its_devices() {
    let namespace = Namespace::new("sysctls");
    namespace.ip("link add flannel.1 type bridge");
    namespace.exec("sysctl -qw net.ipv4.ip_forward=1");
    namespace.exec("sysctl -qw net/ipv4/conf/flannel.1/rp_filter=2");
    namespace.exec("sysctl -qw net/ipv6/conf/flannel.1/disable_ipv6=1");
    let snapshot = snapshot(&namespace);
    let sysctls = snapshot.sysctls.value().unwrap();
    assert_eq!(sysctls.number("net/ipv4/ip_forward"), Some(1));
    assert_eq!(sysctls.device(Family::V4, "flannel.1", "rp_filter"), Some(2));
    assert_eq!(sysctls.device(Family::V6, "flannel.1", "disable_ipv6"), Some(1));
    assert_eq!(sysctls.device(Family::V4, "all", "forwarding"), Some(1));
    assert_eq!(sysctls.device(Family::V4, "default", "arp_ignore"), Some(0));
    assert!(sysctls.text("net/ipv4/ip_local_port_range").unwrap().contains(['\t', ' ']));
    // Each is what procfs says within the namespace.
    for (path, value) in sysctls.iter().filter(|(path, _)| !path.ends_with("count")) {
        assert_eq!(namespace.within(|| std::fs::read_to_string(format!("/proc/sys/{path}"))).unwrap().trim(), value);
    }
}

#[test]
#[ignore = "needs root: run by make test"]
fn sockets_that_receive_are_listed() {
    let namespace = Namespace::new("sockets");
    namespace.ip("link add vx0 type vxlan id 7 dstport 8472");
    namespace.ip("link set vx0 up");
    let v6 = |v6only: bool, port: u16| {
        let socket = socket(AddressFamily::INET6, SocketType::STREAM, None).unwrap();
        set_socket_reuseaddr(&socket, true).unwrap();
        set_ipv6_v6only(&socket, v6only).unwrap();
        bind(&socket, &SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)).unwrap();
        listen(&socket, 1).unwrap();
        socket
    };
    let _open = namespace.within(|| {
        let loopback = TcpListener::bind("127.0.0.1:80").unwrap();
        let any = TcpListener::bind("0.0.0.0:81").unwrap();
        let bound = UdpSocket::bind("0.0.0.0:53").unwrap();
        let connected = UdpSocket::bind("127.0.0.1:54").unwrap();
        connected.connect("127.0.0.1:53").unwrap();
        let mut client = std::net::TcpStream::connect("127.0.0.1:80").unwrap();
        std::io::Write::write_all(&mut client, b"x").unwrap();
        (loopback, any, bound, connected, client, v6(false, 82), v6(true, 83))
    });
    let snapshot = snapshot(&namespace);
    let seen: BTreeSet<_> = snapshot
        .sockets
        .elements()
        .iter()
        .map(|socket| {
            format!("{} {} {} {:?} {:?}", socket.protocol, socket.address, socket.port, socket.state, socket.v6only)
        })
        .collect();
    let expected = [
        "tcp 127.0.0.1 80 Listen None",
        "tcp 0.0.0.0 81 Listen None",
        "tcp :: 82 Listen Some(false)",
        "tcp :: 83 Listen Some(true)",
        "udp 0.0.0.0 53 Unconnected None",
        "udp 127.0.0.1 54 Established None",
        // The tunnel's own.
        "udp 0.0.0.0 8472 Unconnected None",
    ];
    assert_eq!(seen, expected.map(str::to_owned).into());
    let at = |port| snapshot.sockets.elements().iter().find(|socket| socket.port == Port(port)).unwrap();
    assert_eq!(at(54).remote, Some(([127, 0, 0, 1].into(), Port(53))));
    assert_ne!(at(80).inode, 0);
    assert_eq!((at(80).mark, at(80).state), (Some(Mark(0)), SocketState::Listen));
}
