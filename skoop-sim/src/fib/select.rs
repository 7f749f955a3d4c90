//! One next hop out of several.

use skoop_model::{Family, NeighbourState, NextHop, Protocol, Route, RouteKind, RoutingRule, Unseen};

use super::rules::Selected;
use super::{Fib, Flow, Found};
use crate::Forks;

/// Where the hash of a flow falls.
#[derive(Clone, Copy, PartialEq)]
enum Spread {
    /// Each new connection draws anew.
    PerConnection,
    /// Always alike for these two addresses.
    Pinned,
}

impl Fib {
    /// Chooses the next hop (`fib_select_path`, `net/ipv4/fib_semantics.c`; `fib6_select_path`, `net/ipv6/route.c`).
    pub(super) fn choose<'a>(
        &'a self,
        flow: &Flow,
        selected: &Selected<'a>,
        rule: &'a RoutingRule,
        forks: &mut Forks,
    ) -> Found<'a> {
        let found = |route: &'a Route, nexthop| Found { route, nexthop, rule: Some(rule) };
        if selected.route.kind != RouteKind::Unicast || (flow.family() == Family::V4 && flow.oif.is_some()) {
            return found(selected.route, selected.nexthop);
        }
        if selected.route.nexthops.len() > 1 {
            return found(selected.route, self.choose_nexthop(flow, selected, forks));
        }
        if flow.family() == Family::V4 && selected.bits == 0 {
            let route = self.choose_default(flow, selected, forks);
            return found(route, route.nexthops.iter().find(|hop| !hop.dead));
        }
        found(selected.route, selected.nexthop)
    }

    fn choose_nexthop<'a>(&'a self, flow: &Flow, selected: &Selected<'a>, forks: &mut Forks) -> Option<&'a NextHop> {
        let shares: Vec<(&NextHop, f64)> = match flow.family() {
            Family::V4 => self.shares_v4(flow, selected.route),
            Family::V6 => self.shares_v6(flow, selected),
        };
        let weights: Vec<f64> = shares.iter().map(|(_, share)| *share).collect();
        let label = |option: usize| shares.get(option).map_or_else(String::new, |(hop, _)| self.hop_text(hop));
        let option = match self.spread(flow) {
            Spread::PerConnection => forks.random(&weights, label),
            Spread::Pinned => forks.hash(&weights, label),
        };
        shares.get(option).map(|(hop, _)| *hop).or(selected.nexthop)
    }

    /// `fib_select_multipath`, `net/ipv4/fib_semantics.c`: a hash threshold for each next hop that is alive, by weight.
    /// Next hops whose own address is the source already chosen are preferred (since Linux 6.16).
    fn shares_v4<'a>(&self, flow: &Flow, route: &'a Route) -> Vec<(&'a NextHop, f64)> {
        let alive: Vec<&NextHop> = route.nexthops.iter().filter(|hop| !hop.dead).collect();
        let check = route.nexthop_id.is_some() || self.number("net/ipv4/fib_multipath_use_neigh") == Some(1);
        let good: Vec<bool> = alive.iter().map(|hop| !check || self.is_good(hop)).collect();
        // What came in by a device has no such preference: `ip_mkroute_input` gives no source.
        let prefers = flow.iif.is_none() && flow.src.is_some() && route.nexthop_id.is_none();
        let is_own = |hop: &NextHop| prefers && self.hop_source(route, hop) == flow.src;
        let own: Vec<bool> = alive.iter().zip(&good).map(|(hop, good)| *good && is_own(hop)).collect();
        let eligible = if own.contains(&true) { own } else { good };
        thresholds(&alive, &eligible)
    }

    /// `fib6_select_path`, `net/ipv6/route.c`: a sibling that may not be used leaves the choice at the first match.
    fn shares_v6<'a>(&self, flow: &Flow, selected: &Selected<'a>) -> Vec<(&'a NextHop, f64)> {
        let route = selected.route;
        let alive: Vec<&NextHop> = route.nexthops.iter().filter(|hop| !hop.dead).collect();
        if route.nexthop_id.is_some() {
            let good: Vec<bool> = alive.iter().map(|hop| self.is_good(hop)).collect();
            return thresholds(&alive, &good);
        }
        let strict = self.strict(flow);
        let usable = |hop: &NextHop| self.score(route, Some(hop), strict).is_some();
        let total: f64 = alive.iter().map(|hop| f64::from(hop.weight)).sum();
        let mut shares: Vec<(&NextHop, f64)> =
            alive.iter().filter(|hop| usable(hop)).map(|hop| (*hop, f64::from(hop.weight) / total)).collect();
        let given: f64 = shares.iter().map(|(_, share)| share).sum();
        if let Some((_, share)) = shares.iter_mut().find(|(hop, _)| Some(*hop) == selected.nexthop) {
            *share += 1.0 - given;
        }
        shares
    }

    /// Several default routes of one metric: the kernel goes by what it knows of their gateways, and by what it chose
    /// last (`fib_select_default`, `net/ipv4/fib_semantics.c`).
    fn choose_default<'a>(&'a self, _flow: &Flow, selected: &Selected<'a>, forks: &mut Forks) -> &'a Route {
        let first = selected.route;
        let gateway = |route: &Route| route.nexthops.first().is_some_and(|hop| hop.gateway.is_some() && !hop.dead);
        if selected.peers.len() < 2 {
            return first;
        }
        let peers: Vec<&Route> = selected
            .peers
            .iter()
            .skip_while(|route| *route != first)
            .take_while(|route| route.metric == first.metric && route.tos == first.tos)
            .filter(|route| route.kind == RouteKind::Unicast && route.scope == first.scope && gateway(route))
            .collect();
        let steady = |hop: &NextHop| self.neighbour_state(hop) == Some(NeighbourState::Reachable);
        if peers.len() < 2 || peers.first() != Some(&first) || first.nexthops.first().is_some_and(steady) {
            return first;
        }
        let unseen = Unseen {
            what: format!("which of {} default routes of metric {} is used", peers.len(), first.metric),
            why: "the kernel goes by which gateway answered last".to_owned(),
            matters: true,
        };
        let label = |option: usize| peers.get(option).map_or_else(String::new, |route| self.route_text(route));
        let option = forks.unknown_among(unseen, peers.len(), label);
        peers.get(option).copied().unwrap_or(first)
    }

    /// What the hash is made of (`fib_multipath_hash`, `net/ipv4/route.c`; `rt6_multipath_hash`, `net/ipv6/route.c`).
    fn spread(&self, flow: &Flow) -> Spread {
        /// `FIB_MULTIPATH_HASH_FIELD_SRC_PORT`, `include/net/ip_fib.h`.
        const SOURCE_PORT: i64 = 1 << 4;
        let family = flow.family().sysctl_name();
        let has_ports = flow.sport.is_some() || flow.dport.is_some();
        let by_port = match self.number(&format!("net/{family}/fib_multipath_hash_policy")).unwrap_or(0) {
            // Forwarded IPv6: the flow label counts, which Linux senders draw for each connection (`auto_flowlabels`).
            0 => flow.family() == Family::V6 && flow.iif.is_some(),
            1 => true,
            3 => self
                .number(&format!("net/{family}/fib_multipath_hash_fields"))
                .is_some_and(|fields| fields & SOURCE_PORT != 0),
            _ => false,
        };
        if by_port && has_ports && flow.protocol != Protocol::ICMP { Spread::PerConnection } else { Spread::Pinned }
    }

    /// Whether nothing speaks against a next hop (`fib_good_nh`, `net/ipv4/fib_semantics.c`; `nexthop_is_good_nh`,
    /// `net/ipv4/nexthop.c`).
    fn is_good(&self, hop: &NextHop) -> bool {
        self.neighbour_state(hop).is_none_or(NeighbourState::is_valid)
    }

    pub(super) fn neighbour_state(&self, hop: &NextHop) -> Option<NeighbourState> {
        let gateway = hop.gateway?;
        self.devices.neighbour_state(hop.link?, gateway)
    }

    fn hop_text(&self, hop: &NextHop) -> String {
        let device = hop.link.map(|link| format!(" dev {}", self.device_name(link))).unwrap_or_default();
        match hop.gateway {
            Some(gateway) => format!("next hop via {gateway}{device}"),
            None => format!("next hop{device}"),
        }
    }

    pub(super) fn number(&self, path: &str) -> Option<i64> {
        self.sysctls.number(path)
    }
}

/// Hash thresholds by weight: the share of a next hop that is not eligible falls to the next eligible one, and from the
/// last to the first one. If none is eligible all are.
fn thresholds<'a>(hops: &[&'a NextHop], eligible: &[bool]) -> Vec<(&'a NextHop, f64)> {
    let total: f64 = hops.iter().map(|hop| f64::from(hop.weight)).sum();
    let all = !eligible.contains(&true);
    let mut shares: Vec<(&NextHop, f64)> = Vec::new();
    let mut waiting = 0.0;
    for (hop, eligible) in hops.iter().zip(eligible) {
        waiting += f64::from(hop.weight) / total;
        if *eligible || all {
            shares.push((hop, waiting));
            waiting = 0.0;
        }
    }
    if let Some((_, share)) = shares.first_mut() {
        *share += waiting;
    }
    shares
}
