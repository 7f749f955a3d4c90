//! A way over a node on which neither end lives.

use skoop_model::{Evidence, HostRole, Role, Severity};

use super::FindingKind;
use super::case::Detail;
use crate::engine::{HostId, Journey, Network};

/// `ROUTE-DETOUR`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "ROUTE-DETOUR",
    severity: Severity::Info,
    role: Role::Symptom,
    meaning: "The packet is forwarded by a node on which neither end lives: it arrives, but costs more and depends on one more node.",
    remedy: "Correct the route, if the detour is not there on purpose.",
    detect: |_| None,
};

/// Finds a detour on a journey that went well.
pub(super) fn inspect(network: &Network, journey: &Journey) -> Option<Detail> {
    let node = |host: &HostId| &network.host(*host).node;
    let (first, last) = (node(journey.passed.first()?), node(journey.passed.last()?));
    let between = journey.passed.iter().copied().find(|id| {
        let host = network.host(*id);
        host.role == HostRole::Host && host.node != *first && host.node != *last
    })?;
    let host = network.host(between);
    let sent = journey.steps.iter().find(|step| step.by.kind == "route" && step.place.namespace == "host");
    let evidence = sent.map_or_else(|| Evidence::new("object", format!("node/{}", host.node)), |step| step.by.clone());
    let message = format!("The packet is forwarded by node {}, on which neither end lives.", host.node);
    Some(Detail::new(message).on(evidence).at(between))
}
