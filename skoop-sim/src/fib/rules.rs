//! Policy rules (`fib_rules_lookup`, `net/core/fib_rules.c`), and routes within a table.

use std::net::IpAddr;

use skoop_model::{
    Family, IfIndex, NextHop, PortRange, Protocol, Route, RouteKind, RoutingRule, RuleAction, TableId, Unseen,
};

use super::table::{Table, holds};
use super::trace::{Miss, Tried};
use super::{Fib, Flow};
use crate::{Forks, Tri};

/// The kernel's index of the loopback device in every namespace (`LOOPBACK_IFINDEX`).
pub(super) const LOOPBACK: IfIndex = IfIndex(1);

/// Bits of the TOS byte that IPv4 rules and routes compare (`INET_DSCP_LEGACY_TOS_MASK`, `include/net/inet_dscp.h`).
const TOS_MASK_V4: u8 = 0x1c;
/// Bits of the traffic class that IPv6 rules compare (`INET_DSCP_MASK`).
const TOS_MASK_V6: u8 = 0xfc;

/// What the rules lead to.
pub(super) enum Outcome<'a> {
    /// A route.
    Route { selected: Selected<'a>, rule: &'a RoutingRule },
    /// A refusal.
    Refused { kind: RouteKind, route: Option<&'a Route>, rule: &'a RoutingRule },
    /// No route.
    Nothing { asked: Vec<TableId> },
}

impl Outcome<'_> {
    fn route(&self) -> Option<&Route> {
        match self {
            Self::Route { selected, .. } => Some(selected.route),
            Self::Refused { route, .. } => *route,
            Self::Nothing { .. } => None,
        }
    }
}

/// A route before one of its next hops is chosen.
#[derive(Clone, Copy)]
pub(super) struct Selected<'a> {
    pub route: &'a Route,
    /// The first next hop that fits.
    pub nexthop: Option<&'a NextHop>,
    /// Prefix length.
    pub bits: u8,
    /// All routes of the same prefix in the same table.
    pub peers: &'a [Route],
}

