//! A rule that rejects.

use skoop_model::{Role, Severity};
use skoop_sim::{NfVerdict, Stop};

use super::FindingKind;
use super::case::{Case, Detail};
use super::netfilter_drop::by_rule;

/// `NETFILTER-REJECT`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "NETFILTER-REJECT",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A netfilter rule refuses the packet and tells its sender so.",
    remedy: "Delete or narrow the rule, if it is not there on purpose; what wrote it may write it again.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    match case.stop() {
        Stop::Netfilter(blocker) if matches!(blocker.verdict, NfVerdict::Reject(_)) => Some(by_rule(case, blocker, "rejects")),
        _ => None,
    }
}
