//! `ipt_rpfilter.c`.

use super::*;
use crate::{ReversePath, Tri};

#[test]
fn the_way_back_as_netfilter_sees_it() {
    let loose = ReversePath { loose: true, ..ReversePath::default() };
    let marked = ReversePath { valid_mark: true, ..ReversePath::default() };
    let own = ReversePath { accept_local: true, ..ReversePath::default() };
    let plain = ReversePath::default();
    let other = route(TableId(100), "10.9.0.0/16", vec![hop(None, ETH1, 1)]);
    let by_mark = RoutingRule {
        mark: Some(MarkMask { value: Mark(1), mask: Mark(1) }),
        ..rule(100, RuleAction::Lookup(TableId(100)))
    };
    let fib = Fib::new(&node(&[other, refusal(RouteKind::Blackhole, "10.8.0.0/16")], &[by_mark]));
    for (src, device, mark, options, expected) in [
        ("10.0.0.7", ETH0, 0, plain, Tri::Yes),
        ("10.0.0.7", ETH1, 0, plain, Tri::No),
        ("10.0.0.7", ETH1, 0, loose, Tri::Yes),
        ("10.0.0.7", LO, 0, plain, Tri::Yes),
        ("10.0.0.1", ETH0, 0, plain, Tri::No),
        ("10.0.0.1", ETH0, 0, own, Tri::Yes),
        ("10.9.0.1", ETH1, 1, plain, Tri::No),
        ("10.9.0.1", ETH1, 1, marked, Tri::Yes),
        ("10.8.0.1", ETH0, 1, marked, Tri::No),
        ("10.8.0.1", ETH0, 1, ReversePath { loose: true, ..marked }, Tri::No),
    ] {
        let packet = Packet { mark: Mark(mark), ..Packet::tcp_syn(ip(src), Port(1), ip("10.0.0.1"), Port(2)) };
        let name = if device == LO { "lo" } else { "eth" };
        assert_eq!(
            fib.netfilter_reverse_path(&packet, &link(device, name), options),
            expected,
            "{src} by {device} mark {mark} {options:?}"
        );
    }
}

/// `rpfilter_lookup_reverse6`, net/ipv6/netfilter/ip6t_rpfilter.c: the longest prefix counts, even if it leads by another device.
#[test]
fn ipv6_takes_the_longest_prefix() {
    let near = route(TableId::MAIN, "fd00:1::/64", vec![hop(None, ETH1, 1)]);
    let fib =
        Fib::new(&node(&[near, route(TableId::MAIN, "::/0", vec![hop(None, ETH0, 1)])], &default_rules(Family::V6)));
    for (src, expected) in [("fd00:1::7", Tri::No), ("fd00:2::7", Tri::Yes)] {
        let packet = Packet::tcp_syn(ip(src), Port(1), ip("fd00:9::1"), Port(2));
        assert_eq!(fib.netfilter_reverse_path(&packet, &link(ETH0, "eth0"), ReversePath::default()), expected, "{src}");
    }
}

/// `rt6_device_match`, net/ipv6/route.c: of one prefix the route by the device counts, whatever its metric; without device the first.
#[test]
fn ipv6_takes_the_route_by_the_device() {
    let metric = |metric, device| Route { metric, ..route(TableId::MAIN, "fd00:1::/64", vec![hop(None, device, 1)]) };
    let dead = NextHop { dead: true, ..hop(None, ETH0, 1) };
    let dead = Route { metric: 256, ..route(TableId::MAIN, "fd00:1::/64", vec![dead]) };
    for (second, expected) in [(metric(256, ETH0), Tri::Yes), (metric(256, LO), Tri::No), (dead, Tri::No)] {
        let fib = Fib::new(&node(&[metric(12, ETH1), second], &default_rules(Family::V6)));
        let packet = Packet::tcp_syn(ip("fd00:1::7"), Port(1), ip("fd00:9::1"), Port(2));
        assert_eq!(fib.netfilter_reverse_path(&packet, &link(ETH0, "eth0"), ReversePath::default()), expected);
    }
}
