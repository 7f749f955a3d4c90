//! A routing rule that takes packets away from the main table.

use skoop_model::{Evidence, Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};
use super::routing::{delete_rule, is_added, main_leads_to};

/// `RULE-DIVERTS`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "RULE-DIVERTS",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A routing rule sends the packet to another table than main, by which it does not get there.",
    remedy: "Delete or narrow the routing rule, or correct the table that it leads to.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    if !case.went_astray() {
        return None;
    }
    let namespace = case.namespace()?;
    let refusing = match case.stop() {
        Stop::RouteRefused { rule, .. } => rule.as_deref(),
        _ => None,
    };
    let rule = refusing.or_else(|| case.route()?.rule)?;
    let dst = case.packet().dst;
    if !is_added(rule) || !main_leads_to(namespace, dst) {
        return None;
    }
    let message = format!("In {} rule `{rule}` decides about the packet to {dst}, before the main table.", case.whereabouts());
    let fix = "Delete the rule, if it is not there on purpose; it concerns all that it matches.";
    Some(Detail::new(message).on(Evidence::new("rule", rule.to_string())).fix(fix, vec![delete_rule(rule)]))
}
