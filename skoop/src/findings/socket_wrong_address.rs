//! A listener on another address.

use skoop_model::{Role, Severity};
use skoop_sim::Lacks;

use super::FindingKind;
use super::case::{Case, Detail};
use super::socket_no_listener::near_miss;

/// `SOCKET-WRONG-ADDRESS`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SOCKET-WRONG-ADDRESS",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "Something listens on the port, but only on another address, such as 127.0.0.1.",
    remedy: "Let the program listen on all addresses (0.0.0.0 or ::), or on the pod's own.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    near_miss(case, Lacks::WrongAddress, "listens only on another address")
}
