//! A gateway that nobody has.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `ROUTE-WRONG-NEXTHOP`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "ROUTE-WRONG-NEXTHOP",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The route's gateway is an address that nobody on the link has.",
    remedy: "Correct the route's gateway.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let address = match case.stop() {
        Stop::NoNeighbour { address, .. } if *address != case.packet().dst => *address,
        // Handed to a gateway out of sight, and not by default.
        Stop::LeftCluster { next_hop: Some(next_hop), route: Some(route) } if route.dst.prefix_len() > 0 => *next_hop,
        _ => return None,
    };
    if !case.nobody_has(address) {
        return None;
    }
    let taken = case.route()?.route;
    let dst = case.packet().dst;
    let message = format!("In {} the route to {dst} names gateway {address}, which nobody has.", case.whereabouts());
    let commands = match (case.node_of_pod_address(dst), case.blocked.host) {
        (Some(remote), _) if case.blocker().place.namespace == "host" => {
            let node = &case.blocker().place.node;
            case.remote_route(node, remote).map(|route| vec![route.command()]).unwrap_or_default()
        }
        (_, Some(host)) => case.missing_pod_routes(host, false).iter().map(skoop_cni::ExpectedRoute::command).collect(),
        _ => Vec::new(),
    };
    Some(Detail::new(message).on(case.route_evidence(taken)?).fix("Correct the gateway.", commands))
}
