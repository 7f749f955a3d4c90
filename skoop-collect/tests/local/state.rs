//! Addresses, rules, neighbours, sysctls and sockets of one namespace.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use skoop_collect::local::{Options, Others, Selection, collect};
use skoop_model::{
    Family, IfIndex, Mark, MarkMask, NamespaceSnapshot, NeighbourState, NodeName, Port, Protocol, RuleAction,
    SocketState, TableId,
};

use crate::looking::json;
use crate::support::{Namespace, run};

/// The snapshot of one namespace alone, of which every part must be there.
pub(crate) fn snapshot(namespace: &Namespace) -> NamespaceSnapshot {
    let selection = Selection { host: namespace.netns(), others: Others::None };
    let mut node = collect(NodeName::from("node"), &selection, &Options::default()).unwrap();
    assert_eq!(node.unseen, []);
    let snapshot = node.namespaces.pop().unwrap();
    assert_eq!(snapshot.unavailable(), []);
    assert_eq!(snapshot.names, std::slice::from_ref(&namespace.name));
    snapshot
}

pub(crate) fn index(snapshot: &NamespaceSnapshot, name: &str) -> IfIndex {
    snapshot.link_named(name).unwrap().index
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

/// A namespace with neighbours and forwarding databases; whether its bridge filters VLANs, and what `bridge -j fdb` says.
fn databases() -> (Namespace, bool, String) {
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
    let shown = bridge("-j fdb");
    (namespace, vlans, shown)
}

#[test]
#[ignore = "needs root: run by make test"]
fn neighbours_and_proxies_are_read() {
    let (namespace, ..) = databases();
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
}

#[test]
#[ignore = "needs root: run by make test"]
fn forwarding_databases_are_as_iproute2_shows_them() {
    let (namespace, vlans, shown) = databases();
    let snapshot = snapshot(&namespace);
    let devices = ["br0", "veth0", "vx0", "vx6"].map(|name| index(&snapshot, name));
    let fdb = snapshot.fdb.elements();
    assert!(fdb.iter().all(|entry| devices.contains(&entry.link)), "no device's own list: {fdb:#?}");
    let shown: BTreeSet<_> = json(&shown)
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
