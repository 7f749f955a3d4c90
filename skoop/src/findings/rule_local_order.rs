//! The rule for the host's own addresses, out of its place.

use skoop_model::{Evidence, Role, Severity, TableId};

use super::FindingKind;
use super::case::{Case, Detail};
use super::routing::{delete_rule, ip, rule_for};
use crate::engine::HostId;

/// `RULE-LOCAL-ORDER`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "RULE-LOCAL-ORDER",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The rule that looks up the table of the host's own addresses is missing or comes after others, \
              so that the host forwards what is meant for itself.",
    remedy: "Put the rule `from all lookup local` back at priority 0.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    if !case.went_astray() {
        return None;
    }
    let meant = [Some(case.packet().dst), case.neighbour_address()];
    let owner = meant.into_iter().flatten().find_map(|address| {
        let here = case.blocked.host.filter(|_| case.namespace().is_some_and(|own| own.device_of_address(address).is_some()));
        here.or_else(|| Some(case.owner(address)?.0)).filter(|host| is_out_of_place(case, *host))
    })?;
    let family = case.packet().family();
    let place = case.network.host(owner);
    let late = rule_for(&place.namespace, family, TableId::LOCAL);
    let evidence = match late {
        Some(rule) => Evidence::new("rule", rule.to_string()),
        None => Evidence::new("missing", "no rule looks up table local for all packets"),
    };
    let message = format!("{} routes packets for its own addresses like others': its local table is not asked first.", place.node);
    let mut commands = vec![ip(family, &["rule", "add", "priority", "0", "lookup", "local"])];
    commands.extend(late.map(delete_rule));
    Some(Detail::new(message).on(evidence).at(owner).fix("Put the rule for the local table first again.", commands))
}

/// Whether a rule is asked before the one for the local table.
fn is_out_of_place(case: &Case<'_>, host: HostId) -> bool {
    let family = case.packet().family();
    let namespace = &case.network.host(host).namespace;
    let Ok(rules) = namespace.snapshot().rules.get() else { return false };
    let first = rules.iter().filter(|rule| rule.family == family).map(|rule| rule.priority).min();
    rule_for(namespace, family, TableId::LOCAL).map(|rule| rule.priority) != first
}
