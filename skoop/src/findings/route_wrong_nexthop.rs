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
    let Stop::NoNeighbour { address, .. } = case.stop() else { return None };
    let gateway = *address != case.packet().dst;
    let tunnel = case.device().is_some_and(skoop_model::Link::is_tunnel);
    if !gateway || tunnel || case.owner(*address).is_some() {
        return None;
    }
    let route = case.journey.steps.iter().rev().find(|step| step.by.kind == "route")?;
    let message = format!("In {} the route to {} names gateway {address}, which nobody has.", case.whereabouts(), case.packet().dst);
    let commands = match (case.node_of_pod_address(case.packet().dst), case.blocked.host) {
        (Some(remote), _) if case.blocker().place.namespace == "host" => {
            let node = &case.blocker().place.node;
            case.remote_route(node, remote).map(|route| vec![route.command()]).unwrap_or_default()
        }
        (_, Some(host)) => case.missing_pod_routes(host, false).iter().map(skoop_cni::ExpectedRoute::command).collect(),
        _ => Vec::new(),
    };
    Some(Detail::new(message).on(route.by.clone()).fix("Correct the gateway.", commands))
}
