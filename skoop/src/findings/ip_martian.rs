//! Addresses that may not appear on a wire.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `IP-MARTIAN`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "IP-MARTIAN",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The packet bears an address that Linux accepts from no wire: a loopback address, a broadcast address, or one of the receiver's own.",
    remedy: "Find out who sends with that address; a duplicate address is the usual reason.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::Martian = case.stop() else { return None };
    let packet = case.packet();
    Some(Detail::new(format!("{} drops {packet}: {}.", case.whereabouts(), case.blocker().evidence.text)))
}
