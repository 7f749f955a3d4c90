//! A listener of the other family.

use skoop_model::{Role, Severity};
use skoop_sim::Lacks;

use super::FindingKind;
use super::case::{Case, Detail};
use super::socket_no_listener::near_miss;

/// `SOCKET-WRONG-FAMILY`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SOCKET-WRONG-FAMILY",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "Something listens on the port, but only for the other address family.",
    remedy: "Let the program listen for both families, or ask by the family that it serves.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    near_miss(case, Lacks::WrongFamily, "is served only for the other family")
}
