//! Walks over a kube-proxy table: 3 500 services with 4 endpoints each (some 49 000 rules), and how that grows.
//!
//! One walk is a first packet from a pod to a service through a whole node: device, PREROUTING with its DNAT, routing, FORWARD,
//! POSTROUTING, neighbour, device. Every walk's verdict is checked in the same run: it must leave for the first of the service's
//! endpoints. `judged` is a walk without trace, `traced` one with the whole trace.

#[path = "shared/kube_proxy.rs"]
mod kube_proxy;

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};

use divan::{Bencher, black_box, counter::BytesCount, counter::ItemsCount};
use kube_proxy::{dumps, endpoint_address, service_address};
use skoop_model::{
    Address, Backend, Family, Frame, HostRole, IfIndex, Item, Link, LinkKind, MacAddr, NamespaceSnapshot, Neighbour,
    NeighbourState, NetnsId, NodeName, Packet, Port, Route, RoutingRule, RuleAction, Sysctls, TableId,
};
use skoop_sim::{
    Conntrack, Ending, Entry, Forks, Namespace, Netfilter, Outcome, Resolution, Site, Surroundings, judge, walk,
};

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
    let dumps = dumps(services);
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
    let mut forks = Forks::unlabelled();
    judge(site, entry, &mut Conntrack::default(), &Nobody, &mut forks)
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
    let namespace = Namespace::new(snapshot(services));
    let node = NodeName::from("node-1");
    let site = Site { node: &node, label: "host", namespace: &namespace };
    bencher.counter(ItemsCount::new(WALKS)).bench_local(|| {
        for turn in 0..WALKS {
            let service = choose(turn);
            let packet = Packet::tcp_syn(pod(0), Port(40_000), service_address(service).into(), Port(80));
            let frame = Frame { src_mac: GATEWAY_MAC, dst_mac: OWN_MAC, packet };
            let outcome = take(site, Entry::Frame { device: POD_DEVICE, frame });
            let arrives_at = match &outcome.ending {
                Ending::Sent { frame, .. } => Some(frame.packet.dst),
                _ => None,
            };
            assert_eq!(
                arrives_at,
                Some(endpoint_address(service, 0).into()),
                "the first way leads to the first endpoint"
            );
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

fn pod(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 244, 1, 2 + number).into()
}

/// A node with one pod behind a veth and the other pods behind its uplink.
fn snapshot(services: u32) -> NamespaceSnapshot {
    let mut snapshot = NamespaceSnapshot::new(NetnsId(1), HostRole::Host);
    snapshot.links = Item::known(0, vec![link(POD_DEVICE, "veth0"), link(UPLINK, "eth0")]);
    snapshot.addresses = Item::known(0, vec![address(POD_DEVICE, "10.244.1.1/24"), address(UPLINK, "172.20.0.11/24")]);
    snapshot.routes =
        Item::known(0, vec![route("10.244.1.0/24", None, POD_DEVICE), route("0.0.0.0/0", Some("172.20.0.1"), UPLINK)]);
    let lookup =
        |priority, table| RoutingRule { priority, action: RuleAction::Lookup(table), ..RoutingRule::any(Family::V4) };
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
    snapshot.netfilter = dumps(services);
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

/// One Service gets other endpoints, as kube-proxy writes it, and its verdict is asked again: time for both.
#[divan::bench(args = [100, 3_500, 10_000])]
fn one_changed_service(bencher: Bencher<'_, '_>, services: u32) {
    changed(bencher, services, |service, turn| kube_proxy::new_endpoint(service, endpoint_of(turn)));
}

/// The same, where the text also holds every line of the long chain, as that of kube-proxy 1.26 and later does.
#[divan::bench(args = [100, 3_500, 10_000])]
fn one_changed_service_and_the_long_chain(bencher: Bencher<'_, '_>, services: u32) {
    let long = kube_proxy::services_chain(services);
    changed(bencher, services, |service, turn| {
        format!("{long}{}", kube_proxy::new_endpoint(service, endpoint_of(turn)))
    });
}

fn endpoint_of(turn: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 129, 0, 1).to_bits() + turn % 50_000)
}

fn changed(bencher: Bencher<'_, '_>, services: u32, text: impl Fn(u32, u32) -> String) {
    let mut namespace = Namespace::new(snapshot(services));
    let node = NodeName::from("node-1");
    // The first change collects the names of all chains.
    namespace.patch_rules(Backend::Nft, Family::V4, "*nat\nCOMMIT\n").expect("a change of nothing");
    let turn = Cell::new(0_u32);
    bencher
        .with_inputs(|| {
            turn.set(turn.get() + 1);
            let service = stride(turn.get(), services);
            (service, endpoint_of(turn.get()), text(service, turn.get()))
        })
        .bench_local_values(|(service, endpoint, changes)| {
            namespace.patch_rules(Backend::Nft, Family::V4, &changes).expect("a change");
            let site = Site { node: &node, label: "host", namespace: &namespace };
            let packet = Packet::tcp_syn(pod(0), Port(40_000), service_address(service).into(), Port(80));
            let frame = Frame { src_mac: GATEWAY_MAC, dst_mac: OWN_MAC, packet };
            let outcome = judged(site, Entry::Frame { device: POD_DEVICE, frame });
            let arrives_at = match &outcome.ending {
                Ending::Sent { frame, .. } => Some(frame.packet.dst),
                _ => None,
            };
            assert_eq!(arrives_at, Some(endpoint.into()), "the new endpoint");
        });
}
