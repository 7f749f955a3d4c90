//! A VXLAN device that does not know where a remote tunnel end is.

use skoop_model::{Evidence, Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `TUNNEL-FDB-MISSING`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "TUNNEL-FDB-MISSING",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The VXLAN device has no forwarding entry for the link-layer address of the remote tunnel end, and drops what is sent to it.",
    remedy: "Add the forwarding entry, or restart the CNI plugin's agent on the node, which writes it.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::FdbMissing { mac } = case.stop() else { return None };
    let node = &case.blocker().place.node;
    let remote = case.node_of_pod_address(case.packet().dst);
    let commands = remote.map(|remote| case.restore_remote(node, remote, None)).unwrap_or_default();
    let device = case.device_name();
    let whose = remote.map_or_else(String::new, |remote| format!(", the tunnel end of {},", remote.name));
    let message = format!("{device} on {node} has no forwarding entry for {mac}{whose} and drops the packet.");
    let evidence = Evidence::new("missing", format!("no FDB entry for {mac} dev {device}"));
    let fix = format!("Add the entry; it concerns only packets to that node. {} writes it anew when restarted.", "The CNI plugin's agent");
    Some(Detail::new(message).on(evidence).fix(fix, commands))
}
