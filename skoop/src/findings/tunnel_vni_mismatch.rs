//! Tunnel ends with different network identifiers.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `TUNNEL-VNI-MISMATCH`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "TUNNEL-VNI-MISMATCH",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The receiving node has no VXLAN device with the identifier of the packet.",
    remedy: "Give all nodes the same VNI in the CNI plugin's configuration; a VXLAN device must be made anew to change it.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::VniMismatch { vni } = case.stop() else { return None };
    let node = &case.blocker().place.node;
    Some(Detail::new(format!("The packet arrives on {node} with VNI {vni}, for which {node} has no VXLAN device.")))
}
