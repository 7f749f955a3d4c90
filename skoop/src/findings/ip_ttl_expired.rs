//! Time to live used up.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `IP-TTL-EXPIRED`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "IP-TTL-EXPIRED",
    severity: Severity::Critical,
    role: Role::Symptom,
    meaning: "The packet's time to live was used up before it arrived.",
    remedy: "See whether the packet circles, or whether its sender starts with too small a TTL.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::TtlExpired = case.stop() else { return None };
    Some(Detail::new(format!("{} drops the packet: its time to live is used up.", case.whereabouts())))
}
