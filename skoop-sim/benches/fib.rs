//! Route lookups: a node of a large flat network, and one with a rule for each pod.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use divan::Bencher;
use divan::counter::ItemsCount;
use skoop_model::{
    Family, HostRole, IfIndex, Item, NamespaceSnapshot, NetnsId, NextHop, Packet, Port, Route, RouteKind,
    RouteProtocol, RouteScope, RoutingRule, RuleAction, TableId,
};
use skoop_sim::{Fib, Flow, Forks};

fn main() {
    divan::main();
}

fn route(table: TableId, dst: Ipv4Addr, bits: u8) -> Route {
    let gateway = Some(IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1)));
    Route {
        table,
        dst: ipnet::Ipv4Net::new(dst, bits).expect("at most 32 bits").into(),
        src: None,
        tos: 0,
        metric: 0,
        kind: RouteKind::Unicast,
        protocol: RouteProtocol::STATIC,
        scope: RouteScope::GLOBAL,
        prefsrc: None,
        nexthops: vec![NextHop {
            gateway,
            link: Some(IfIndex(2)),
            weight: 1,
            onlink: false,
            dead: false,
            linkdown: false,
        }],
        nexthop_id: None,
        mtu_bytes: None,
        unmodelled: Vec::new(),
    }
}

fn rule(priority: u32, src: Option<Ipv4Addr>, table: TableId) -> RoutingRule {
    let src = src.map(|address| IpAddr::V4(address).into());
    RoutingRule { priority, src, action: RuleAction::Lookup(table), ..RoutingRule::any(Family::V4) }
}

/// `pods` rules by source address, and a route for each of `nodes` pod networks.
fn fib(pods: u32, nodes: u32) -> Fib {
    let network = |number: u32| Ipv4Addr::from_bits((10 << 24) | (number << 8));
    let mut routes: Vec<Route> = (0..nodes).map(|number| route(TableId::MAIN, network(number), 24)).collect();
    routes.push(route(TableId::MAIN, Ipv4Addr::UNSPECIFIED, 0));
    let mut rules = vec![rule(0, None, TableId::LOCAL), rule(32_766, None, TableId::MAIN)];
    rules.extend((0..pods).map(|pod| rule(2048, Some(Ipv4Addr::from_bits((172 << 24) | pod)), TableId(1000))));
    Fib::new(&NamespaceSnapshot {
        routes: Item::known(0, routes),
        rules: Item::known(0, rules),
        ..NamespaceSnapshot::new(NetnsId(1), HostRole::Host)
    })
}

/// Rules by source, and routes.
#[divan::bench(args = [(0, 1_000), (0, 50_000), (110, 1_000)])]
fn lookup(bencher: Bencher, (pods, nodes): (u32, u32)) {
    let fib = fib(pods, nodes);
    let flows: Vec<Flow> = (0..1000_u32)
        .map(|number| {
            let dst = Ipv4Addr::from_bits((10 << 24) | ((number * 7919 % nodes) << 8) | 9);
            let src = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));
            let packet = Packet::tcp_syn(src, Port(40_000), IpAddr::V4(dst), Port(80));
            Flow { iif: Some(IfIndex(3)), ..Flow::of(&packet) }
        })
        .collect();
    bencher.counter(ItemsCount::new(flows.len())).bench_local(|| {
        for flow in &flows {
            black_box(fib.lookup(flow, &mut Forks::first()));
        }
    });
}

/// Indexing the routes of a node.
#[divan::bench(args = [1_000, 50_000])]
fn index(bencher: Bencher, nodes: u32) {
    bencher.counter(ItemsCount::new(nodes)).bench_local(|| black_box(fib(0, nodes)));
}
