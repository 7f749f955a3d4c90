//! Isolated bridge ports.

use std::net::IpAddr;

use skoop_model::{Evidence, Link, Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail, argv};
use crate::engine::HostId;

/// `BRIDGE-PORT-ISOLATED`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "BRIDGE-PORT-ISOLATED",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "Both ports of a bridge are isolated, and isolated ports exchange no frames.",
    remedy: "Take the isolation off one of the ports, if it is not there on purpose.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let (host, port) = match case.stop() {
        Stop::PortIsolated { port } => (case.blocked.host?, case.namespace()?.link(*port)?),
        Stop::NoNeighbour { address, .. } => between_pods(case, *address)?,
        _ => return None,
    };
    let name = &port.name;
    let node = &case.network.host(host).node;
    let message = format!("The frame would pass between two isolated ports of a bridge on {node}; {name} is one of them.");
    let command = argv(&["bridge", "link", "set", "dev", name, "isolated", "off"]);
    let evidence = Evidence::new("link", format!("{name} isolated on"));
    Some(Detail::new(message).on(evidence).at(host).fix(format!("Take the isolation off {name}."), vec![command]))
}

/// A pod's requests for the address of another pod of its bridge do not get through either.
fn between_pods<'a>(case: &Case<'a>, address: IpAddr) -> Option<(HostId, &'a Link)> {
    let isolated = |port: &Link| port.bridge_port.as_ref().is_some_and(|settings| settings.isolated);
    let (_, own) = case.peer(case.blocked.host?, case.device()?)?;
    let (owner, link) = case.owner(address)?;
    let (host, port) = case.peer(owner, link)?;
    (isolated(own) && isolated(port) && own.controller == port.controller).then_some((host, port))
}
