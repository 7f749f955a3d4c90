//! One next hop of several that leads nowhere.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `ROUTE-NEXTHOP-DEAD`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "ROUTE-NEXTHOP-DEAD",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "One of several next hops of a route does not answer, and the kernel goes on sending it its share of connections.",
    remedy: "Take the next hop out of the route, or mend it.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let address = match case.stop() {
        Stop::NoNeighbour { address, .. } => *address,
        Stop::LeftCluster { next_hop: Some(next_hop), .. } => *next_hop,
        _ => return None,
    };
    let taken = case.route()?.route;
    let several = taken.nexthops.len() > 1 && taken.nexthops.iter().any(|hop| hop.gateway == Some(address));
    if !several || !case.nobody_has(address) {
        return None;
    }
    let node = &case.blocker().place.node;
    let message = format!(
        "Next hop {address}, one of {} of the route to {} on {node}, does not answer.",
        taken.nexthops.len(),
        taken.dst
    );
    let expected = case.node_of_pod_address(case.packet().dst).and_then(|remote| case.remote_route(node, remote));
    let commands = expected.filter(|route| route.dst == taken.dst).map(|route| route.command()).into_iter().collect();
    Some(Detail::new(message).on(case.route_evidence(taken)?).fix("Take the next hop out of the route.", commands))
}
