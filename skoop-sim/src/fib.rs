//! Routing: policy rules, tables, source addresses and the checks on what comes in.
//!
//! Kernel files named here are those of Linux 6.18.

mod address;
mod check;
mod devices;
mod flow;
mod reverse;
mod rules;
mod select;
mod source;
mod table;
mod trace;
mod v6;

use std::net::IpAddr;

use skoop_model::{
    Address, Family, IfIndex, Link, NamespaceSnapshot, NextHop, Route, RouteKind, RouteProtocol, RouteScope,
    RoutingRule, RuleAction, Sysctls, TableId, Unavailable, Unseen,
};

pub use check::SourceCheck;
pub use flow::{Flow, Found, Lookup};
pub use trace::{Miss, Tried};

use crate::Forks;
use crate::hash::FastMap;
use devices::Devices;
use rules::Outcome;
use table::Table;

/// The routing state of one namespace, indexed for lookups.
#[derive(Debug, Clone)]
pub struct Fib {
    v4: FamilyState,
    v6: FamilyState,
    devices: Devices,
    addresses: Result<Vec<Address>, Unavailable>,
    sysctls: Sysctls,
    /// What IPv4 takes for granted where no route says so, for each device; see [`Fib::lookup`].
    assumed: Vec<(IfIndex, Route)>,
}

/// Rules and tables of one family.
#[derive(Debug, Clone)]
struct FamilyState {
    rules: Result<Vec<RoutingRule>, Unavailable>,
    tables: Result<FastMap<TableId, Table>, Unavailable>,
    /// The rules are those of a fresh namespace.
    default_rules: bool,
    /// IPv6 goes by its two first rules until another one is added, even if they are deleted (`fib6_rule_lookup`,
    /// `net/ipv6/fib6_rules.c`). These are the two, where some are missing and no other is there.
    forgotten: Vec<RoutingRule>,
    /// Somebody added a local route by hand (`fib_has_custom_local_routes`).
    custom_local: bool,
}

impl Fib {
    /// Indexes the routing state of `namespace`.
    pub fn new(namespace: &NamespaceSnapshot) -> Self {
        let sysctls = namespace.sysctls.value().cloned().unwrap_or_default();
        let links = namespace.links.elements().iter();
        Self {
            v4: FamilyState::new(namespace, Family::V4),
            v6: FamilyState::new(namespace, Family::V6),
            assumed: links.map(|link| (link.index, assumed_route(link.index))).collect(),
            devices: Devices::new(namespace, &sysctls),
            addresses: namespace.addresses.get().cloned().map_err(Clone::clone),
            sysctls,
        }
    }

    /// The route for `flow`, with one next hop chosen. Asks `forks` where the kernel hashes among next hops, and where
    /// a rule or a choice is not understood.
    ///
    /// For a sender that is bound to a device IPv4 takes the destination to be on that device's link if there is no
    /// route; such a route is found too, in table 0 (`ip_route_output_key_hash_rcu`, `net/ipv4/route.c`).
    pub fn lookup(&self, flow: &Flow, forks: &mut Forks) -> Lookup<'_> {
        if self.is_bound_to_down(flow) {
            return Lookup::NoRoute { asked: Vec::new() };
        }
        if let Some(found) = self.shout(flow) {
            return found;
        }
        let lookup = match self.select(flow, forks) {
            Ok(Outcome::Route { selected, rule }) => Lookup::Found(self.choose(flow, &selected, rule, forks)),
            Ok(Outcome::Refused { kind, route, rule }) => Lookup::Refused { kind, route, rule: Some(rule) },
            Ok(Outcome::Nothing { asked }) => Lookup::NoRoute { asked },
            Err(unseen) => Lookup::Unknown(unseen),
        };
        match lookup {
            Lookup::Refused { .. } | Lookup::NoRoute { .. } => self.assume_on_link(flow).unwrap_or(lookup),
            other => other,
        }
    }

    fn assume_on_link(&self, flow: &Flow) -> Option<Lookup<'_>> {
        self.assume_by(flow.oif.filter(|_| flow.iif.is_none() && flow.family() == Family::V4)?)
    }

    fn assume_by(&self, device: IfIndex) -> Option<Lookup<'_>> {
        let (_, route) = self.assumed.iter().find(|(link, _)| *link == device)?;
        Some(Lookup::Found(Found { route, nexthop: route.nexthops.first(), rule: None }))
    }

    /// How a sender's packet for all or for a group leaves, whatever the routes: by the device that it is bound to, or by that of its
    /// address, if there is one ("It is equivalent to inet_addr_type(saddr) == RTN_LOCAL", `ip_route_output_key_hash_rcu`). None
    /// where the routes decide.
    fn shout(&self, flow: &Flow) -> Option<Lookup<'_>> {
        let IpAddr::V4(dst) = flow.dst else { return None };
        if flow.iif.is_some() || !(dst.is_multicast() || dst.is_broadcast()) {
            return None;
        }
        let device = match (flow.oif, flow.src) {
            (Some(_), _) if dst.is_broadcast() || dst.octets().starts_with(&[224, 0, 0]) => flow.oif,
            (None, Some(src)) => self.addresses_of(Family::V4).find(|own| own.ip() == src).map(|own| own.link),
            (Some(_) | None, _) => return None,
        };
        Some(device.and_then(|device| self.assume_by(device)).unwrap_or(Lookup::NoRoute { asked: Vec::new() }))
    }

    /// IPv4 looks for no route at all by a device that is down (`ip_route_output_key_hash_rcu`).
    fn is_bound_to_down(&self, flow: &Flow) -> bool {
        let bound = flow.oif.filter(|_| flow.iif.is_none() && flow.family() == Family::V4);
        bound.and_then(|device| self.link(device)).is_some_and(|link| !link.up)
    }

    /// `route_localnet` of a device or of all.
    pub(crate) fn routes_localnet(&self, device: IfIndex) -> bool {
        self.devices.settings(device).route_localnet
    }

    fn family(&self, family: Family) -> &FamilyState {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    fn link(&self, index: IfIndex) -> Option<&Link> {
        self.devices.link(index)
    }

    fn device_name(&self, index: IfIndex) -> String {
        self.link(index).map_or_else(|| format!("if{index}"), |link| link.name.clone())
    }

    fn route_text(&self, route: &Route) -> String {
        route.to_text(|index| self.link(index).map(|link| link.name.as_str()))
    }
}

