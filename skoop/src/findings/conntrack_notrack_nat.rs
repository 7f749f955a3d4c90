//! A Service's packets that are exempt from connection tracking.

use skoop_model::{Role, Severity, Step};

use super::FindingKind;
use super::case::{Case, Detail};
use super::shown::{Shown, is_rule};

/// `CONNTRACK-NOTRACK-NAT`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "CONNTRACK-NOTRACK-NAT",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A rule exempts the packet from connection tracking, without which nothing translates the Service's address.",
    remedy: "Delete or narrow the NOTRACK rule.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let service = case.service()?;
    if !case.is_untranslated(service) {
        return None;
    }
    let step = case.journey.steps.iter().find(|step| is_exemption(step))?;
    let message = format!("{} does not track the packet, so that no rule of Service {} translates it.", step.place.node, service.key);
    Some(blame(case, step, message))
}

/// Whether the step exempts the packet from connection tracking.
pub(super) fn is_exemption(step: &Step) -> bool {
    let exempts = |word: &str| ["--notrack", "NOTRACK", "notrack"].contains(&word);
    is_rule(&step.by) && step.before == *step.after.as_ref().unwrap_or(&step.before) && step.by.text.split(' ').any(exempts)
}

/// The rule of such a step as the culprit.
pub(super) fn blame(case: &Case<'_>, step: &Step, message: String) -> Detail {
    let detail = Detail::new(message).on(step.by.clone());
    let detail = match case.host_at(&step.place) {
        Some(host) => detail.at(host),
        None => detail,
    };
    let fix = "Delete the rule, if it is not there on purpose, or narrow it to traffic that needs no translation.";
    detail.fix(fix, Shown::of(&step.by).and_then(|rule| rule.delete_command()).into_iter().collect())
}
