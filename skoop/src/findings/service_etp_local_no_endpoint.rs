//! A Service that takes traffic from outside only where it has an endpoint, asked by another node.

use skoop_model::{Evidence, Role, Severity, TrafficPolicy};

use super::FindingKind;
use super::case::{Case, Detail};

/// `SERVICE-ETP-LOCAL-NO-ENDPOINT`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SERVICE-ETP-LOCAL-NO-ENDPOINT",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The Service's externalTrafficPolicy is Local, and the node that the traffic came in by has no ready endpoint of it.",
    remedy: "Send traffic only to nodes that answer the Service's health check port, or set externalTrafficPolicy to Cluster.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let service = case.service()?;
    let node = &case.blocker().place.node;
    let local = service.external_traffic_policy == TrafficPolicy::Local;
    let inside = service.cluster_ips.contains(&case.packet().dst);
    if !local || inside || !case.is_untranslated(service) || !case.lacks_endpoint_on(service, node) {
        return None;
    }
    let text = format!("svc/{} externalTrafficPolicy Local; no ready endpoint on {node}", service.key);
    let message = format!("Service {} takes traffic from outside only on nodes with endpoints, and {node} has none.", service.key);
    Some(Detail::new(message).on(Evidence::new("object", text)))
}
