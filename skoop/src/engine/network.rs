//! Everything supplied so far, joined: nodes, their namespaces, and what is linked to what.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use skoop_cloud::{CloudProvider, FlatNetwork};
use skoop_cni::{CniPlugin, NodeView};
use skoop_model::{
    ClusterSnapshot, HostRole, IfIndex, Link, NamespaceSnapshot, NetnsId, NodeName, NodeSnapshot, ObjectKey, Pod,
    Reason, SnapshotInfo, Unavailable,
};
use skoop_sim::{Namespace, Site, Tri};

use super::pods::{Assigned, Mismatch};

/// Index of a namespace in the [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(usize);

/// One namespace of one node.
#[derive(Debug)]
pub struct Host {
    /// Node.
    pub node: NodeName,
    /// As reports name it: `host`, `pod/NS/NAME`, or a name under `/run/netns`.
    pub label: String,
    /// Whether it is the node's own.
    pub role: HostRole,
    /// The pod that lives in it.
    pub pod: Option<ObjectKey>,
    /// Its state, compiled.
    pub namespace: Namespace,
}

/// Whether a node's state is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState<'a> {
    /// It is.
    Known,
    /// It could not be seen.
    Unavailable(&'a Unavailable),
    /// Nobody asked for it yet.
    Missing,
}

/// The cluster and the nodes supplied so far.
#[derive(Debug)]
pub struct Network {
    cluster: ClusterSnapshot,
    cni: &'static dyn CniPlugin,
    cloud: &'static dyn CloudProvider,
    hosts: Vec<Host>,
    by_netns: HashMap<(NodeName, NetnsId), HostId>,
    nodes: BTreeMap<NodeName, Result<SnapshotInfo, Unavailable>>,
    closed_namespaces: BTreeMap<NodeName, usize>,
    mismatches: Vec<(NodeName, Mismatch)>,
}

impl Network {
    /// A cluster of which no node is known yet.
    pub fn new(cluster: ClusterSnapshot) -> Self {
        let cni = skoop_cni::detect(&cluster);
        Self {
            cluster,
            cni,
            cloud: &FlatNetwork,
            hosts: Vec::new(),
            by_netns: HashMap::new(),
            nodes: BTreeMap::new(),
            closed_namespaces: BTreeMap::new(),
            mismatches: Vec::new(),
        }
    }

    /// Adds a node's state. What it holds is filed under `name`, the name that was asked for.
    pub fn add_node(&mut self, name: &NodeName, snapshot: NodeSnapshot) {
        let partial = partial_items(&snapshot);
        let info =
            SnapshotInfo { of: name.0.clone(), taken_at_ms: snapshot.taken_at_ms, took_ms: snapshot.took_ms, partial };
        self.nodes.insert(name.clone(), Ok(info));
        let closed = snapshot.unseen.iter().filter(|why| why.reason == Reason::Permission);
        self.closed_namespaces.insert(name.clone(), closed.count());
        let Assigned { mut pods, mismatches } = super::pods::assign(&self.cluster, name, &snapshot);
        for namespace in snapshot.namespaces {
            let id = HostId(self.hosts.len());
            self.by_netns.insert((name.clone(), namespace.id), id);
            let pod = pods.remove(&namespace.id);
            let label = label_of(&namespace, pod.as_ref());
            let role = namespace.role;
            self.hosts.push(Host { node: name.clone(), label, role, pod, namespace: Namespace::new(namespace) });
        }
        self.mismatches.extend(mismatches.into_iter().map(|mismatch| (name.clone(), mismatch)));
    }

    /// Notes that a node could not be seen.
    pub fn add_unavailable(&mut self, name: &NodeName, why: Unavailable) {
        self.nodes.insert(name.clone(), Err(why));
    }

    /// Forgets what is known of a node, so that it can be told anew. Every [`HostId`] from before is void: it is called between two
    /// walks, and nothing keeps one from walk to walk.
    pub fn forget(&mut self, name: &NodeName) {
        self.nodes.remove(name);
        self.closed_namespaces.remove(name);
        self.mismatches.retain(|(node, _)| node != name);
        let (mut kept, mut moved) = (Vec::new(), HashMap::new());
        for (old, host) in std::mem::take(&mut self.hosts).into_iter().enumerate() {
            if host.node != *name {
                moved.insert(HostId(old), HostId(kept.len()));
                kept.push(host);
            }
        }
        self.hosts = kept;
        self.by_netns = std::mem::take(&mut self.by_netns)
            .into_iter()
            .filter_map(|(netns, old)| Some((netns, *moved.get(&old)?)))
            .collect();
    }

    /// The cluster's objects.
    pub fn cluster(&self) -> &ClusterSnapshot {
        &self.cluster
    }

    /// Namespaces that exist and may not be entered.
    pub fn closed_namespaces(&self) -> usize {
        self.closed_namespaces.values().sum()
    }

