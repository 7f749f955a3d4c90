//! A pod whose host side is no port of the bridge that its address is routed to.

use skoop_model::{Evidence, LinkKind, Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail, argv};

/// `BRIDGE-PORT-MISSING`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "BRIDGE-PORT-MISSING",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The host side of a pod's veth is not a port of the bridge that leads to the pod's subnet.",
    remedy: "Make the host side of the veth a port of the bridge again.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let address = match case.stop() {
        Stop::NoNeighbour { .. } | Stop::BridgeNobody { .. } => case.neighbour_address()?,
        // A pod whose own port is missing sends to a device that has no way for it.
        Stop::WrongMac { .. } => case.journey.origin.src,
        _ => return None,
    };
    let (owner, link) = case.owner(address)?;
    let (host, port) = case.peer(owner, link)?;
    let namespace = &case.network.host(host).namespace;
    if port.controller.is_some() {
        return None;
    }
    let links = namespace.snapshot().links.elements().iter();
    let mut bridges = links.filter(|link| matches!(link.kind, LinkKind::Bridge(_)));
    let bridge = bridges.find(|bridge| Case::on_subnet_of(namespace, bridge, address))?;
    let evidence = Evidence::new("link", format!("{} has no master; {address} is on the subnet of {}", port.name, bridge.name));
    let pod = &case.network.host(owner).label;
    let message = format!("{}, the host side of {pod}, is not a port of bridge {}.", port.name, bridge.name);
    let fix = format!("Make {} a port of {}. It reaches only this pod.", port.name, bridge.name);
    let command = argv(&["ip", "link", "set", &port.name, "master", &bridge.name]);
    Some(Detail::new(message).on(evidence).at(host).fix(fix, vec![command]))
}
