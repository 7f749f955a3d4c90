//! A route that leads the wrong way.

use std::net::IpAddr;

use skoop_cni::ExpectedRoute;
use skoop_model::{HostRole, Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};
use super::routing::delete_route;

/// `ROUTE-WRONG-DEVICE`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "ROUTE-WRONG-DEVICE",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The packet is routed to a device or gateway that does not lead to its destination.",
    remedy: "Restore the route that should lead there.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    match case.stop() {
        Stop::LoopbackRoute { .. } => Some(by_loopback(case)),
        Stop::NoNeighbour { address, .. } if *address == case.packet().dst => taken_for_on_link(case),
        Stop::LeftCluster { next_hop, .. } => Some(left_cluster(case, *next_hop)),
        _ => None,
    }
}

/// The packet went to a gateway that knows nothing of the cluster's addresses.
fn left_cluster(case: &Case<'_>, next_hop: Option<IpAddr>) -> Detail {
    let (node, dst) = (&case.blocker().place.node, case.packet().dst);
    let to = next_hop.map_or_else(|| "the uplink".to_owned(), |next_hop| format!("gateway {next_hop}"));
    let Some(remote) = case.node_of_pod_address(dst) else {
        return Detail::new(format!("{node} sends packets to {dst}, an address of the cluster, to {to}, which does not know it."));
    };
    if remote.name == *node {
        let message = format!("{node} has no route to {dst}, a pod of its own; the packet goes to {to}.");
        let route = case.blocked.host.and_then(|host| case.own_pods_route(host, dst));
        let commands = route.into_iter().map(|route| route.command()).collect();
        return Detail::new(message).fix("Restore the node's route to its own pods.", commands);
    }
    let message = format!("{node} has no route of its own to {dst} on {}; the packet goes to {to}, which knows no pods.", remote.name);
    let agent = case.network.cni().agent();
    let fix = format!("Restore the route to the pods of {}; {agent} writes it anew when restarted.", remote.name);
    Detail::new(message).fix(fix, case.restore_remote(node, remote, None))
}

/// The destination, which lives on another node, is taken to be on the link.
fn taken_for_on_link(case: &Case<'_>) -> Option<Detail> {
    let (namespace, dst) = (case.namespace()?, case.packet().dst);
    let place = &case.blocker().place;
    let remote = case.node_of_pod_address(dst).filter(|remote| remote.name != place.node)?;
    let taken = case.route()?.route;
    if taken.nexthops.iter().any(|hop| hop.gateway.is_some()) || case.device()?.is_tunnel() {
        return None;
    }
    let message = format!(
        "In {} the route to {} takes {dst} for a neighbour on {}; it lives on {}.",
        case.whereabouts(),
        taken.dst,
        place.device,
        remote.name
    );
    let expected = if place.namespace == "host" { case.remote_route(&place.node, remote) } else { None };
    let command = match expected.filter(|route| route.dst == taken.dst) {
        Some(route) => route.command(),
        None => delete_route(namespace, taken),
    };
    let fix = format!("Correct or delete the route to {}.", taken.dst);
    Some(Detail::new(message).on(case.route_evidence(taken)?).fix(fix, vec![command]))
}

/// Routed to the loopback device: in a pod its proper routes are known.
fn by_loopback(case: &Case<'_>) -> Detail {
    let message = format!(
        "In {} the route to {} leads to {}, which discards what is not for this host.",
        case.whereabouts(),
        case.packet().dst,
        case.device_name()
    );
    let pod = case.blocked.host.filter(|host| case.network.host(*host).role == HostRole::Other);
    let expected = pod.map(|host| case.missing_pod_routes(host, false)).unwrap_or_default();
    let commands = expected.iter().map(ExpectedRoute::command).collect();
    Detail::new(message).fix("Point the route to the pod's gateway again.", commands)
}
