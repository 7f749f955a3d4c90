//! A bridge's forwarding entry that leads to the wrong port.

use skoop_model::{Evidence, Role, Severity, Stage};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail, argv};

/// `BRIDGE-FDB-WRONG`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "BRIDGE-FDB-WRONG",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The bridge has a forwarding entry that leads frames for a pod to another pod's port.",
    remedy: "Delete the forwarding entry; the bridge learns the right one.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::WrongMac { mac } = case.stop() else { return None };
    let step = case.journey.steps.iter().rev().find(|step| step.place.stage == Stage::Bridge && step.by.kind == "fdb")?;
    let bridge_host = case.host_at(&step.place)?;
    let namespace = &case.network.host(bridge_host).namespace;
    let entries = namespace.snapshot().fdb.elements().iter();
    let mut entries = entries.filter(|entry| entry.mac == *mac && entry.controller.is_some() && !entry.local);
    let entry = entries.find(|entry| {
        let leads = namespace.link(entry.link).and_then(|port| case.peer(bridge_host, port));
        leads.is_some_and(|(host, _)| Some(host) == case.blocked.host)
    })?;
    let port = namespace.device_name(entry.link);
    let bridge = &step.place.device;
    let message = format!("{bridge} on {} sends frames for {mac} to port {port}, behind which somebody else is.", step.place.node);
    let command = argv(&["bridge", "fdb", "del", &mac.to_string(), "dev", &port, "master"]);
    let evidence = Evidence::new("fdb", step.by.text.clone());
    Some(Detail::new(message).on(evidence).at(bridge_host).fix("Delete the entry.", vec![command]))
}
