//! A port that the Service does not have.

use skoop_model::{Evidence, Role, Severity};

use super::FindingKind;
use super::case::{Case, Detail};
use crate::engine::Target;

/// `SERVICE-PORT-UNDEFINED`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SERVICE-PORT-UNDEFINED",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The Service has no such port, so that no rule translates what is sent to it.",
    remedy: "Ask a port that the Service has, or add the port to the Service.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Target::Service(key, port) = &case.plan.target else { return None };
    let service = case.service()?;
    let protocol = case.question.protocol;
    if service.port(*port, protocol).is_some() || !service.has_address(case.packet().dst) {
        return None;
    }
    let ports: Vec<String> = service.ports.iter().map(|entry| format!("{}/{}", entry.port, entry.protocol)).collect();
    let evidence = Evidence::new("object", format!("svc/{key} has ports {}", ports.join(", ")));
    Some(Detail::new(format!("Service {key} has no port {port}/{protocol}.")).on(evidence))
}
