//! A next hop that does not answer.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `NEIGHBOUR-FAILED`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "NEIGHBOUR-FAILED",
    severity: Severity::Critical,
    role: Role::Symptom,
    meaning: "The next hop answers no neighbour request, so that the packet has nowhere to go.",
    remedy: "See why the next hop does not answer: its device, its bridge port, its address.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    match case.stop() {
        Stop::NoNeighbour { address, .. } => {
            Some(Detail::new(format!("On {} of {} nobody answers for {address}.", case.device_name(), case.whereabouts())))
        }
        Stop::BridgeNobody { mac } => {
            Some(Detail::new(format!("No port of {} on {} leads to {mac}.", case.device_name(), case.whereabouts())))
        }
        _ => None,
    }
}
