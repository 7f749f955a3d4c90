//! A frame that would have to leave by the port it came in by.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail, argv};

/// `BRIDGE-HAIRPIN-OFF`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "BRIDGE-HAIRPIN-OFF",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A pod reaches itself by its Service over a bridge port that may not send frames back where they came from.",
    remedy: "Switch hairpin mode on for the pod's port (hairpinMode of the bridge plugin).",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::HairpinOff { port } = case.stop() else { return None };
    let name = case.namespace()?.device_name(*port);
    let message = format!("The frame would have to leave by {name}, the port it came in by, and hairpin is off there.");
    let command = argv(&["bridge", "link", "set", "dev", &name, "hairpin", "on"]);
    Some(Detail::new(message).fix(format!("Switch hairpin on for {name}; it reaches only this pod."), vec![command]))
}
