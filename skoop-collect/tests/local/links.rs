//! Links against `ip -d link`.

use std::net::IpAddr;

use serde_json::Value;
use skoop_model::{LinkKind, OuterDf, Port, PortState};

use crate::state::{index, snapshot};
use crate::support::{Namespace, run};

fn has(flags: &Value, flag: &str) -> bool {
    flags.as_array().unwrap().iter().any(|found| found == flag)
}

/// A namespace with links of all kinds that this kernel has, and whether its bridges can filter VLANs.
fn links() -> (Namespace, bool) {
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
    // A qdisc without filters changes nothing.
    for device in ["veth0", "veth1"] {
        run(&["tc", "-n", &namespace.name, "qdisc", "add", "dev", device, "clsact"]);
    }
    let filter = "filter add dev veth1 egress protocol ip u32 match u32 0 0 flowid 1:1";
    let argv = ["tc", "-n", &namespace.name].into_iter().chain(filter.split(' '));
    run(&argv.collect::<Vec<_>>());
    (namespace, vlans)
}

#[test]
#[ignore = "needs root: run by make test"]
fn links_are_as_iproute2_shows_them() {
    let (namespace, _) = links();
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
}

#[test]
#[ignore = "needs root: run by make test"]
fn bridges_ports_and_hooks_are_read() {
    let (namespace, vlans) = links();
    let snapshot = snapshot(&namespace);
    let links = snapshot.links.elements();
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

    // Both ends of a pair in one namespace.
    let peer = snapshot.link_named("veth0").unwrap().veth_peer().copied().unwrap();
    assert_eq!((peer.index, peer.netns), (index(&snapshot, "veth1"), Some(snapshot.id)));
}

#[test]
#[ignore = "needs root: run by make test"]
fn vxlan_settings_are_read() {
    let (namespace, _) = links();
    let snapshot = snapshot(&namespace);
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
}
