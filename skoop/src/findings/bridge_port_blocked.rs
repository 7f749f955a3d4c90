//! A bridge port that does not forward.

use skoop_model::{Role, Severity};
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
    let Stop::PortBlocked { port } = case.stop() else { return None };
    let name = case.namespace()?.device_name(*port);
    let message = format!("Bridge port {name} on {} does not forward.", case.whereabouts());
    let command = argv(&["bridge", "link", "set", "dev", &name, "state", "3"]);
    Some(Detail::new(message).fix("Set the port to forwarding.", vec![command]))
}
