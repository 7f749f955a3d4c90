//! Isolated bridge ports.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail, argv};

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
    let Stop::PortIsolated { port } = case.stop() else { return None };
    let name = case.namespace()?.device_name(*port);
    let message = format!("The frame would pass between two isolated ports of {} on {}.", case.device_name(), case.whereabouts());
    let command = argv(&["bridge", "link", "set", "dev", &name, "isolated", "off"]);
    Some(Detail::new(message).fix(format!("Take the isolation off {name}."), vec![command]))
}
