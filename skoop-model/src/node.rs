//! Snapshots of namespaces and nodes.

use serde::{Deserialize, Serialize};

use crate::{
    Address, ConntrackTable, FdbEntry, IfIndex, Item, Link, Neighbour, NetfilterDumps, NetnsId, NodeName, Reason,
    Route, RoutingRule, Runtime, SCHEMA_VERSION, Socket, Sysctls, Unavailable,
};

/// The network state of one node: its own namespace and those of its pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSnapshot {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema: u32,
    /// Name of the node.
    pub node: NodeName,
    /// Kernel release (`uname -r`), if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Time at which collecting began, in milliseconds since the Unix epoch.
    pub taken_at_ms: u64,
    /// How long collecting took, in milliseconds.
    pub took_ms: u64,
    /// Namespaces, the node's own first, then by [`NetnsId`].
    pub namespaces: Vec<NamespaceSnapshot>,
    /// What the container runtime says.
    #[serde(default = "Item::not_collected")]
    pub runtime: Item<Runtime>,
    /// What could not be seen on the node beyond single items: namespaces that could not be entered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<Unavailable>,
}

impl NodeSnapshot {
    /// An empty snapshot of `node`.
    pub fn new(node: NodeName, taken_at_ms: u64) -> Self {
        Self {
            schema: SCHEMA_VERSION,
            node,
            kernel: None,
            taken_at_ms,
            took_ms: 0,
            namespaces: Vec::new(),
            runtime: Item::not_collected(),
            unseen: Vec::new(),
        }
    }

    /// The node's own namespace.
    pub fn host(&self) -> Option<&NamespaceSnapshot> {
        self.namespaces.iter().find(|namespace| namespace.role == HostRole::Host)
    }

    /// The namespace with this identity.
    pub fn namespace(&self, id: NetnsId) -> Option<&NamespaceSnapshot> {
        self.namespaces.iter().find(|namespace| namespace.id == id)
    }
}

/// Whether a namespace is the node's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostRole {
    /// The node's own namespace.
    Host,
    /// Any other: a pod's, or one of some tool.
    Other,
}

/// The network state of one namespace. Every part is there, or says why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceSnapshot {
    /// Identity on its node.
    pub id: NetnsId,
    /// Whether it is the node's own.
    pub role: HostRole,
    /// Names under `/run/netns`, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Processes that live in it, the smallest few process ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pids: Vec<u32>,
    /// UID of the pod whose processes live in it, by their control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    /// Devices, by index.
    pub links: Item<Vec<Link>>,
    /// Addresses, in the kernel's order, which source selection follows.
    pub addresses: Item<Vec<Address>>,
    /// Routes of all tables and both families, in the kernel's order.
    pub routes: Item<Vec<Route>>,
    /// Routing rules of both families, by priority.
    pub rules: Item<Vec<RoutingRule>>,
    /// Neighbours, both families.
    pub neighbours: Item<Vec<Neighbour>>,
    /// Forwarding databases of bridges and VXLAN devices.
    pub fdb: Item<Vec<FdbEntry>>,
    /// Sysctls that forwarding reads.
    pub sysctls: Item<Sysctls>,
    /// Sockets that receive: listening TCP, bound UDP.
    pub sockets: Item<Vec<Socket>>,
    /// Raw netfilter dumps.
    pub netfilter: NetfilterDumps,
    /// Connection tracking.
    #[serde(default = "Item::not_collected")]
    pub conntrack: Item<ConntrackTable>,
}

impl NamespaceSnapshot {
    /// A namespace of which nothing was collected yet.
    pub fn new(id: NetnsId, role: HostRole) -> Self {
        Self {
            id,
            role,
            names: Vec::new(),
            pids: Vec::new(),
            pod_uid: None,
            links: Item::not_collected(),
            addresses: Item::not_collected(),
            routes: Item::not_collected(),
            rules: Item::not_collected(),
            neighbours: Item::not_collected(),
            fdb: Item::not_collected(),
            sysctls: Item::not_collected(),
            sockets: Item::not_collected(),
            netfilter: NetfilterDumps::not_collected(),
            conntrack: Item::not_collected(),
        }
    }

    /// The device with this index.
    pub fn link(&self, index: IfIndex) -> Option<&Link> {
        self.links.elements().iter().find(|link| link.index == index)
    }

    /// The device with this name.
    pub fn link_named(&self, name: &str) -> Option<&Link> {
        self.links.elements().iter().find(|link| link.name == name)
    }

    /// Every part that could not be read, by name.
    ///
    /// nftables are there as JSON or as text. Of what many kernels do not tell without loading a module, hook owners and
    /// connections, only a failure counts.
    pub fn unavailable(&self) -> Vec<(&'static str, &Unavailable)> {
        let dumps = &self.netfilter;
        let parts = [
            ("links", self.links.get().err()),
            ("addresses", self.addresses.get().err()),
            ("routes", self.routes.get().err()),
            ("rules", self.rules.get().err()),
            ("neighbours", self.neighbours.get().err()),
            ("fdb", self.fdb.get().err()),
            ("sysctls", self.sysctls.get().err()),
            ("sockets", self.sockets.get().err()),
            ("iptables-legacy", dumps.legacy_v4.get().err()),
            ("ip6tables-legacy", dumps.legacy_v6.get().err()),
            ("iptables-nft", dumps.nft_v4.get().err()),
            ("ip6tables-nft", dumps.nft_v6.get().err()),
            ("nft", dumps.nft_json.get().err().filter(|_| dumps.nft_text.value().is_none())),
            ("ipset", dumps.ipset.get().err()),
            ("xt_recent", failure(&dumps.xt_recent)),
            ("ipvs", failure(&dumps.ipvs)),
            ("hooks", failure(&dumps.hooks)),
            ("conntrack", failure(&self.conntrack)),
        ];
        parts.into_iter().filter_map(|(name, why)| Some((name, why?))).collect()
    }

    /// Whether something beyond what was not asked for is missing.
    pub fn is_partial(&self) -> bool {
        self.unavailable().iter().any(|(_, why)| why.reason != Reason::NotCollected)
    }
}

/// Why a part is missing that a kernel need not have and an older snapshot does not know, if that is a failure.
fn failure<T>(item: &Item<T>) -> Option<&Unavailable> {
    item.get().err().filter(|why| ![Reason::NotCollected, Reason::Unsupported].contains(&why.reason))
}
