//! A Service that serves only the node's own endpoints, on a node without one.

use skoop_model::{Evidence, Role, Severity, TrafficPolicy};

use super::FindingKind;
use super::case::{Case, Detail};

/// `SERVICE-ITP-LOCAL-NO-ENDPOINT`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SERVICE-ITP-LOCAL-NO-ENDPOINT",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The Service's internalTrafficPolicy is Local, and the client's node has no ready endpoint of it.",
    remedy: "Run an endpoint on every node that has clients, or set internalTrafficPolicy to Cluster.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let service = case.service()?;
    let node = &case.blocker().place.node;
    let local = service.internal_traffic_policy == TrafficPolicy::Local;
    let inside = service.cluster_ips.contains(&case.packet().dst);
    if !local || !inside || !case.lacks_endpoint_on(service, node) {
        return None;
    }
    let text = format!("svc/{} internalTrafficPolicy Local; no ready endpoint on {node}", service.key);
    let message = format!("Service {} is served to clients on {node} only by endpoints there, and there is none.", service.key);
    Some(Detail::new(message).on(Evidence::new("object", text)))
}