/// Result of one table.
pub(super) enum Hit<'a> {
    Route(Selected<'a>),
    Refused(&'a Route),
    Throw(&'a Route),
    Unknown(Unseen),
    Miss,
}

/// Tables asked so far: the first ones without an allocation, because most packets find a route in one of them.
#[derive(Default)]
struct Asked {
    first: [TableId; 4],
    count: usize,
    rest: Vec<TableId>,
}

impl Asked {
    fn push(&mut self, table: TableId) {
        match self.first.get_mut(self.count) {
            Some(place) => *place = table,
            None => self.rest.push(table),
        }
        self.count += 1;
    }

    fn tables(self) -> Vec<TableId> {
        self.first.into_iter().take(self.count).chain(self.rest).collect()
    }
}

/// What applying one rule gave.
enum Applied<'a> {
    Done(Outcome<'a>),
    Next(Miss<'a>),
}

impl Fib {
    /// Goes through the rules.
    pub(super) fn select(&self, flow: &Flow, forks: &mut Forks) -> Result<Outcome<'_>, Unseen> {
        let state = self.family(flow.family());
        let (rules, _) = state.known(flow.family())?;
        let outcome = self.go_through(rules, flow, forks, &mut |_| {})?;
        if state.forgotten.is_empty() {
            return Ok(outcome);
        }
        let fixed = self.go_through(&state.forgotten, flow, forks, &mut |_| {})?;
        if outcome.route() == fixed.route() {
            return Ok(outcome);
        }
        let unseen = Unseen {
            what: "IPv6 routing still goes by tables local and main, though their rules were deleted".to_owned(),
            why: "the kernel forgets a deleted rule only once another rule was ever added, and does not tell"
                .to_owned(),
            matters: true,
        };
        Ok(if forks.unknown(unseen) { fixed } else { outcome })
    }

    /// The same, telling each rule that matched and gave no route.
    pub(super) fn select_traced<'a>(
        &'a self,
        flow: &Flow,
        forks: &mut Forks,
        tell: &mut impl FnMut(Tried<'a>),
    ) -> Result<Outcome<'a>, Unseen> {
        let (rules, _) = self.family(flow.family()).known(flow.family())?;
        self.go_through(rules, flow, forks, tell)
    }

    fn go_through<'a>(
        &'a self,
        rules: &'a [RoutingRule],
        flow: &Flow,
        forks: &mut Forks,
        tell: &mut impl FnMut(Tried<'a>),
    ) -> Result<Outcome<'a>, Unseen> {
        let mut asked = Asked::default();
        let mut rest = rules;
        while let Some((rule, after)) = rest.split_first() {
            rest = after;
            if !self.applies(rule, flow, forks) {
                continue;
            }
            match rule.action {
                RuleAction::Nop => {}
                // A target that does not exist is passed over; a target is always behind its rule.
                RuleAction::Goto(target) => {
                    if let Some(position) = after.iter().position(|rule| rule.priority == target) {
                        rest = after.get(position..).unwrap_or_default();
                    }
                }
                RuleAction::Lookup(table) => {
                    asked.push(table);
                    match self.apply(rule, table, flow, forks)? {
                        Applied::Done(outcome) => return Ok(outcome),
                        Applied::Next(why) => tell(Tried { rule, why }),
                    }
                }
                RuleAction::Blackhole => return Ok(refuse(RouteKind::Blackhole, rule)),
                RuleAction::Unreachable => return Ok(refuse(RouteKind::Unreachable, rule)),
                RuleAction::Prohibit => return Ok(refuse(RouteKind::Prohibit, rule)),
                RuleAction::Other(_) => return Err(unmodelled_rule(rule)),
            }
        }
        Ok(Outcome::Nothing { asked: asked.tables() })
    }

    /// Looks into the table of a rule (`fib4_rule_action`, `net/ipv4/fib_rules.c`; `__fib6_rule_action`,
    /// `net/ipv6/fib6_rules.c`).
    fn apply<'a>(
        &'a self,
        rule: &'a RoutingRule,
        id: TableId,
        flow: &Flow,
        forks: &mut Forks,
    ) -> Result<Applied<'a>, Unseen> {
        let state = self.family(flow.family());
        let Some(table) = state.table(id) else {
            return Ok(Applied::Next(Miss::NoTable(id)));
        };
        let mut hit = self.table_lookup(table, flow);
        if state.default_rules && flow.family() == Family::V4 && id == TableId::LOCAL {
            hit = self.merged_with_main(hit, flow, forks);
        }
        match hit {
            Hit::Miss => Ok(Applied::Next(Miss::NoRoute(id))),
            Hit::Throw(route) => Ok(Applied::Next(Miss::Throw(route))),
            Hit::Refused(route) => Ok(Applied::Done(Outcome::Refused { kind: route.kind, route: Some(route), rule })),
            Hit::Unknown(unseen) => Err(unseen),
            Hit::Route(selected) if self.is_suppressed(rule, &selected) => {
                Ok(Applied::Next(Miss::Suppressed(selected.route)))
            }
            Hit::Route(selected) => Ok(Applied::Done(Outcome::Route { selected, rule })),
        }
    }

    /// Until the first rule is added to a namespace, IPv4's tables local and main are one (`fib_trie_unmerge`,
    /// `net/ipv4/fib_trie.c`): a longer prefix in main then beats a local one. Whether rules were ever added cannot be
    /// seen.
    fn merged_with_main<'a>(&'a self, local: Hit<'a>, flow: &Flow, forks: &mut Forks) -> Hit<'a> {
        let (Hit::Route(found), Some(main)) = (&local, self.v4.table(TableId::MAIN)) else {
            return local;
        };
        let main = match self.table_lookup(main, flow) {
            Hit::Route(other) if other.bits > found.bits => Hit::Route(other),
            Hit::Refused(route) if route.dst.prefix_len() > found.bits => Hit::Refused(route),
            Hit::Throw(route) if route.dst.prefix_len() > found.bits => Hit::Throw(route),
            _ => return local,
        };
        let unseen = Unseen {
            what: format!(
                "tables local and main are still one, so that `{}` does not come first",
                self.route_text(found.route)
            ),
            why: "the kernel does not tell whether a routing rule was ever added".to_owned(),
            matters: true,
        };
        if forks.unknown(unseen) { main } else { local }
    }

    /// The best route of one table, whatever the rules.
    pub(super) fn table_lookup<'a>(&'a self, table: &'a Table, flow: &Flow) -> Hit<'a> {
        match flow.family() {
            Family::V4 => self.table_lookup_v4(table, flow),
            Family::V6 => self.table_lookup_v6(table, flow),
        }
    }

    /// `fib_table_lookup`, `net/ipv4/fib_trie.c`.
    fn table_lookup_v4<'a>(&'a self, table: &'a Table, flow: &Flow) -> Hit<'a> {
        let mut passed_over = None;
        for (bits, peers) in table.matching(flow.dst) {
            for route in peers {
                if passed_over == Some(route.dst.network()) {
                    continue;
                }
                if route.tos != 0 && route.tos != flow.tos & TOS_MASK_V4 {
                    continue;
                }
                match route.kind {
                    RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit => return Hit::Refused(route),
                    RouteKind::Throw => return Hit::Throw(route),
                    _ => {}
                }
                if !route.unmodelled.is_empty() || route.nexthops.is_empty() {
                    return Hit::Unknown(self.unmodelled_route(route));
                }
                let fits = |hop: &&NextHop| !hop.dead && (flow.oif.is_none() || flow.oif == hop.link);
                if let Some(nexthop) = route.nexthops.iter().find(fits) {
                    return Hit::Route(Selected { route, nexthop: Some(nexthop), bits, peers });
                }
                if route.nexthop_id.is_some() {
                    // `goto miss` leaves the whole leaf: all routes whose prefixes begin at the same address.
                    passed_over = Some(route.dst.network());
                }
            }
        }
        Hit::Miss
    }

    pub(super) fn unmodelled_route(&self, route: &Route) -> Unseen {
        let attributes = if route.unmodelled.is_empty() {
            "a route without next hop".to_owned()
        } else {
            route.unmodelled.join(", ")
        };
        Unseen {
            what: format!("route `{}`", self.route_text(route)),
            why: format!("not modelled: {attributes}"),
            matters: true,
        }
    }

    /// `fib4_rule_suppress`, `net/ipv4/fib_rules.c`, and its IPv6 twin.
    fn is_suppressed(&self, rule: &RoutingRule, selected: &Selected<'_>) -> bool {
        let short = rule.suppress_prefix_length.is_some_and(|length| u32::from(selected.bits) <= length);
        let device = selected.nexthop.and_then(|hop| self.link(hop.link?));
        short || rule.suppress_group.is_some_and(|group| device.is_some_and(|device| device.group == group))
    }

    /// Whether a rule matches; "maybe" asks `forks`.
    fn applies(&self, rule: &RoutingRule, flow: &Flow, forks: &mut Forks) -> bool {
        match self.matches(rule, flow).invert_if(rule.invert) {
            Tri::Yes => true,
            Tri::No => false,
            Tri::Maybe => forks.unknown(unmodelled_rule(rule)),
        }
    }

    /// `fib_rule_match`, `net/core/fib_rules.c`, with `fib4_rule_match` and `fib6_rule_match`.
    fn matches(&self, rule: &RoutingRule, flow: &Flow) -> Tri {
        let iif = flow.iif.unwrap_or(LOOPBACK);
        let named = |name: &Option<String>, device: Option<IfIndex>| {
            let Some(name) = name else { return true };
            device.and_then(|device| self.link(device)).is_some_and(|link| link.name == *name)
        };
        let mask = match flow.family() {
            Family::V4 => TOS_MASK_V4,
            Family::V6 => TOS_MASK_V6,
        };
        let seen = named(&rule.iif, Some(iif))
            && named(&rule.oif, flow.oif)
            && rule.mark.is_none_or(|mark| mark.matches(flow.mark))
            && rule.src.is_none_or(|net| holds_source(&net, flow.src))
            && rule.dst.is_none_or(|net| holds(&net, flow.dst))
            && rule.tos.is_none_or(|tos| tos == 0 || tos == flow.tos & mask)
            && rule.protocol.is_none_or(|protocol| protocol == Protocol(0) || protocol == flow.protocol)
            && rule.sports.is_none_or(|ports| in_range(ports, flow.sport))
            && rule.dports.is_none_or(|ports| in_range(ports, flow.dport));
        Tri::from(seen)
            .and(uid_matches(rule, flow))
            .and(if rule.l3mdev { self.in_vrf(flow) } else { Tri::Yes })
            .and(if rule.unmodelled.is_empty() { Tri::Yes } else { Tri::Maybe })
    }

    /// Rules for VRFs never match where no VRF is concerned (`l3mdev_fib_rule_match`, `net/l3mdev/l3mdev.c`).
    fn in_vrf(&self, flow: &Flow) -> Tri {
        let is_vrf = |index: IfIndex| {
            let link = self.link(index)?;
            let controller = self.link(link.controller?)?;
            (link.kind.name() == "vrf" || controller.kind.name() == "vrf").then_some(())
        };
        if flow.iif.and_then(is_vrf).or_else(|| flow.oif.and_then(is_vrf)).is_some() { Tri::Maybe } else { Tri::No }
    }
}

