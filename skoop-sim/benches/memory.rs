//! What is held and what is asked of the allocator: by the compiled table of 3 500 services (some 49 000 rules), and by each walk over it.
//!
//! Figures, not times: they are the same on every machine, busy or not.

#[path = "shared/kube_proxy.rs"]
mod kube_proxy;
#[path = "shared/node.rs"]
mod node;

use std::alloc::System;

use kube_proxy::{dumps, endpoint_address, service_address};
use node::{first_packet, judged, sent_to, snapshot, stride, traced};
use skoop_model::NodeName;
use skoop_sim::{Entry, Namespace, Netfilter, Outcome, Site};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SERVICES: u32 = 3_500;
const WALKS: u32 = 1_000;

fn main() {
    let dumps = dumps(SERVICES);
    let text = dumps.nft_v4.value().map_or(0, String::len);
    let before = Region::new(ALLOCATOR);
    let compiled = Netfilter::compile(&dumps);
    println!("iptables-save of {SERVICES} services: {}", megabytes(text));
    println!("compiled, its text included:     {}", megabytes(held(before.change())));
    drop(compiled);
    let namespace = Namespace::new(snapshot(dumps));
    walks("judged", &namespace, judged);
    walks("traced", &namespace, traced);
}

/// Bytes that were taken and not given back.
fn held(change: Stats) -> usize {
    change.bytes_allocated.saturating_sub(change.bytes_deallocated)
}

fn megabytes(bytes: usize) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

fn walks(name: &str, namespace: &Namespace, take: impl Fn(Site<'_>, Entry) -> Outcome) {
    let node = NodeName::from("node-1");
    let site = Site { node: &node, label: "host", namespace };
    let before = Region::new(ALLOCATOR);
    for turn in 0..WALKS {
        let service = stride(turn, SERVICES);
        let outcome = take(site, first_packet(service_address(service)));
        assert_eq!(sent_to(&outcome), Some(endpoint_address(service, 0).into()));
    }
    let change = before.change();
    let count = change.allocations + change.reallocations;
    let each = |total: usize| total / usize::try_from(WALKS).unwrap_or(1);
    println!("{name}: {} allocations, {} bytes a walk", each(count), each(change.bytes_allocated));
}
