//! A tunnel device without the link-layer address of the remote end.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `TUNNEL-NEIGHBOUR-MISSING`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "TUNNEL-NEIGHBOUR-MISSING",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A tunnel device has no neighbour entry for the remote tunnel end, and nobody answers over the tunnel.",
    remedy: "Add the neighbour entry, or restart the CNI plugin's agent on the node, which writes it.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::NoNeighbour { address, .. } = case.stop() else { return None };
    let device = case.device()?;
    if !device.is_tunnel() {
        return None;
    }
    let node = &case.blocker().place.node;
    let remote = case.node_of_pod_address(case.packet().dst);
    let commands = remote.map(|remote| case.restore_remote(node, remote, None)).unwrap_or_default();
    let message = format!("{} on {node} has no neighbour entry for {address}, the remote tunnel end.", device.name);
    let fix = "Add the entry; it concerns only packets to that node. The CNI plugin's agent writes it anew when restarted.";
    Some(Detail::new(message).fix(fix, commands))
}
