//! The route that a blocked packet took, and the commands that undo routes and rules.

use std::net::IpAddr;

use skoop_model::{Evidence, Family, IfIndex, Link, Place, Route, RouteKind, RoutingRule, RuleAction, Stage, TableId};
use skoop_sim::{Flow, Forks, Lookup, Namespace, Stop};

use super::case::Case;
use crate::engine::HostId;

/// Priorities of the rules of a fresh namespace.
const DEFAULT_PRIORITIES: [u32; 3] = [0, 32_766, 32_767];

/// A route, and the rule that led to it.
#[derive(Debug, Clone, Copy)]
pub struct Taken<'a> {
    pub route: &'a Route,
    pub rule: Option<&'a RoutingRule>,
}

impl<'a> Case<'a> {
    /// Whether the packet stopped because of where routing sent it.
    pub fn went_astray(&self) -> bool {
        matches!(
            self.stop(),
            Stop::NoNeighbour { .. }
                | Stop::LeftCluster { .. }
                | Stop::LoopbackRoute { .. }
                | Stop::RouteRefused { .. }
                | Stop::NoRoute
                | Stop::Loop
                | Stop::TtlExpired
        )
    }

    /// The route that the packet took where it stopped.
    pub fn route(&self) -> Option<Taken<'a>> {
        let namespace = self.namespace()?;
        let flow = Flow { iif: self.came_in_by(namespace), ..Flow::of(self.packet()) };
        match namespace.fib().lookup(&flow, &mut Forks::first()) {
            Lookup::Found(found) if !found.is_local() => Some(Taken { route: found.route, rule: found.rule }),
            Lookup::Refused { route: Some(route), rule, .. } => Some(Taken { route, rule }),
            _ => None,
        }
    }

    /// A route of where the packet stopped, as evidence.
    pub fn route_evidence(&self, route: &Route) -> Option<Evidence> {
        let namespace = self.namespace()?;
        let text = route.to_text(|index| namespace.link(index).map(|link| link.name.as_str()));
        Some(Evidence::new("route", text))
    }

    /// The device by which the packet came into IP where it stopped; none if it was sent there.
    fn came_in_by(&self, namespace: &Namespace) -> Option<IfIndex> {
        let place = &self.blocker().place;
        let here = |at: &Place| at.node == place.node && at.namespace == place.namespace;
        let steps = self.journey.steps.iter().take_while(|step| !step.blocked).filter(|step| here(&step.place));
        let last = steps.filter(|step| matches!(step.place.stage, Stage::Ingress | Stage::Output)).last()?;
        if last.place.stage != Stage::Ingress {
            return None;
        }
        let link = namespace.snapshot().link_named(&last.place.device)?;
        Some(namespace.bridge_of(link).map_or(link.index, |bridge| bridge.index))
    }

    /// Whether nobody has `address`: no node, no device in sight. A remote tunnel end out of sight may.
    pub fn nobody_has(&self, address: IpAddr) -> bool {
        let cluster = self.network.cluster();
        let may_be_out_of_sight = cluster.node_with_pod_cidr(address).is_some_and(|node| {
            let tunnel = self.device().is_some_and(Link::is_tunnel);
            tunnel || self.network.node_host(&node.name).is_none()
        });
        self.owner(address).is_none() && cluster.node_with_address(address).is_none() && !may_be_out_of_sight
    }

    /// The namespace of a place.
    pub fn host_at(&self, place: &Place) -> Option<HostId> {
        let passed = self.trip.journeys().flat_map(|journey| journey.passed.iter().copied());
        passed.into_iter().find(|host| {
            let host = self.network.host(*host);
            host.node == place.node && host.label == place.namespace
        })
    }
}

/// Whether a namespace would have had a route to `address` in its main table.
pub fn main_leads_to(namespace: &Namespace, address: IpAddr) -> bool {
    let routes = namespace.snapshot().routes.elements().iter();
    let mut main = routes.filter(|route| route.table == TableId::MAIN && route.kind == RouteKind::Unicast);
    main.any(|route| route.dst.contains(&address))
}

/// Whether a rule is none of those of a fresh namespace.
pub fn is_added(rule: &RoutingRule) -> bool {
    !DEFAULT_PRIORITIES.contains(&rule.priority)
}

/// The rule of a family that looks up `table` for every packet.
pub fn rule_for(namespace: &Namespace, family: Family, table: TableId) -> Option<&RoutingRule> {
    let rules = namespace.snapshot().rules.elements().iter();
    let plain = |rule: &&RoutingRule| {
        let bare =
            RoutingRule { priority: rule.priority, action: RuleAction::Lookup(table), ..RoutingRule::any(family) };
        **rule == bare
    };
    rules.filter(|rule| rule.family == family).find(plain)
}

/// `ip …`, or `ip -6 …`.
pub fn ip(family: Family, words: &[&str]) -> Vec<String> {
    let head: &[&str] = match family {
        Family::V4 => &["ip"],
        Family::V6 => &["ip", "-6"],
    };
    head.iter().chain(words).map(|word| (*word).to_owned()).collect()
}

/// The command that deletes a route.
pub fn delete_route(namespace: &Namespace, route: &Route) -> Vec<String> {
    let mut words = vec!["route".to_owned(), "del".to_owned()];
    if route.kind != RouteKind::Unicast {
        words.push(route.kind.name());
    }
    words.push(route.dst.to_string());
    if let [hop] = route.nexthops.as_slice()
        && route.kind == RouteKind::Unicast
    {
        words.extend(hop.gateway.into_iter().flat_map(|gateway| ["via".to_owned(), gateway.to_string()]));
        words.extend(hop.link.into_iter().flat_map(|link| ["dev".to_owned(), namespace.device_name(link)]));
    }
    words.extend(["table".to_owned(), route.table.name()]);
    if route.metric != 0 {
        words.extend(["metric".to_owned(), route.metric.to_string()]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    ip(Family::of(route.dst.addr()), &words)
}

/// The command that deletes a rule.
pub fn delete_rule(rule: &RoutingRule) -> Vec<String> {
    let text = rule.to_string();
    let (priority, selectors) = text.split_once(':').unwrap_or((&text, ""));
    let words: Vec<&str> =
        ["rule", "del", "priority", priority].into_iter().chain(selectors.split_whitespace()).collect();
    ip(rule.family, &words)
}
