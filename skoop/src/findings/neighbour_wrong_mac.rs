//! A frame for an address that the receiver does not have.

use skoop_model::{Role, Severity, Stage};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail, argv};

/// `NEIGHBOUR-WRONG-MAC`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "NEIGHBOUR-WRONG-MAC",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A neighbour entry holds a link-layer address that the next hop does not have.",
    remedy: "Delete the neighbour entry, so that the address is asked for anew.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let (Stop::WrongMac { mac } | Stop::BridgeNobody { mac }) = case.stop() else { return None };
    let step = case.journey.steps.iter().rev().find(|step| step.place.stage == Stage::Neighbour)?;
    if !step.by.text.contains(&mac.to_string()) {
        return None;
    }
    let address = step.by.text.split(' ').next()?;
    let owner = case.owner(address.parse().ok()?);
    if owner.is_some_and(|(_, link)| link.mac == Some(*mac)) {
        return None;
    }
    let device = step.place.device.clone();
    let host = case.journey.passed.iter().copied().find(|host| {
        let host = case.network.host(*host);
        host.node == step.place.node && host.label == step.place.namespace
    })?;
    let message = format!("In {} of {} the neighbour entry of {address} says {mac}, which is not its address.", step.place.namespace, step.place.node);
    let command = argv(&["ip", "neigh", "del", address, "dev", &device]);
    let fix = "Delete the entry, so that it is asked for anew.";
    Some(Detail::new(message).on(step.by.clone()).at(host).fix(fix, vec![command]))
}
