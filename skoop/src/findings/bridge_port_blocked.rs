//! A bridge port that does not forward.

use skoop_model::{Evidence, Link, PortState, Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail, argv};

/// `BRIDGE-PORT-BLOCKED`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "BRIDGE-PORT-BLOCKED",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A bridge port is not in the forwarding state.",
    remedy: "Set the port to forwarding, or see what spanning tree has against it.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let (host, port) = match case.stop() {
        Stop::PortBlocked { port } => (case.blocked.host?, case.namespace()?.link(*port)?),
        // Requests for the pod's address do not get through either.
        Stop::NoNeighbour { address, .. } => {
            let (owner, link) = case.owner(*address)?;
            case.peer(owner, link).filter(|(_, port)| is_blocked(port))?
        }
        _ => return None,
    };
    let name = &port.name;
    let node = &case.network.host(host).node;
    let state = port.bridge_port.as_ref().map(|settings| format!("{:?}", settings.state).to_lowercase()).unwrap_or_default();
    let evidence = Evidence::new("link", format!("{name} state {state}"));
    let message = format!("Bridge port {name} on {node} does not forward.");
    let command = argv(&["bridge", "link", "set", "dev", name, "state", "3"]);
    Some(Detail::new(message).on(evidence).at(host).fix("Set the port to forwarding.", vec![command]))
}

fn is_blocked(port: &Link) -> bool {
    port.is_running() && port.bridge_port.as_ref().is_some_and(|settings| settings.state != PortState::Forwarding)
}
