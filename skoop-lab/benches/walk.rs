//! Walks over a kube-proxy table: 3 500 services with 4 endpoints each (some 49 000 rules), and how that grows.
//!
//! One walk is a first packet from a pod to a service through a whole node: device, PREROUTING with its DNAT, routing, FORWARD,
//! POSTROUTING, neighbour, device. Every walk's verdict is checked in the same run: it must leave for the first of the service's
//! endpoints. `judged` is a walk without trace, `traced` one with the whole trace.

use std::net::{IpAddr, Ipv4Addr};

use divan::{Bencher, black_box, counter::BytesCount, counter::ItemsCount};
use skoop_lab::{ProxyOptions, kube_proxy_iptables};
use skoop_model::{
    Address, AddressType, Endpoint, EndpointPort, EndpointSlice, Frame, HostRole, IfIndex, Item, Link, LinkKind,
    MacAddr, NamespaceSnapshot, Neighbour, NeighbourState, NetfilterDumps, NetnsId, NodeName, ObjectKey, Packet, Port,
    Protocol, Route, RoutingRule, RuleAction, Service, ServicePort, ServiceType, Sysctls, TableId, TargetPort,
    TrafficPolicy,
};
use skoop_sim::{
    Conntrack, Ending, Entry, Forks, Namespace, Netfilter, Outcome, Resolution, Site, Surroundings, judge, walk,
};

const ENDPOINTS: u32 = 4;
/// Walks in one measured run.
const WALKS: u32 = 1_000;
const POD_DEVICE: IfIndex = IfIndex(2);
const UPLINK: IfIndex = IfIndex(3);
const OWN_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const GATEWAY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

fn main() {
    divan::main();
}

#[divan::bench(args = [100, 1_000, 3_500, 10_000])]
fn parse(bencher: Bencher<'_, '_>, services: u32) {
    let dumps = dumps(rules(services));
    let bytes = dumps.nft_v4.value().map_or(0, String::len);
    bencher.counter(BytesCount::new(bytes)).bench_local(|| Netfilter::compile(black_box(&dumps)));
}

#[divan::bench(args = [100, 3_500, 10_000])]
fn judged_first_service(bencher: Bencher<'_, '_>, services: u32) {
    walks(bencher, services, |_| 0, judged);
}

#[divan::bench(args = [100, 3_500, 10_000])]
fn judged_last_service(bencher: Bencher<'_, '_>, services: u32) {
    walks(bencher, services, |_| services - 1, judged);
}

#[divan::bench(args = [100, 3_500, 10_000])]
fn judged_any_service(bencher: Bencher<'_, '_>, services: u32) {
    walks(bencher, services, |turn| stride(turn, services), judged);
}

#[divan::bench(args = [100, 3_500, 10_000])]
fn traced_any_service(bencher: Bencher<'_, '_>, services: u32) {
    walks(bencher, services, |turn| stride(turn, services), traced);
}

/// Services in an order that no cache likes: the stride is prime to all table sizes.
fn stride(turn: u32, services: u32) -> u32 {
    turn.wrapping_mul(7_919) % services
}

fn judged(site: Site<'_>, entry: Entry) -> Outcome {
    judge(site, entry, &mut Conntrack::default(), &Nobody, &mut Forks::first())
}

fn traced(site: Site<'_>, entry: Entry) -> Outcome {
    let outcome = walk(site, entry, &mut Conntrack::default(), &Nobody, &mut Forks::first(), false);
    assert!(outcome.steps.len() > 4, "a whole trace");
    outcome
}

fn walks(
    bencher: Bencher<'_, '_>,
    services: u32,
    choose: impl Fn(u32) -> u32,
    take: impl Fn(Site<'_>, Entry) -> Outcome,
) {
    let namespace = Namespace::new(snapshot(rules(services)));
    let node = NodeName::from("node-1");
    let site = Site { node: &node, label: "host", namespace: &namespace };
    bencher.counter(ItemsCount::new(WALKS)).bench_local(|| {
        for turn in 0..WALKS {
            let service = choose(turn);
            let packet = Packet::tcp_syn(pod(0), Port(40_000), cluster_ip(service), Port(80));
            let frame = Frame { src_mac: GATEWAY_MAC, dst_mac: OWN_MAC, packet };
            let outcome = take(site, Entry::Frame { device: POD_DEVICE, frame });
            let arrives_at = match &outcome.ending {
                Ending::Sent { frame, .. } => Some(frame.packet.dst),
                _ => None,
            };
            assert_eq!(arrives_at, Some(endpoint(service, 0)), "the first way leads to the first endpoint");
        }
    });
}

struct Nobody;

impl Surroundings for Nobody {
    fn resolve(&self, _device: IfIndex, _address: IpAddr) -> Resolution {
        Resolution::Nobody
    }

    fn takes(&self, _port: IfIndex, _mac: MacAddr) -> bool {
        false
    }
}

fn cluster_ip(service: u32) -> IpAddr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 96, 0, 1)) + service).into()
}

fn endpoint(service: u32, number: u32) -> IpAddr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 128, 0, 0)) + service * ENDPOINTS + number).into()
}

fn pod(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 244, 1, 2 + number).into()
}

