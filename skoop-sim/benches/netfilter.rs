//! Netfilter on kube-proxy's tables: reading the dump, and the first packet of a connection to a random service.
//!
//! A walk counts only if it ends at an endpoint of the service that it asked for: each run checks that.

#[path = "shared/kube_proxy.rs"]
mod kube_proxy;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use kube_proxy::{dumps, endpoint_address, service_address};
use skoop_model::{Family, IfIndex, Link, LinkKind, OperState, Packet, Port, RouteKind};
use skoop_sim::{Conntrack, Forks, Hook, HookPoint, Netfilter, NetfilterEnv, PacketState};

fn main() {
    divan::main();
}

struct Env;

impl NetfilterEnv for Env {
    fn address_kind(&self, _address: IpAddr, _device: Option<IfIndex>) -> Option<RouteKind> {
        Some(RouteKind::Unicast)
    }

    fn masquerade_address(&self, _out: IfIndex, _packet: &Packet) -> Option<IpAddr> {
        Some(IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1)))
    }

    fn sysctl(&self, _path: &str) -> Option<i64> {
        None
    }

    fn primary_address(&self, _device: IfIndex, _family: Family) -> Option<IpAddr> {
        None
    }
}

fn link(index: u32, name: &str) -> Link {
    Link {
        index: IfIndex(index),
        name: name.to_owned(),
        mac: None,
        mtu_bytes: 1500,
        up: true,
        lower_up: true,
        loopback: false,
        no_arp: false,
        point_to_point: false,
        promiscuous: false,
        oper_state: OperState::Up,
        kind: LinkKind::Physical,
        controller: None,
        bridge_port: None,
        group: 0,
        hooks: Vec::new(),
    }
}

struct Node {
    netfilter: Netfilter,
    links: [Link; 2],
}

impl Node {
    fn new(services: u32) -> Self {
        Self { netfilter: Netfilter::compile(&dumps(services)), links: [link(1, "cni0"), link(2, "eth0")] }
    }

    /// Passes a first packet from a pod to a service through all hooks that a forwarded packet meets.
    fn first_packet(&self, service: u32, traced: bool) -> Packet {
        let client = IpAddr::V4(Ipv4Addr::new(10, 255, 0, 9));
        let mut packet = Packet::tcp_syn(client, Port(40_000), service_address(service).into(), Port(80));
        let mut state = if traced { PacketState::default() } else { PacketState::untraced() };
        let mut conntrack = Conntrack::default();
        let mut forks = Forks::first();
        let [input, output] = &self.links;
        for hook in [Hook::Prerouting, Hook::Forward, Hook::Postrouting] {
            let in_device = (hook != Hook::Postrouting).then_some(input);
            let out_device = (hook != Hook::Prerouting).then_some(output);
            let at = HookPoint { hook, in_device, out_device, in_port: None, out_port: None };
            let result = self.netfilter.run(&at, &mut packet, &mut state, &mut conntrack, &Env, &mut forks);
            assert!(result.blockers.is_empty(), "nothing blocks");
        }
        assert_eq!(packet.dst, IpAddr::V4(endpoint_address(service, 0)), "the first endpoint of the service");
        packet
    }
}

/// Packets in one measured run.
const PACKETS: usize = 1_000;

/// Services in an order that no cache foresees.
fn shuffled(services: u32) -> Vec<u32> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % services
    };
    std::iter::repeat_with(next).take(PACKETS).collect()
}

fn walk_all(bencher: Bencher<'_, '_>, node: &Node, services: &[u32], traced: bool) {
    bencher.counter(ItemsCount::new(services.len())).bench_local(|| {
        for service in services {
            black_box(node.first_packet(*service, traced));
        }
    });
}

#[divan::bench(args = [100, 1_000, 3_000, 10_000])]
fn parse(bencher: Bencher<'_, '_>, services: u32) {
    let dumps = dumps(services);
    let bytes = dumps.nft_v4.value().map_or(0, String::len);
    bencher.counter(BytesCount::new(bytes)).bench_local(|| Netfilter::compile(black_box(&dumps)));
}

/// Without a trace.
#[divan::bench(args = [100, 1_000, 3_000, 10_000])]
fn first_packets_of_random_services(bencher: Bencher<'_, '_>, services: u32) {
    walk_all(bencher, &Node::new(services), &shuffled(services), false);
}

/// With the changes and the rules that made them.
#[divan::bench(args = [1_000, 10_000])]
fn first_packets_traced(bencher: Bencher<'_, '_>, services: u32) {
    walk_all(bencher, &Node::new(services), &shuffled(services), true);
}

/// The last service of the table, which a scan would reach last.
#[divan::bench(args = [1_000, 10_000])]
fn first_packets_of_the_last_service(bencher: Bencher<'_, '_>, services: u32) {
    walk_all(bencher, &Node::new(services), &[services - 1; PACKETS], false);
}
