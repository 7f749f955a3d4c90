//! A rule that drops.

use skoop_model::{Role, Severity};
use skoop_sim::{NfBlocker, NfVerdict, Stop};

use super::FindingKind;
use super::case::{Case, Detail};

/// `NETFILTER-DROP`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "NETFILTER-DROP",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A netfilter rule drops the packet silently.",
    remedy: "Delete or narrow the rule, if it is not there on purpose; what wrote it may write it again.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    match case.stop() {
        Stop::Netfilter(blocker) if blocker.verdict == NfVerdict::Drop && !blocker.by_policy => {
            Some(by_rule(case, blocker, "drops"))
        }
        _ => None,
    }
}

/// A rule that stops the packet.
pub(super) fn by_rule(case: &Case<'_>, blocker: &NfBlocker, verb: &str) -> Detail {
    let rule = &blocker.by;
    let outer = if case.packet().encap.is_some() { "tunnel packet" } else { "packet" };
    let message = format!("A rule of chain {} in {} {verb} the {outer} {}.", rule.chain, case.whereabouts(), case.packet());
    let commands: Vec<Vec<String>> = rule.delete_command().into_iter().collect();
    let fix = "Delete the rule, if it is not there on purpose; it concerns all that it matches, and what wrote it may write it again.";
    Detail::new(message).fix(fix, commands)
}
