//! A Service whose endpoints are all not ready.

use skoop_model::{Evidence, Role, Severity};

use super::FindingKind;
use super::case::{Case, Detail};
use crate::engine::endpoints;

/// `SERVICE-NO-READY-ENDPOINTS`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SERVICE-NO-READY-ENDPOINTS",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The Service has endpoints, and none of them is ready, so that nothing is sent to them.",
    remedy: "See why the pods are not ready: their readiness probe, their events, their logs.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let service = case.service()?;
    let endpoints = endpoints(case.network, service);
    let serving = endpoints.iter().any(|endpoint| endpoint.ready || (endpoint.serving && endpoint.terminating));
    if endpoints.is_empty() || serving || !case.is_untranslated(service) {
        return None;
    }
    let text = format!("svc/{} has 0 ready of {} endpoints", service.key, endpoints.len());
    let message = format!("None of the {} endpoints of Service {} is ready.", endpoints.len(), service.key);
    Some(Detail::new(message).on(Evidence::new("object", text)))
}
