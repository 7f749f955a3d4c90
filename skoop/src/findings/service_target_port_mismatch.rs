//! A Service whose target port nothing listens on.

use skoop_model::{Evidence, Role, Severity, TargetPort};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};
use crate::engine::Target;

/// `SERVICE-TARGET-PORT-MISMATCH`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SERVICE-TARGET-PORT-MISMATCH",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The Service's target port is not the port that the pod listens on.",
    remedy: "Set the Service's targetPort to the port that the container listens on.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::NoSocket { near } = case.stop() else { return None };
    let Target::Service(_, port) = &case.plan.target else { return None };
    let service = case.service()?;
    let entry = service.port(*port, case.question.protocol)?;
    let sent_to = case.packet().dport()?;
    let sockets = case.namespace()?.snapshot().sockets.elements();
    let mut listening: Vec<u16> = sockets
        .iter()
        .filter(|socket| socket.protocol == case.packet().protocol && !socket.address.is_loopback())
        .map(|socket| socket.port.0)
        .collect();
    listening.sort_unstable();
    listening.dedup();
    // A socket on the very port is a matter of its address or family, not of the Service.
    if !near.is_empty() || listening.is_empty() {
        return None;
    }
    let target = match &entry.target_port {
        TargetPort::Number(port) => port.to_string(),
        TargetPort::Name(name) => format!("{name} ({sent_to})"),
    };
    let ports: Vec<String> = listening.iter().map(u16::to_string).collect();
    let evidence = Evidence::new("object", format!("svc/{} port {port} targetPort {target}", service.key));
    let message = format!(
        "Service {} sends to port {sent_to} of {}, which listens on {}.",
        service.key,
        case.whereabouts(),
        ports.join(", ")
    );
    Some(Detail::new(message).on(evidence))
}
