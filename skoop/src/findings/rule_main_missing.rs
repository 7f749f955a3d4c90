//! No rule for the main table.

use skoop_model::{Evidence, Role, RoutingRule, RuleAction, Severity, TableId};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};
use super::routing::{ip, main_leads_to};

/// `RULE-MAIN-MISSING`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "RULE-MAIN-MISSING",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "No routing rule looks up the main table, which has the route.",
    remedy: "Add the rule `from all lookup main` at priority 32766 again.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::NoRoute = case.stop() else { return None };
    let namespace = case.namespace()?;
    let family = case.packet().family();
    let rules = namespace.snapshot().rules.get().ok()?;
    let asks_main =
        |rule: &RoutingRule| rule.family == family && rule.action == RuleAction::Lookup(TableId::MAIN);
    if rules.iter().any(asks_main) || !main_leads_to(namespace, case.packet().dst) {
        return None;
    }
    let evidence = Evidence::new("missing", "no rule looks up table main");
    let message = format!("{} has no routing rule that looks up its main table.", case.whereabouts());
    let command = ip(family, &["rule", "add", "priority", "32766", "lookup", "main"]);
    Some(Detail::new(message).on(evidence).fix("Add the rule again.", vec![command]))
}
