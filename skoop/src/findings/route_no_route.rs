//! No route.

use skoop_cni::ExpectedRoute;
use skoop_model::{HostRole, Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `ROUTE-NO-ROUTE`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "ROUTE-NO-ROUTE",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "No routing table that the packet is looked up in has a route to its destination.",
    remedy: "Add the route, or restart what should have written it.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::NoRoute = case.stop() else { return None };
    let dst = case.packet().dst;
    let message = format!("{} has no route to {dst}.", case.whereabouts());
    let commands: Vec<Vec<String>> = match (case.host().map(|host| host.role), case.blocked.host) {
        (Some(HostRole::Other), Some(host)) => {
            case.missing_pod_routes(host, false).iter().map(ExpectedRoute::command).collect()
        }
        _ => match case.node_of_pod_address(dst) {
            Some(own) if own.name == case.blocker().place.node => {
                let route = case.blocked.host.and_then(|host| case.own_pods_route(host, dst));
                route.into_iter().map(|route| route.command()).collect()
            }
            Some(remote) => case.restore_remote(&case.blocker().place.node, remote, None),
            None => Vec::new(),
        },
    };
    let fix = match case.host().map(|host| host.role) {
        Some(HostRole::Other) => "Add the pod's routes; deleting the pod, so that it is made anew, does the same.".to_owned(),
        _ => format!("Add the route. {} writes the routes to pods anew when restarted.", "The CNI plugin's agent on the node"),
    };
    Some(Detail::new(message).fix(fix, commands))
}
