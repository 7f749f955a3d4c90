//! Reverse path filter.

use skoop_model::{Role, Severity};
use skoop_sim::{Stop, dotted};

use super::FindingKind;
use super::case::{Case, Detail, argv};

/// `SYSCTL-RP-FILTER`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SYSCTL-RP-FILTER",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The node would answer the packet's source by another device than the one that it came in by, and its reverse path filter drops it.",
    remedy: "Correct the route back, or set the filter to loose (2).",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::RpFilter { sysctl, value } = case.stop() else { return None };
    let key = dotted(sysctl);
    let message = format!(
        "{} drops the packet from {}: {key} is {value}, and the route back does not use {}.",
        case.whereabouts(),
        case.packet().src,
        case.device_name()
    );
    let fix = format!("Correct the route to {}, or set {key} to 2 (loose), which concerns all that comes in there.", case.packet().src);
    Some(Detail::new(message).fix(fix, vec![argv(&["sysctl", "-w", &format!("{key}=2")])]))
}
