//! A tunnel that sends from an address that its host does not have.

use skoop_model::{Family, Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail, argv};

/// `TUNNEL-WRONG-LOCAL`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "TUNNEL-WRONG-LOCAL",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The tunnel device sends from an address that its node does not have, and Linux sends nothing from a foreign address.",
    remedy: "Give the device the node's own address, or restart the CNI plugin's agent, which makes the device anew.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::ForeignSource { address } = case.stop() else { return None };
    let (node, device) = (&case.blocker().place.node, case.device_name());
    let message = format!("{device} on {node} sends from {address}, which {node} does not have.");
    let family = Family::of(*address);
    let own = case.network.cluster().node(node).and_then(|node| node.addresses.iter().find(|own| Family::of(**own) == family));
    let command = own.map(|own| argv(&["ip", "link", "set", &device, "type", "vxlan", "local", &own.to_string()]));
    Some(Detail::new(message).fix("Give the device the node's address.", command.into_iter().collect()))
}
