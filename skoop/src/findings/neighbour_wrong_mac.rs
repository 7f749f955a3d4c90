//! A frame for an address that the receiver does not have.

use std::net::IpAddr;

use skoop_model::{Family, MacAddr, Role, Severity, Stage};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};
use super::routing::ip;

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
    by_entry(case, *mac).or_else(|| {
        let message = format!("{} gets a frame for {mac}, which it does not have.", case.whereabouts());
        matches!(case.stop(), Stop::WrongMac { .. }).then(|| Detail::new(message))
    })
}

/// The neighbour entry that the address was taken from, if it is wrong.
fn by_entry(case: &Case<'_>, mac: MacAddr) -> Option<Detail> {
    let step = case.journey.steps.iter().rev().find(|step| step.place.stage == Stage::Neighbour)?;
    if !step.by.text.contains(&mac.to_string()) {
        return None;
    }
    let address = step.by.text.split(' ').next()?;
    let parsed: IpAddr = address.parse().ok()?;
    if case.owner(parsed).is_some_and(|(_, link)| link.mac == Some(mac)) {
        return None;
    }
    let (place, device) = (&step.place, &step.place.device);
    let whose = if place.namespace == "host" { place.node.as_str() } else { &place.namespace };
    let message = format!("In {whose} the neighbour entry of {address} says {mac}, which is not its address.");
    let command = ip(Family::of(parsed), &["neigh", "del", address, "dev", device]);
    let fix = "Delete the entry, so that it is asked for anew.";
    Some(Detail::new(message).on(step.by.clone()).at(case.host_at(place)?).fix(fix, vec![command]))
}
