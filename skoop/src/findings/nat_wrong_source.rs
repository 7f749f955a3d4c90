//! An answer that comes from somebody else than was asked.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `NAT-WRONG-SOURCE`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "NAT-WRONG-SOURCE",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The answer reaches the client with another source than it asked, because it took a way on which it is not translated back.",
    remedy: "Make the answer pass the node that translated the request: masquerade the request there, or correct the way back.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::NotTheAnswer { expected } = case.stop() else { return None };
    let message = format!("{} waits for {expected} and gets {}.", case.whereabouts(), case.packet());
    Some(Detail::new(message))
}
