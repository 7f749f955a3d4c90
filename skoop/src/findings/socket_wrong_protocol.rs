//! A listener of another protocol.

use skoop_model::{Role, Severity};
use skoop_sim::Lacks;

use super::FindingKind;
use super::case::{Case, Detail};
use super::socket_no_listener::near_miss;

/// `SOCKET-WRONG-PROTOCOL`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SOCKET-WRONG-PROTOCOL",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "Something listens on the port, but with another protocol.",
    remedy: "Ask with the protocol that is served, or serve the one that is asked.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    near_miss(case, Lacks::WrongProtocol, "is served with another protocol")
}
