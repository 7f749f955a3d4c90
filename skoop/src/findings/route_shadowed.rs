//! A more specific route in front of the right one.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};
use super::routing::delete_route;

/// `ROUTE-SHADOWED`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "ROUTE-SHADOWED",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The right route is there, and a more specific one takes the packet elsewhere.",
    remedy: "Delete the more specific route.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    if !matches!(case.stop(), Stop::NoNeighbour { .. } | Stop::LeftCluster { .. } | Stop::LoopbackRoute { .. } | Stop::RouteRefused { .. }) {
        return None;
    }
    let (namespace, dst) = (case.namespace()?, case.packet().dst);
    let node = &case.blocker().place.node;
    let remote = case.node_of_pod_address(dst).filter(|remote| remote.name != *node)?;
    let taken = case.route()?.route;
    let expected = case.remote_route(node, remote)?;
    let narrower = taken.dst != expected.dst && expected.dst.contains(&taken.dst);
    let there = namespace.snapshot().routes.elements().iter().any(|route| route.dst == expected.dst);
    if !narrower || !there {
        return None;
    }
    let message = format!(
        "On {node} the route to {} takes packets to {dst} away from the one to {}, the pods of {}.",
        taken.dst, expected.dst, remote.name
    );
    let evidence = case.route_evidence(taken)?;
    let fix = format!("Delete the route to {}, if it is not there on purpose.", taken.dst);
    Some(Detail::new(message).on(evidence).fix(fix, vec![delete_route(namespace, taken)]))
}
