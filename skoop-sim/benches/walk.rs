//! Walks over a kube-proxy table: 3 500 services with 4 endpoints each (some 49 000 rules), and how that grows.
//!
//! One walk is a first packet from a pod to a service through a whole node: device, PREROUTING with its DNAT, routing, FORWARD,
//! POSTROUTING, neighbour, device. Every walk's verdict is checked in the same run: it must leave for the first of the service's
//! endpoints. `judged` is a walk without trace, `traced` one with the whole trace.

#[path = "shared/kube_proxy.rs"]
mod kube_proxy;
#[path = "shared/node.rs"]
mod node;

use std::cell::Cell;
use std::net::Ipv4Addr;

use divan::{Bencher, black_box, counter::BytesCount, counter::ItemsCount};
use kube_proxy::{dumps, endpoint_address, service_address};
use node::{first_packet, judged, sent_to, snapshot, stride, traced};
use skoop_model::{Backend, Family, NodeName};
use skoop_sim::{Entry, Namespace, Netfilter, Outcome, Site};

/// Walks in one measured run.
const WALKS: u32 = 1_000;

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

fn walks(
    bencher: Bencher<'_, '_>,
    services: u32,
    choose: impl Fn(u32) -> u32,
    take: impl Fn(Site<'_>, Entry) -> Outcome,
) {
    let namespace = Namespace::new(snapshot(dumps(services)));
    let node = NodeName::from("node-1");
    let site = Site { node: &node, label: "host", namespace: &namespace };
    bencher.counter(ItemsCount::new(WALKS)).bench_local(|| {
        for turn in 0..WALKS {
            let service = choose(turn);
            let outcome = take(site, first_packet(service_address(service)));
            assert_eq!(
                sent_to(&outcome),
                Some(endpoint_address(service, 0).into()),
                "the first way leads to the first endpoint"
            );
        }
    });
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
    let mut namespace = Namespace::new(snapshot(dumps(services)));
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
            let outcome = judged(site, first_packet(service_address(service)));
            assert_eq!(sent_to(&outcome), Some(endpoint.into()), "the new endpoint");
        });
}
