//! A forwarding entry that leads to another node than the one that has the tunnel end.

use skoop_model::{Evidence, Role, Severity, Stage};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail, argv};

/// `TUNNEL-WRONG-REMOTE`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "TUNNEL-WRONG-REMOTE",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A forwarding entry of a VXLAN device sends packets to a node that does not have the link-layer address they are for.",
    remedy: "Correct the forwarding entry, or restart the CNI plugin's agent on the node, which writes it.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::WrongMac { mac } = case.stop() else { return None };
    let step = case.journey.steps.iter().rev().find(|step| step.place.stage == Stage::Tunnel && step.by.kind == "fdb")?;
    let right = case.network.cluster().nodes.elements().iter().find(|node| {
        case.network.node_host(&node.name).is_some_and(|host| {
            let links = case.network.host(host).namespace.snapshot().links.elements();
            links.iter().any(|link| link.is_tunnel() && link.mac == Some(*mac))
        })
    })?;
    let host = case.network.node_host(&step.place.node)?;
    let (mac, device) = (mac.to_string(), step.place.device.clone());
    let address = right.addresses.first()?.to_string();
    let message = format!("{device} on {} sends packets for {mac} to another node than {}, which has it.", step.place.node, right.name);
    let command = argv(&["bridge", "fdb", "replace", &mac, "dev", &device, "dst", &address, "self", "permanent"]);
    let evidence = Evidence::new("fdb", step.by.text.clone());
    Some(Detail::new(message).on(evidence).at(host).fix("Correct the entry; it concerns only packets to that node.", vec![command]))
}
