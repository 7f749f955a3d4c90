//! The kinds that are served: one line each.

/// One kind of object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// `Pod`.
    pub(super) name: &'static str,
    /// `pods`.
    pub(super) plural: &'static str,
    /// API group; empty is the core group.
    pub(super) group: &'static str,
    /// Version within the group.
    pub(super) version: &'static str,
    /// Whether its objects live in namespaces.
    pub(super) namespaced: bool,
    /// Name that `kubectl` also takes.
    pub(super) short: &'static str,
}

const fn kind(
    group: &'static str,
    name: &'static str,
    plural: &'static str,
    namespaced: bool,
    short: &'static str,
) -> Kind {
    Kind { name, plural, group, version: "v1", namespaced, short }
}

/// All kinds, by group.
pub(super) const KINDS: [Kind; 10] = [
    kind("", "ConfigMap", "configmaps", true, "cm"),
    kind("", "Namespace", "namespaces", false, "ns"),
    kind("", "Node", "nodes", false, "no"),
    kind("", "Pod", "pods", true, "po"),
    kind("", "Service", "services", true, "svc"),
    kind("apps", "DaemonSet", "daemonsets", true, "ds"),
    kind("apps", "Deployment", "deployments", true, "deploy"),
    kind("apps", "ReplicaSet", "replicasets", true, "rs"),
    kind("discovery.k8s.io", "EndpointSlice", "endpointslices", true, "eps"),
    kind("networking.k8s.io", "NetworkPolicy", "networkpolicies", true, "netpol"),
];

impl Kind {
    /// `v1`, `apps/v1`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The kind with this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// The kind with this plural in this version of a group.
    pub(super) fn of_resource(group: &str, version: &str, plural: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
    }
}
