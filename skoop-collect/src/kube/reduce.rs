//! Kubernetes objects, reduced: pure functions from the API's types to the model's.
//!
//! What the API leaves out is filled in as the API documents its default. A value that cannot be understood is dropped alone where that
//! only loses something (one address of many), and with what depends on it where dropping it alone would change the meaning: a policy
//! rule whose only peer is unreadable must not become a rule for everybody.

mod endpoint_slice;
mod meta;
mod network_policy;
mod node;
mod pod;
mod service;

use k8s_openapi::api::{apps::v1::DaemonSet as KubeDaemonSet, core::v1::Namespace as KubeNamespace};
use skoop_model::{DaemonSet, Namespace};

pub(super) use endpoint_slice::endpoint_slice;
pub(super) use network_policy::network_policy;
pub(super) use node::node;
pub(super) use pod::pod;
pub(super) use service::service;

/// Namespaces in which CNI plugins, policy agents and kube-proxy run.
const SYSTEM_NAMESPACES: [&str; 14] = [
    "antrea",
    "calico-apiserver",
    "calico-system",
    "cilium",
    "kube-flannel",
    "kube-ovn",
    "kube-router",
    "kube-system",
    "openshift-multus",
    "openshift-ovn-kubernetes",
    "openshift-sdn",
    "terway-system",
    "tigera-operator",
    "weave",
];

/// A daemon set of a system namespace; none for any other.
pub(super) fn daemon_set(set: &KubeDaemonSet) -> Option<DaemonSet> {
    let key = meta::key(&set.metadata)?;
    if !SYSTEM_NAMESPACES.contains(&key.namespace.as_str()) {
        return None;
    }
    let containers = set.spec.template.spec.iter().flat_map(|pod| &pod.containers);
    let count = |number: i32| u32::try_from(number).unwrap_or(0);
    Some(DaemonSet {
        key,
        images: containers.filter_map(|container| container.image.clone()).collect(),
        desired: set.status.as_ref().map_or(0, |status| count(status.desired_number_scheduled)),
        ready: set.status.as_ref().map_or(0, |status| count(status.number_ready)),
    })
}

/// A namespace.
pub(super) fn namespace(namespace: &KubeNamespace) -> Option<Namespace> {
    Some(Namespace { name: meta::name(&namespace.metadata)?, labels: meta::labels(&namespace.metadata) })
}

#[cfg(test)]
mod tests;
