//! The network between nodes drops.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `CLOUD-ROUTE`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "CLOUD-ROUTE",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The network between nodes does not deliver the packet.",
    remedy: "Correct the rule or route of the network that decides about it.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::UnderlayDrop = case.stop() else { return None };
    Some(Detail::new(format!("The {} drops the packet after it left {}.", case.network.cloud().name(), case.whereabouts())))
}
