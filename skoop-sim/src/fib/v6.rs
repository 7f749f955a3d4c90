//! IPv6's choice among the routes of one table (`net/ipv6/route.c`, `net/ipv6/ip6_fib.c`).

use std::net::IpAddr;

use ipnet::IpNet;
use skoop_model::{Family, IfIndex, NeighbourState, NextHop, Route, RouteKind, Sysctls};

use super::rules::{Hit, LOOPBACK, Selected};
use super::table::{Table, holds};
use super::{Fib, Flow};

/// How strictly IPv6 looks (`RT6_LOOKUP_F_*`, `include/net/ip6_route.h`).
#[derive(Clone, Copy)]
pub(super) struct Strict {
    /// The device wanted, and whether another one is out of the question (`RT6_LOOKUP_F_IFACE`).
    device: Option<IfIndex>,
    only_device: bool,
    /// Gateways known to be unreachable are passed over (`RT6_LOOKUP_F_REACHABLE`).
    reachable: bool,
}

impl Fib {
    /// `fib6_table_lookup`, `net/ipv6/route.c`.
    pub(super) fn table_lookup_v6<'a>(&'a self, table: &'a Table, flow: &Flow) -> Hit<'a> {
        let strict = self.strict(flow);
        let leaves = leaves(table, flow);
        let find = |strict: Strict| {
            leaves.iter().find_map(|leaf| {
                let (route, nexthop) =
                    if flow.any_device { device_match(leaf, flow.oif)? } else { self.best_v6(leaf, strict)? };
                Some(Selected { route, nexthop, bits: leaf.bits, peers: leaf.peers })
            })
        };
        // First without gateways that are known to be unreachable, whatever the prefix; then with them.
        let relaxed = Strict { reachable: false, ..strict };
        let Some(selected) = find(strict).or_else(|| if strict.reachable { find(relaxed) } else { None }) else {
            return Hit::Miss;
        };
        match selected.route.kind {
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit => Hit::Refused(selected.route),
            RouteKind::Throw => Hit::Throw(selected.route),
            _ if !selected.route.unmodelled.is_empty() => Hit::Unknown(self.unmodelled_route(selected.route)),
            _ => Hit::Route(selected),
        }
    }

    /// The best of the routes of one leaf (`find_rr_leaf`, `net/ipv6/route.c`): among those of the smallest metric,
    /// else among all others.
    fn best_v6<'a>(&self, leaf: &Leaf<'a>, strict: Strict) -> Option<(&'a Route, Option<&'a NextHop>)> {
        let metric = leaf.routes().next()?.metric;
        let best = |first: bool| {
            let mut best: Option<(u8, &Route, Option<&NextHop>)> = None;
            for route in leaf.routes().filter(|route| (route.metric == metric) == first) {
                for nexthop in hops(route) {
                    if let Some(score) = self.score(route, nexthop, strict)
                        && best.is_none_or(|(highest, ..)| score > highest)
                    {
                        best = Some((score, route, nexthop));
                    }
                }
            }
            best
        };
        best(true).or_else(|| best(false)).map(|(_, route, nexthop)| (route, nexthop))
    }

    /// `rt6_score_route`, `net/ipv6/route.c`, with `CONFIG_IPV6_ROUTER_PREF`; none if the next hop is out of the
    /// question.
    pub(super) fn score(&self, route: &Route, nexthop: Option<&NextHop>, strict: Strict) -> Option<u8> {
        if nexthop.is_some_and(|hop| hop.dead) {
            return None;
        }
        let refuses = matches!(
            route.kind,
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw
        );
        // A route that refuses belongs to the loopback device.
        let device = if refuses { Some(LOOPBACK) } else { nexthop.and_then(|hop| hop.link) };
        let right_device = strict.device.is_none() || strict.device == device;
        if !right_device && strict.only_device {
            return None;
        }
        let failed = || nexthop.and_then(|hop| self.neighbour_state(hop)) == Some(NeighbourState::Failed);
        if strict.reachable && !refuses && failed() {
            return None;
        }
        Some(if right_device { 2 } else { 0 })
    }

    /// `ip6_route_output_flags`, `ip6_route_input_lookup` and `ip6_pol_route`, `net/ipv6/route.c`.
    pub(super) fn strict(&self, flow: &Flow) -> Strict {
        let forwarding = Sysctls::device_path(Family::V6, "all", "forwarding");
        Strict {
            device: flow.iif.filter(|_| !flow.any_device).or(flow.oif),
            only_device: needs_device(flow.dst) || (flow.iif.is_none() && flow.oif.is_some() && !flow.any_device),
            reachable: self.number(&forwarding) == Some(0),
        }
    }
}

/// `rt6_need_strict`, `include/net/ip6_route.h`.
fn needs_device(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_multicast() || address.is_unicast_link_local() || address.is_loopback(),
    }
}

/// `rt6_device_match`, `net/ipv6/route.c`: `ip6_pol_route_lookup`, by which netfilter asks, takes the first route by the device whatever
/// its metric, else the first one.
fn device_match<'a>(leaf: &Leaf<'a>, device: Option<IfIndex>) -> Option<(&'a Route, Option<&'a NextHop>)> {
    let all = || leaf.routes().flat_map(|route| hops(route).map(move |hop| (route, hop)));
    let is_dead = |hop: Option<&NextHop>| hop.is_some_and(|hop| hop.dead);
    let by_device = all().find(|(_, hop)| device.is_some() && hop.is_some_and(|hop| hop.link == device && !hop.dead));
    by_device.or_else(|| all().next().filter(|(_, hop)| !is_dead(*hop)))
}

fn hops(route: &Route) -> impl Iterator<Item = Option<&NextHop>> {
    let none = route.nexthops.is_empty().then_some(None);
    route.nexthops.iter().map(Some).chain(none)
}

/// Routes of one destination prefix and one length of source prefix.
struct Leaf<'a> {
    bits: u8,
    peers: &'a [Route],
    source: Option<IpNet>,
}

impl<'a> Leaf<'a> {
    fn routes(&self) -> impl Iterator<Item = &'a Route> + use<'a> {
        let source = self.source;
        self.peers.iter().filter(move |route| source_of(route) == source)
    }
}

fn source_of(route: &Route) -> Option<IpNet> {
    route.src.filter(|src| src.prefix_len() > 0)
}

/// The leaves that a lookup visits, in order (`fib6_node_lookup` and `fib6_backtrack`, `net/ipv6/ip6_fib.c`).
///
/// Where the lookup begins, a destination that has routes for other sources only is passed over with the routes that
/// are for any source, unless it is the default; once it goes on to shorter prefixes, those do count.
fn leaves<'a>(table: &'a Table, flow: &Flow) -> Vec<Leaf<'a>> {
    let mut leaves = Vec::new();
    for (bits, peers) in table.matching(flow.dst) {
        let sources = || peers.iter().filter_map(source_of);
        let fits = |source: &IpNet| flow.src.is_some_and(|src| holds(source, src));
        let mut fitting: Vec<IpNet> = sources().filter(fits).collect();
        fitting.sort_by_key(|source| std::cmp::Reverse(source.prefix_len()));
        fitting.dedup();
        if leaves.is_empty() && sources().next().is_some() && fitting.is_empty() && bits > 0 {
            continue;
        }
        let any = peers.iter().any(|route| source_of(route).is_none());
        let sources = fitting.into_iter().map(Some).chain(any.then_some(None));
        leaves.extend(sources.map(|source| Leaf { bits, peers, source }));
    }
    leaves
}
