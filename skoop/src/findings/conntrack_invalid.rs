//! A packet that connection tracking cannot place.

use skoop_model::{Role, Severity};
use skoop_sim::{RuleSource, Stop};

use super::FindingKind;
use super::case::{Case, Detail};
use super::conntrack_notrack_nat::{blame, is_exemption};

/// `CONNTRACK-INVALID`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "CONNTRACK-INVALID",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A rule drops packets that connection tracking finds invalid, and this one is: tracking did not see what it answers.",
    remedy: "Let both directions pass the same node, and exempt neither from connection tracking.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::Netfilter(blocker) = case.stop() else { return None };
    let words = blocker.by.words();
    let by_state = words.windows(2).any(|pair| {
        matches!(pair, [option, states] if (option == "--ctstate" || option == "--state") && states.split(',').any(|one| one == "INVALID"))
    });
    let by_verdict = blocker.by.source == RuleSource::Nftables && is_of_invalid(&words);
    if !(by_state || by_verdict) {
        return None;
    }
    let node = &case.blocker().place.node;
    let message = format!("{node} drops {}: its connection tracking did not see what the packet belongs to.", case.packet());
    let here = |step: &&skoop_model::Step| step.place.node == *node && is_exemption(step);
    match case.trip.journeys().flat_map(|journey| &journey.steps).find(here) {
        Some(step) => Some(blame(case, step, message)),
        None => Some(Detail::new(message)),
    }
}

/// `ct state invalid drop`, `ct state { invalid, untracked } drop`, `ct state vmap { invalid : drop }`.
fn is_of_invalid(words: &[String]) -> bool {
    let mut rest = words.windows(2).skip_while(|pair| !matches!(pair, [ct, state] if ct == "ct" && state == "state"));
    rest.any(|pair| pair.iter().any(|word| word.split(',').any(|state| state == "invalid")))
}