/// A source that is not chosen yet counts as `0.0.0.0` for IPv4 and matches no prefix for IPv6.
fn holds_source(net: &ipnet::IpNet, src: Option<IpAddr>) -> bool {
    match (src, net) {
        _ if net.prefix_len() == 0 => true,
        (Some(src), _) => holds(net, src),
        (None, ipnet::IpNet::V4(net)) => net.contains(&std::net::Ipv4Addr::UNSPECIFIED),
        (None, ipnet::IpNet::V6(_)) => false,
    }
}

/// Protocols without ports have ports 0 (`fib_rule_port_match`, `include/net/fib_rules.h`).
fn in_range(ports: PortRange, port: Option<skoop_model::Port>) -> bool {
    ports.contains(port.unwrap_or_default())
}

fn uid_matches(rule: &RoutingRule, flow: &Flow) -> Tri {
    let Some((first, last)) = rule.uids else { return Tri::Yes };
    let uid = if flow.iif.is_some() { Some(0) } else { flow.uid };
    match uid {
        Some(uid) => Tri::from((first..=last).contains(&uid)),
        None => Tri::Maybe,
    }
}

fn refuse(kind: RouteKind, rule: &RoutingRule) -> Outcome<'_> {
    Outcome::Refused { kind, route: None, rule }
}

fn unmodelled_rule(rule: &RoutingRule) -> Unseen {
    let why = match (rule.action, rule.uids) {
        (RuleAction::Other(number), _) => format!("action {number} is not modelled"),
        _ if !rule.unmodelled.is_empty() => format!("not modelled: {}", rule.unmodelled.join(", ")),
        _ if rule.l3mdev => "VRFs are not modelled".to_owned(),
        (_, Some(_)) => "the user that sends is not known".to_owned(),
        _ => "not modelled".to_owned(),
    };
    Unseen { what: format!("rule `{rule}`"), why, matters: true }
}