fn rules(services: u32) -> String {
    let (objects, slices): (Vec<Service>, Vec<EndpointSlice>) =
        (0..services).map(|number| (service(number), slice(number))).unzip();
    let options = ProxyOptions { pod_network: "10.244.0.0/16".parse().ok(), ..ProxyOptions::default() };
    as_saved(&kube_proxy_iptables(&objects, &slices, &options))
}

/// What `iptables-save` prints of a table that was loaded: built-in chains declared, rules appended.
fn as_saved(restored: &str) -> String {
    let mut saved = String::with_capacity(restored.len());
    for line in restored.lines() {
        saved.push_str(&line.replacen("-I ", "-A ", usize::from(line.starts_with("-I "))));
        saved.push('\n');
        let hooks: &[&str] = match line {
            "*nat" => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
            "*filter" => &["INPUT", "FORWARD", "OUTPUT"],
            _ => &[],
        };
        for hook in hooks {
            saved.push(':');
            saved.push_str(hook);
            saved.push_str(" ACCEPT [0:0]\n");
        }
    }
    saved
}

fn key(service: u32) -> ObjectKey {
    ObjectKey::new("default", format!("service-{service}"))
}

fn service(number: u32) -> Service {
    let port = ServicePort {
        name: "http".to_owned(),
        protocol: Protocol::TCP,
        port: Port(80),
        target_port: TargetPort::Number(Port(8080)),
        node_port: None,
    };
    Service {
        key: key(number),
        kind: ServiceType::ClusterIp,
        cluster_ips: vec![cluster_ip(number)],
        external_ips: Vec::new(),
        load_balancer_ips: Vec::new(),
        external_name: None,
        ports: vec![port],
        selector: std::collections::BTreeMap::new(),
        client_ip_affinity_seconds: None,
        external_traffic_policy: TrafficPolicy::Cluster,
        internal_traffic_policy: TrafficPolicy::Cluster,
        source_ranges: Vec::new(),
        health_check_node_port: None,
        publish_not_ready: false,
    }
}

fn slice(number: u32) -> EndpointSlice {
    let endpoints = (0..ENDPOINTS).map(|place| Endpoint {
        addresses: vec![endpoint(number, place)],
        ready: true,
        serving: true,
        terminating: false,
        node: None,
        pod: None,
    });
    EndpointSlice {
        key: key(number),
        service: Some(key(number).name),
        address_type: AddressType::Ipv4,
        ports: vec![EndpointPort { name: "http".to_owned(), protocol: Protocol::TCP, port: Some(Port(8080)) }],
        endpoints: endpoints.collect(),
    }
}

fn dumps(rules: String) -> NetfilterDumps {
    let nothing = || Item::known(0, String::new());
    NetfilterDumps {
        legacy_v4: nothing(),
        legacy_v6: nothing(),
        nft_v4: Item::known(0, rules),
        nft_v6: nothing(),
        nft_json: nothing(),
        ipset: nothing(),
        ..NetfilterDumps::not_collected()
    }
}

/// A node with one pod behind a veth and the other pods behind its uplink.
fn snapshot(rules: String) -> NamespaceSnapshot {
    let mut snapshot = NamespaceSnapshot::new(NetnsId(1), HostRole::Host);
    snapshot.links = Item::known(0, vec![link(POD_DEVICE, "veth0"), link(UPLINK, "eth0")]);
    snapshot.addresses = Item::known(0, vec![address(POD_DEVICE, "10.244.1.1/24"), address(UPLINK, "172.20.0.11/24")]);
    snapshot.routes =
        Item::known(0, vec![route("10.244.1.0/24", None, POD_DEVICE), route("0.0.0.0/0", Some("172.20.0.1"), UPLINK)]);
    let lookup = |priority, table| RoutingRule {
        priority,
        action: RuleAction::Lookup(table),
        ..RoutingRule::any(skoop_model::Family::V4)
    };
    snapshot.rules = Item::known(0, vec![lookup(0, TableId::LOCAL), lookup(32_766, TableId::MAIN)]);
    let gateway = Neighbour {
        link: UPLINK,
        address: IpAddr::from([172, 20, 0, 1]),
        mac: Some(GATEWAY_MAC),
        state: NeighbourState::Permanent,
        proxy: false,
    };
    snapshot.neighbours = Item::known(0, vec![gateway]);
    snapshot.fdb = Item::known(0, Vec::new());
    snapshot.sockets = Item::known(0, Vec::new());
    let mut sysctls = Sysctls::default();
    for device in ["all", "veth0", "eth0"] {
        sysctls.set(format!("net/ipv4/conf/{device}/forwarding"), "1");
        sysctls.set(format!("net/ipv4/conf/{device}/rp_filter"), "0");
    }
    snapshot.sysctls = Item::known(0, sysctls);
    snapshot.netfilter = dumps(rules);
    snapshot
}

fn link(index: IfIndex, name: &str) -> Link {
    Link { mac: Some(OWN_MAC), ..Link::new(index, name, LinkKind::Physical) }
}

fn address(link: IfIndex, net: &str) -> Address {
    Address::new(link, net.parse().expect("a literal prefix"))
}

fn route(dst: &str, gateway: Option<&str>, link: IfIndex) -> Route {
    let gateway = gateway.map(|gateway| gateway.parse().expect("a literal address"));
    Route::unicast(dst.parse().expect("a literal prefix"), gateway, link)
}