    /// What is known of the CNI plugin.
    pub fn cni(&self) -> &'static dyn CniPlugin {
        self.cni
    }

    /// What is known of the network between nodes.
    pub fn cloud(&self) -> &'static dyn CloudProvider {
        self.cloud
    }

    /// One namespace.
    pub fn host(&self, id: HostId) -> &Host {
        self.hosts.get(id.0).expect("a HostId is of this network since its last `forget`, which no walk outlives")
    }

    /// All namespaces.
    pub fn hosts(&self) -> impl Iterator<Item = (HostId, &Host)> {
        self.hosts.iter().enumerate().map(|(position, host)| (HostId(position), host))
    }

    /// Whether a node's state is there.
    pub fn node_state(&self, name: &NodeName) -> NodeState<'_> {
        match self.nodes.get(name) {
            None => NodeState::Missing,
            Some(Ok(_)) => NodeState::Known,
            Some(Err(why)) => NodeState::Unavailable(why),
        }
    }

    /// What the snapshots are, by node.
    pub fn snapshots(&self) -> impl Iterator<Item = &SnapshotInfo> {
        self.nodes.values().filter_map(|node| node.as_ref().ok())
    }

    /// Nodes that could not be seen.
    pub fn unavailable_nodes(&self) -> impl Iterator<Item = (&NodeName, &Unavailable)> {
        self.nodes.iter().filter_map(|(name, node)| Some((name, node.as_ref().err()?)))
    }

    /// Where container runtimes and the API disagree about pods, by the namespace that the runtime names.
    pub fn mismatches(&self) -> impl Iterator<Item = (HostId, &Mismatch)> {
        self.mismatches.iter().filter_map(|(node, mismatch)| Some((self.of_netns(node, mismatch.namespace)?, mismatch)))
    }

    /// The namespace of this identity on a node.
    pub fn of_netns(&self, node: &NodeName, netns: NetnsId) -> Option<HostId> {
        self.by_netns.get(&(node.clone(), netns)).copied()
    }

    /// A node's own namespace.
    pub fn node_host(&self, name: &NodeName) -> Option<HostId> {
        self.hosts().find(|(_, host)| host.node == *name && host.role == HostRole::Host).map(|(id, _)| id)
    }

    /// The namespace of a pod; the node's own for a pod on the host network.
    pub fn pod_host(&self, pod: &Pod) -> Option<HostId> {
        if pod.host_network {
            return self.node_host(pod.node.as_ref()?);
        }
        self.hosts().find(|(_, host)| host.pod.as_ref() == Some(&pod.key)).map(|(id, _)| id)
    }

    /// Namespaces that have `address` on a device, pods first.
    pub fn hosts_with_address(&self, address: IpAddr) -> Vec<HostId> {
        let mut owners: Vec<HostId> = self
            .hosts()
            .filter(|(_, host)| host.namespace.device_of_address(address).is_some())
            .map(|(id, _)| id)
            .collect();
        owners.sort_by_key(|id| self.host(*id).pod.is_none());
        owners
    }

    /// Whether the world outside the nodes can be expected to deliver to `address`.
    pub fn reaches_from_outside(&self, address: IpAddr) -> Tri {
        let cluster = self.cluster();
        if cluster.service_with_address(address).is_some_and(|service| service.cluster_ips.contains(&address)) {
            return Tri::No;
        }
        let of_pod = cluster.node_with_pod_cidr(address).is_some() || !cluster.pods_with_address(address).is_empty();
        if !of_pod {
            return Tri::Yes;
        }
        // A node that lost its own routes to pods says nothing: any node in sight shows the pattern.
        let verdicts = cluster.nodes.elements().iter().filter_map(|node| {
            let host = &self.host(self.node_host(&node.name)?).namespace;
            Some(self.cni.underlay_carries_pods(&NodeView { host, node, cluster }))
        });
        let verdicts: Vec<Tri> = verdicts.collect();
        if verdicts.contains(&Tri::No) { Tri::No } else { Tri::Maybe }
    }

    /// The namespace for the simulator.
    pub fn site(&self, id: HostId) -> Site<'_> {
        let host = self.host(id);
        Site { node: &host.node, label: &host.label, namespace: &host.namespace }
    }

    /// The other end of a veth, if its namespace is known.
    pub fn veth_peer(&self, id: HostId, link: &Link) -> Option<(HostId, IfIndex)> {
        let peer = link.veth_peer()?;
        let netns = peer.netns?;
        let host = self.of_netns(&self.host(id).node, netns)?;
        self.host(host).namespace.link(peer.index)?;
        Some((host, peer.index))
    }
}

fn label_of(namespace: &NamespaceSnapshot, pod: Option<&ObjectKey>) -> String {
    match (namespace.role, pod) {
        (HostRole::Host, _) => "host".to_owned(),
        (HostRole::Other, Some(pod)) => format!("pod/{pod}"),
        (HostRole::Other, None) => {
            namespace.names.first().cloned().unwrap_or_else(|| format!("netns-{}", namespace.id))
        }
    }
}

/// Parts of a snapshot that should be there and are not.
fn partial_items(snapshot: &NodeSnapshot) -> Vec<String> {
    let namespaces = snapshot.namespaces.iter().filter(|namespace| namespace.is_partial());
    let parts = namespaces.flat_map(|namespace| {
        let label = label_of(namespace, None);
        let missing = namespace.unavailable().into_iter();
        missing
            .filter(|(_, why)| why.reason != Reason::NotCollected)
            .map(move |(part, why)| format!("{label}: {part} {why}"))
    });
    // A node need not have a runtime, and nobody need ask it.
    let silent = |why: &&Unavailable| ![Reason::NotCollected, Reason::NotFound].contains(&why.reason);
    let runtime = snapshot.runtime.get().err().filter(silent).into_iter();
    let sandboxes = snapshot.runtime.value().into_iter().flat_map(|runtime| &runtime.unseen);
    let unseen = snapshot.unseen.iter().chain(runtime).chain(sandboxes);
    parts.chain(unseen.map(ToString::to_string)).collect()
}
