//! Tunnel ends with different UDP ports.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `TUNNEL-PORT-MISMATCH`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "TUNNEL-PORT-MISMATCH",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The receiving node has no VXLAN device on the UDP port that the packet was sent to.",
    remedy: "Give all nodes the same VXLAN port in the CNI plugin's configuration.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::TunnelPortMismatch { port } = case.stop() else { return None };
    let node = &case.blocker().place.node;
    Some(Detail::new(format!("The tunnel packet is for UDP port {port}, where no VXLAN device of {node} receives.")))
}
