//! A base chain whose policy drops.

use skoop_model::{Role, Severity};
use skoop_sim::{RuleSource, Stop};

use super::FindingKind;
use super::case::{Case, Detail, argv};

/// `NETFILTER-POLICY-DROP`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "NETFILTER-POLICY-DROP",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "No rule of a base chain accepts the packet, and the chain's policy drops what no rule accepts.",
    remedy: "Accept the traffic by a rule, or set the policy back to ACCEPT.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::Netfilter(blocker) = case.stop() else { return None };
    if !blocker.by_policy {
        return None;
    }
    let rule = &blocker.by;
    let message = format!(
        "In {} no rule of chain {} accepts the packet, and its policy is DROP.",
        case.whereabouts(),
        rule.chain
    );
    let evidence = rule.evidence();
    let command = match rule.table.split_once(' ') {
        Some((family, table)) if rule.source == RuleSource::Nftables => {
            argv(&["nft", "chain", family, table, &rule.chain, "{", "policy", "accept", ";", "}"])
        }
        _ => argv(&[rule.tool(), "-t", &rule.table, "-P", &rule.chain, "ACCEPT"]),
    };
    let fix = format!(
        "Set the policy back to ACCEPT (this concerns all that passes {} there), or add rules that accept the pods' addresses. \
         Container engines and firewalls set this policy when they start.",
        rule.chain
    );
    Some(Detail::new(message).on(evidence).fix(fix, vec![command]))
}
