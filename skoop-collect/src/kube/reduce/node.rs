//! Nodes.

use k8s_openapi::api::core::v1::{Node as KubeNodeObject, NodeSpec, NodeStatus};
use skoop_model::{KubeNode, NodeName};

use super::meta;

/// A node; none without name.
pub(in crate::kube) fn node(node: &KubeNodeObject) -> Option<KubeNode> {
    let (spec, status) = (node.spec.as_ref(), node.status.as_ref());
    Some(KubeNode {
        name: NodeName(meta::name(&node.metadata)?),
        addresses: status.map(addresses).unwrap_or_default(),
        pod_cidrs: spec.map(pod_cidrs).unwrap_or_default(),
        ready: status.and_then(ready),
        labels: meta::labels(&node.metadata),
        provider_id: spec.and_then(|spec| spec.provider_id.clone()).filter(|id| !id.is_empty()),
    })
}

/// Internal and external addresses; host names and DNS names are left out.
fn addresses(status: &NodeStatus) -> Vec<std::net::IpAddr> {
    let entries = status.addresses.iter().flatten();
    let entries = entries.filter(|entry| matches!(entry.type_.as_str(), "InternalIP" | "ExternalIP"));
    meta::addresses(entries.map(|entry| &entry.address))
}

/// `podCIDRs`, which begins with `podCIDR`; older servers have only the latter.
fn pod_cidrs(spec: &NodeSpec) -> Vec<ipnet::IpNet> {
    let all = meta::prefixes(spec.pod_cidrs.iter().flatten());
    if all.is_empty() { meta::prefixes(&spec.pod_cidr) } else { all }
}

/// The Ready condition; `Unknown` (the node does not answer) is not ready.
fn ready(status: &NodeStatus) -> Option<bool> {
    let condition = status.conditions.iter().flatten().find(|condition| condition.type_ == "Ready")?;
    Some(condition.status == "True")
}
