//! Packets longer than a link on the way.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `MTU-TOO-LARGE`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "MTU-TOO-LARGE",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The packet is longer than the MTU of a link on the way and may not be fragmented.",
    remedy: "Give the pods an MTU that fits the smallest link on the way, tunnel headers included.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::TooLarge { mtu_bytes } = case.stop() else { return None };
    let message = format!(
        "A packet of {} bytes does not pass {} of {}, whose MTU is {mtu_bytes} bytes.",
        case.packet().length_bytes,
        case.device_name(),
        case.whereabouts()
    );
    Some(Detail::new(message))
}