impl FamilyState {
    fn new(namespace: &NamespaceSnapshot, family: Family) -> Self {
        let rules = namespace.rules.get().map_err(Clone::clone).map(|rules| {
            let mut rules: Vec<_> = rules.iter().filter(|rule| rule.family == family).cloned().collect();
            rules.sort_by_key(|rule| rule.priority);
            rules
        });
        let routes = || namespace.routes.elements().iter().filter(|route| Family::of(route.dst.addr()) == family);
        let tables = namespace.routes.get().map_err(Clone::clone).map(|_| Table::all(routes()));
        let defaults = default_rules(family);
        let is_subset = |rules: &[RoutingRule]| rules.iter().all(|rule| defaults.contains(rule));
        let default_rules = rules.as_ref().is_ok_and(|rules: &Vec<_>| *rules == defaults);
        let some_deleted = !default_rules && family == Family::V6 && rules.as_ref().is_ok_and(|rules| is_subset(rules));
        Self {
            default_rules,
            forgotten: if some_deleted { defaults } else { Vec::new() },
            rules,
            tables,
            custom_local: routes()
                .any(|route| route.kind == RouteKind::Local && route.protocol != RouteProtocol::KERNEL),
        }
    }

    fn table(&self, id: TableId) -> Option<&Table> {
        self.tables.as_ref().ok()?.get(&id)
    }

    /// Both parts, or what is missing.
    fn known(&self, family: Family) -> Result<(&[RoutingRule], &FastMap<TableId, Table>), Unseen> {
        let unseen = |what: &str, why: &Unavailable| Unseen {
            what: format!("{family} {what}"),
            why: why.to_string(),
            matters: true,
        };
        let rules = self.rules.as_ref().map_err(|why| unseen("routing rules", why))?;
        let tables = self.tables.as_ref().map_err(|why| unseen("routes", why))?;
        Ok((rules, tables))
    }
}

/// The rules of a fresh namespace (`fib_default_rules_init`, `net/ipv4/fib_rules.c`; `fib6_rules_net_init_ops`,
/// `net/ipv6/fib6_rules.c`).
fn default_rules(family: Family) -> Vec<RoutingRule> {
    let plain =
        |(priority, table)| RoutingRule { priority, action: RuleAction::Lookup(table), ..RoutingRule::any(family) };
    let rules = [(0, TableId::LOCAL), (32_766, TableId::MAIN), (32_767, TableId::DEFAULT)];
    let count = if family == Family::V4 { 3 } else { 2 };
    rules.into_iter().take(count).map(plain).collect()
}

/// The destination is taken to be on the link of `device`.
fn assumed_route(device: IfIndex) -> Route {
    let hop = NextHop { gateway: None, link: Some(device), weight: 1, onlink: false, dead: false, linkdown: false };
    Route {
        table: TableId(0),
        dst: ipnet::Ipv4Net::default().into(),
        src: None,
        tos: 0,
        metric: 0,
        kind: RouteKind::Unicast,
        protocol: RouteProtocol(0),
        scope: RouteScope::LINK,
        prefsrc: None,
        nexthops: vec![hop],
        nexthop_id: None,
        mtu_bytes: None,
        unmodelled: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
