//! The pattern of a plugin, inferred from what it did elsewhere.

use std::collections::BTreeMap;

use skoop_model::{
    Address, BridgeConfig, HostRole, IfIndex, Item, Link, MacAddr, NamespaceSnapshot, NetnsId, NodeName, OuterDf, Port,
    VethPeer, Vni, VxlanConfig,
};

use super::*;

const UPLINK: IfIndex = IfIndex(2);
const BRIDGE: IfIndex = IfIndex(3);
const TUNNEL: IfIndex = IfIndex(4);
const PORT: IfIndex = IfIndex(5);

fn link(index: IfIndex, name: &str, kind: LinkKind) -> Link {
    Link { mac: Some(MacAddr([2, 0, 0, 0, 0, 1])), ..Link::new(index, name, kind) }
}

fn vxlan() -> LinkKind {
    LinkKind::Vxlan(VxlanConfig {
        vni: Vni(1),
        port: Port(8472),
        local: None,
        remote: None,
        underlay: None,
        learning: false,
        ttl: 0,
        dont_fragment: OuterDf::Unset,
        collect_metadata: false,
    })
}

fn route(dst: &str, gateway: Option<&str>, link: IfIndex, onlink: bool) -> Route {
    let gateway = gateway.map(|gateway| gateway.parse().expect("a literal address"));
    let mut route = Route::unicast(dst.parse().expect("a literal prefix"), gateway, link);
    route.nexthops.iter_mut().for_each(|hop| hop.onlink = onlink);
    route
}

fn address(link: IfIndex, net: &str) -> Address {
    Address::new(link, net.parse().expect("a literal prefix"))
}

fn node(name: &str, address: &str, cidr: &str) -> KubeNode {
    KubeNode {
        name: NodeName::from(name),
        addresses: vec![address.parse().expect("a literal address")],
        pod_cidrs: vec![cidr.parse().expect("a literal prefix")],
        ready: Some(true),
        labels: BTreeMap::new(),
        provider_id: None,
    }
}

fn cluster() -> ClusterSnapshot {
    let mut cluster = ClusterSnapshot::new("test", 0);
    cluster.nodes = Item::known(
        0,
        vec![
            node("a", "192.0.2.1", "10.1.1.0/24"),
            node("b", "192.0.2.2", "10.1.2.0/24"),
            node("c", "192.0.2.3", "10.1.3.0/24"),
        ],
    );
    cluster
}

fn host(routes: Vec<Route>) -> Namespace {
    let mut snapshot = NamespaceSnapshot::new(NetnsId(1), HostRole::Host);
    let port = Link {
        controller: Some(BRIDGE),
        ..link(PORT, "veth1", LinkKind::Veth { peer: Some(VethPeer { index: IfIndex(2), netns: Some(NetnsId(2)) }) })
    };
    snapshot.links = Item::known(
        0,
        vec![
            link(UPLINK, "eth0", LinkKind::Physical),
            link(BRIDGE, "br0", LinkKind::Bridge(BridgeConfig::default())),
            link(TUNNEL, "vx0", vxlan()),
            port,
        ],
    );
    snapshot.addresses = Item::known(0, vec![address(BRIDGE, "10.1.1.1/24")]);
    snapshot.routes = Item::known(0, routes);
    Namespace::new(snapshot)
}

fn remote_route(routes: Vec<Route>) -> Option<ExpectedRoute> {
    let (host, cluster) = (host(routes), cluster());
    let [a, b, _] = cluster.nodes.elements() else { panic!("three nodes") };
    Generic.remote_route(&NodeView { host: &host, node: a, cluster: &cluster }, b)
}

#[test]
fn a_missing_route_follows_the_pattern_of_its_siblings() {
    let tunnelled =
        remote_route(vec![route("10.1.3.0/24", Some("10.1.3.0"), TUNNEL, true)]).expect("a sibling shows it");
    assert_eq!(tunnelled.command().join(" "), "ip route replace 10.1.2.0/24 via 10.1.2.0 dev vx0 onlink");

    let by_node =
        remote_route(vec![route("10.1.3.0/24", Some("192.0.2.3"), UPLINK, false)]).expect("a sibling shows it");
    assert_eq!(by_node.command().join(" "), "ip route replace 10.1.2.0/24 via 192.0.2.2 dev eth0");

    assert_eq!(remote_route(vec![route("10.1.3.0/24", Some("192.0.2.200"), UPLINK, false)]), None, "no pattern");
    assert_eq!(remote_route(Vec::new()), None, "no sibling");
}

#[test]
fn only_a_network_that_is_seen_to_route_pods_is_trusted_with_them() {
    let cluster = cluster();
    let [a, ..] = cluster.nodes.elements() else { panic!("three nodes") };
    let carries = |routes| {
        let host = host(routes);
        Generic.underlay_carries_pods(&NodeView { host: &host, node: a, cluster: &cluster })
    };
    assert_eq!(carries(vec![route("10.1.3.0/24", Some("10.1.3.0"), TUNNEL, true)]), Tri::No);
    assert_eq!(carries(vec![route("10.1.3.0/24", Some("192.0.2.3"), UPLINK, false)]), Tri::No);
    assert_eq!(carries(vec![route("10.1.3.0/24", Some("192.0.2.254"), UPLINK, false)]), Tri::Maybe);
    assert_eq!(carries(Vec::new()), Tri::Maybe);
}

#[test]
fn a_pod_on_a_bridge_is_routed_by_the_bridge() {
    let mut snapshot = NamespaceSnapshot::new(NetnsId(2), HostRole::Other);
    let peer = VethPeer { index: PORT, netns: Some(NetnsId(1)) };
    snapshot.links = Item::known(0, vec![link(IfIndex(2), "eth0", LinkKind::Veth { peer: Some(peer) })]);
    snapshot.addresses = Item::known(0, vec![address(IfIndex(2), "10.1.1.7/24")]);
    let (pod, host) = (Namespace::new(snapshot), host(Vec::new()));
    let view = PodView { pod: &pod, host: &host, address: "10.1.1.7".parse().expect("a literal address") };
    let commands: Vec<String> = Generic.pod_routes(&view).iter().map(|route| route.command().join(" ")).collect();
    assert_eq!(
        commands,
        ["ip route replace 10.1.1.0/24 dev eth0 src 10.1.1.7", "ip route replace default via 10.1.1.1 dev eth0"]
    );
}
