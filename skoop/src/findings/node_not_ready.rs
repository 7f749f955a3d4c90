//! A node that is not ready.

use skoop_model::{Evidence, NodeName, Role, Severity};

use super::FindingKind;
use super::case::Detail;
use crate::engine::Network;

/// `NODE-NOT-READY`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "NODE-NOT-READY",
    severity: Severity::Warning,
    role: Role::Symptom,
    meaning: "The Ready condition of a node is not true; its pods are taken out of Services.",
    remedy: "See why with `kubectl describe node`, and whether kubelet runs there.",
    detect: |_| None,
};

/// Looks at one node.
pub(super) fn inspect(network: &Network, name: &NodeName) -> Option<Detail> {
    let node = network.cluster().node(name).filter(|node| node.ready == Some(false))?;
    let evidence = Evidence::new("object", format!("node/{} condition Ready is not True", node.name));
    Some(Detail::new(format!("Node {} is not ready.", node.name)).on(evidence).at(network.node_host(name)?))
}
