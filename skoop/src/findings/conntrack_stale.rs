//! A flow whose entry in the connection table leads to what was an endpoint once.

use skoop_model::{Packet, Role, Severity, Step};

use super::FindingKind;
use super::case::{Case, Detail, argv};
use super::service_proxy_stale::translates;
use crate::engine::endpoints;

/// `CONNTRACK-STALE`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "CONNTRACK-STALE",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The node's connection table still holds a flow to an address that is no endpoint of the Service any more; its packets go \
              there, whatever the rules say, for as long as the client goes on sending from the same port.",
    remedy: "Delete the entry; kube-proxy should do so when an endpoint of a UDP Service goes, so see whether it runs and what it logs.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let service = case.service()?;
    case.network.cluster().endpoint_slices.get().ok()?;
    let step = case.trip.forward.steps.iter().find(|step| by_known_flow(step) && translates(step, service))?;
    let (before, chosen) = (&step.before, step.after.as_ref()?.dst);
    if endpoints(case.network, service).iter().any(|endpoint| endpoint.addresses.contains(&chosen)) {
        return None;
    }
    let node = &step.place.node;
    let message = format!(
        "The connection table of {node} sends {before} to {chosen}, which is no endpoint of Service {} any more.",
        service.key
    );
    let text = format!("Delete the entry on {node}: the next packet is a new flow, and is sent to an endpoint of today.");
    let commands = delete_entry(before).into_iter().collect();
    Some(Detail::new(message).on(step.by.clone()).at(case.host_at(&step.place)?).fix(text, commands))
}

/// Whether an entry of the connection table decided.
pub(super) fn by_known_flow(step: &Step) -> bool {
    step.by.kind == "conntrack"
}

/// The command that deletes the entry of the flow that begins with `packet`.
fn delete_entry(packet: &Packet) -> Option<Vec<String>> {
    let (source, destination) = (packet.src.to_string(), packet.dst.to_string());
    let (sport, dport) = (packet.sport()?.to_string(), packet.dport()?.to_string());
    let protocol = packet.protocol.to_string();
    Some(argv(&[
        "conntrack", "-D", "-p", &protocol, "--orig-src", &source, "--orig-dst", &destination, "--sport", &sport, "--dport", &dport,
    ]))
}
