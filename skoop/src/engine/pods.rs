//! Which namespace of a node is which pod's.

use std::collections::BTreeMap;
use std::net::IpAddr;

use skoop_model::{
    ClusterSnapshot, HostRole, NamespaceSnapshot, NetnsId, NodeName, NodeSnapshot, ObjectKey, Pod, Sandbox,
};

/// The namespaces of a node's pods, and where the container runtime and the API disagree about them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// Pods by namespace.
    pub pods: BTreeMap<NetnsId, ObjectKey>,
    /// Disagreements.
    pub mismatches: Vec<Mismatch>,
}

/// What the runtime says of a pod and what speaks against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The pod.
    pub pod: ObjectKey,
    /// Its namespace by the runtime's word.
    pub namespace: NetnsId,
    /// The pod's sandbox.
    pub sandbox: String,
    /// What differs.
    pub difference: Difference,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The addresses that the runtime gave the sandbox are not those of the API.
    Addresses { runtime: Vec<IpAddr>, api: Vec<IpAddr> },
    /// An address of the pod is in another namespace, and not in the sandbox's.
    Elsewhere { address: IpAddr, namespace: NetnsId },
    /// The processes in the sandbox's namespace are of the pod with this UID.
    Processes { uid: String },
}

/// The pods of a node by namespace: by what the container runtime says, else by the control groups of the processes in a namespace, else
/// by address. A namespace is then the pod's that has one of its addresses; where several pods' addresses are in one namespace, those go
/// first that leave no choice. One pod without a namespace and one namespace without a pod belong together: a pod that lost its addresses.
pub fn assign(cluster: &ClusterSnapshot, node: &NodeName, snapshot: &NodeSnapshot) -> Assigned {
    let here = |pod: &&Pod| pod.node.as_ref() == Some(node) && !pod.host_network && !pod.phase.is_over();
    let mut pods: Vec<&Pod> = cluster.pods.elements().iter().filter(here).collect();
    let namespaces = &snapshot.namespaces;
    let mut open: Vec<&NamespaceSnapshot> = namespaces.iter().filter(|one| one.role == HostRole::Other).collect();
    let mut assigned = Assigned::default();
    for pod in pods.clone() {
        let Some((sandbox, namespace)) = by_runtime(snapshot, &open, pod) else { continue };
        assigned.mismatches.extend(mismatches(namespaces, pod, sandbox, namespace));
        assigned.take(&mut open, &mut pods, namespace.id, pod);
    }
    for pod in pods.clone() {
        let own = open.iter().find(|namespace| namespace.pod_uid.as_ref() == Some(&pod.uid));
        if let Some(id) = own.map(|namespace| namespace.id) {
            assigned.take(&mut open, &mut pods, id, pod);
        }
    }
    while let Some((id, pod)) = next(&open, &pods) {
        assigned.take(&mut open, &mut pods, id, pod);
    }
    let host = namespaces.iter().find(|one| one.role == HostRole::Host).map(|one| one.id);
    open.retain(|namespace| is_joined_to(namespace, host));
    pods.retain(|pod| !pod.addresses.is_empty());
    if let ([namespace], [pod]) = (open.as_slice(), pods.as_slice()) {
        assigned.pods.insert(namespace.id, pod.key.clone());
    }
    assigned
}

impl Assigned {
    fn take(&mut self, open: &mut Vec<&NamespaceSnapshot>, pods: &mut Vec<&Pod>, id: NetnsId, pod: &Pod) {
        self.pods.insert(id, pod.key.clone());
        open.retain(|namespace| namespace.id != id);
        pods.retain(|other| other.key != pod.key);
    }
}

/// The pod's ready sandbox and its namespace, if that is there and free.
fn by_runtime<'a>(
    snapshot: &'a NodeSnapshot,
    open: &[&'a NamespaceSnapshot],
    pod: &Pod,
) -> Option<(&'a Sandbox, &'a NamespaceSnapshot)> {
    let runtime = snapshot.runtime.value()?;
    // kubelet gives a static pod another UID than the API gives its mirror.
    let of_static = || {
        let mut same = runtime.sandboxes.iter().filter(|sandbox| sandbox.ready && sandbox.pod == pod.key);
        same.find(|sandbox| is_hash(&sandbox.uid))
    };
    let sandbox = runtime.ready_sandbox(&pod.uid).or_else(of_static)?;
    let id = sandbox.netns?;
    open.iter().copied().find(|namespace| namespace.id == id).map(|namespace| (sandbox, namespace))
}

fn is_hash(uid: &str) -> bool {
    !uid.is_empty() && !uid.contains('-')
}

/// What speaks against the runtime's word.
fn mismatches(
    namespaces: &[NamespaceSnapshot],
    pod: &Pod,
    sandbox: &Sandbox,
    namespace: &NamespaceSnapshot,
) -> Vec<Mismatch> {
    let (own, api) = (&sandbox.addresses, &pod.addresses);
    let addresses = own.first().filter(|first| !api.is_empty() && !api.contains(first));
    let addresses = addresses.map(|_| Difference::Addresses { runtime: own.clone(), api: api.clone() });
    let others = || namespaces.iter().filter(|other| other.id != namespace.id && other.role == HostRole::Other);
    let elsewhere = api.iter().filter(|address| !has(namespace, **address)).find_map(|address| {
        let other = others().find(|other| has(other, *address))?;
        Some(Difference::Elsewhere { address: *address, namespace: other.id })
    });
    let stranger = namespace.pod_uid.as_ref().filter(|uid| **uid != sandbox.uid);
    let processes = stranger.map(|uid| Difference::Processes { uid: uid.clone() });
    let differences = [addresses, elsewhere, processes].into_iter().flatten();
    let mismatch = |difference| Mismatch {
        pod: pod.key.clone(),
        namespace: namespace.id,
        sandbox: sandbox.id.clone(),
        difference,
    };
    differences.map(mismatch).collect()
}

fn has(namespace: &NamespaceSnapshot, address: IpAddr) -> bool {
    namespace.addresses.elements().iter().any(|entry| entry.ip() == address)
}

/// The namespace with the fewest pods to choose from, and the first of them.
fn next<'a>(open: &[&NamespaceSnapshot], pods: &[&'a Pod]) -> Option<(NetnsId, &'a Pod)> {
    let choices = open.iter().enumerate().filter_map(|(position, namespace)| {
        let mut fitting = pods.iter().copied().filter(|pod| holds(namespace, pod));
        let first = fitting.next()?;
        Some((fitting.count(), position, first))
    });
    choices
        .min_by_key(|(others, position, _)| (*others, *position))
        .and_then(|(_, position, pod)| Some((open.get(position)?.id, pod)))
}

fn holds(namespace: &NamespaceSnapshot, pod: &Pod) -> bool {
    namespace.addresses.elements().iter().any(|entry| pod.addresses.contains(&entry.ip()))
}

/// Whether a veth leads from the namespace to the node's own.
fn is_joined_to(namespace: &NamespaceSnapshot, host: Option<NetnsId>) -> bool {
    let mut peers = namespace.links.elements().iter().filter_map(|link| link.veth_peer()?.netns);
    host.is_some_and(|host| peers.any(|peer| peer == host))
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;
    use skoop_model::{Address, AddressScope, IfIndex, Item, PodPhase, Runtime};

    use super::*;

    fn namespace(id: u64, nets: &[&str]) -> NamespaceSnapshot {
        let mut namespace = NamespaceSnapshot::new(NetnsId(id), HostRole::Other);
        let address = |net: &&str| Address {
            link: IfIndex(2),
            net: net.parse::<IpNet>().expect("a literal prefix"),
            peer: None,
            scope: AddressScope::Global,
            secondary: false,
            deprecated: false,
            tentative: false,
            dad_failed: false,
        };
        namespace.addresses = Item::known(0, nets.iter().map(address).collect());
        namespace
    }

    fn pod(name: &str, address: &str) -> Pod {
        Pod {
            key: ObjectKey::new("default", name),
            uid: format!("uid-{name}"),
            node: Some(NodeName::from("a")),
            addresses: vec![address.parse().expect("a literal address")],
            host_network: false,
            phase: PodPhase::Running,
            ready: true,
            labels: BTreeMap::new(),
            ports: Vec::new(),
            owner: None,
        }
    }

    fn node(namespaces: Vec<NamespaceSnapshot>, sandboxes: Option<Vec<Sandbox>>) -> NodeSnapshot {
        let mut node = NodeSnapshot::new(NodeName::from("a"), 0);
        node.namespaces = namespaces;
        if let Some(sandboxes) = sandboxes {
            let (name, version, endpoint) = ("containerd".to_owned(), String::new(), String::new());
            node.runtime = Item::known(0, Runtime { name, version, endpoint, sandboxes, unseen: Vec::new() });
        }
        node
    }

    fn sandbox(name: &str, ready: bool, netns: u64, address: &str) -> Sandbox {
        Sandbox {
            id: format!("{name}-{netns}"),
            pod: ObjectKey::new("default", name),
            uid: format!("uid-{name}"),
            ready,
            host_network: false,
            addresses: address.parse().into_iter().collect(),
            pid: None,
            netns_path: None,
            netns: Some(NetnsId(netns)),
        }
    }

    fn assigned(pods: Vec<Pod>, node: &NodeSnapshot) -> Assigned {
        let mut cluster = ClusterSnapshot::new("test", 0);
        cluster.pods = Item::known(0, pods);
        assign(&cluster, &NodeName::from("a"), node)
    }

    fn names(assigned: &Assigned) -> Vec<(u64, &str)> {
        assigned.pods.iter().map(|(id, key)| (id.0, key.name.as_str())).collect()
    }

    #[test]
    fn a_namespace_with_the_address_of_another_pod_stays_its_own_pods() {
        let namespaces = vec![namespace(1, &["10.0.0.3/24", "10.0.0.2/24"]), namespace(2, &["10.0.0.2/24"])];
        let pods = vec![pod("server", "10.0.0.2"), pod("thief", "10.0.0.3")];
        assert_eq!(names(&assigned(pods, &node(namespaces, None))), [(1, "thief"), (2, "server")]);
    }

    #[test]
    fn the_runtime_knows_the_namespace_of_a_pod_without_addresses() {
        let namespaces = vec![namespace(1, &[]), namespace(2, &[]), namespace(3, &["10.0.0.4/24"])];
        let pods = vec![pod("client", "10.0.0.2"), pod("server", "10.0.0.3"), pod("old", "10.0.0.4")];
        let sandboxes = vec![
            sandbox("client", true, 2, "10.0.0.2"),
            sandbox("server", true, 1, "10.0.0.3"),
            // It is over, and its namespace is another pod's or gone: the address decides.
            sandbox("old", false, 1, ""),
        ];
        let assigned = assigned(pods, &node(namespaces, Some(sandboxes)));
        assert_eq!(names(&assigned), [(1, "server"), (2, "client"), (3, "old")]);
        assert_eq!(assigned.mismatches, []);
    }

    #[test]
    fn a_namespace_that_was_not_seen_leaves_the_pod_to_its_address() {
        let namespaces = vec![namespace(1, &["10.0.0.2/24"])];
        let sandboxes = vec![sandbox("client", true, 9, "10.0.0.2")];
        let assigned = assigned(vec![pod("client", "10.0.0.2")], &node(namespaces, Some(sandboxes)));
        assert_eq!(names(&assigned), [(1, "client")]);
    }

    #[test]
    fn processes_name_the_pod_where_no_runtime_does() {
        let mut other = namespace(2, &[]);
        other.pod_uid = Some("uid-server".to_owned());
        let namespaces = vec![namespace(1, &["10.0.0.3/24"]), other];
        let pods = vec![pod("client", "10.0.0.3"), pod("server", "10.0.0.3")];
        assert_eq!(names(&assigned(pods, &node(namespaces, None))), [(1, "client"), (2, "server")]);
    }

    #[test]
    fn a_static_pod_is_found_by_its_name() {
        let namespaces = vec![namespace(1, &[]), namespace(2, &[])];
        let of_static = Sandbox { uid: "0f4e5b5f9d0c3c5a".to_owned(), ..sandbox("web", true, 2, "10.0.0.2") };
        let stranger = Sandbox { uid: "an-older-one".to_owned(), ..sandbox("db", true, 1, "10.0.0.3") };
        let pods = vec![pod("web", "10.0.0.2"), pod("db", "10.0.0.9")];
        let assigned = assigned(pods, &node(namespaces, Some(vec![of_static, stranger])));
        assert_eq!(names(&assigned), [(2, "web")]);
    }

    #[test]
    fn what_speaks_against_the_runtime_is_told() {
        let mut theirs = namespace(1, &["10.0.0.7/24"]);
        theirs.pod_uid = Some("uid-other".to_owned());
        let namespaces = vec![theirs, namespace(2, &["10.0.0.2/24"])];
        let sandboxes = vec![sandbox("client", true, 1, "10.0.0.7")];
        let assigned = assigned(vec![pod("client", "10.0.0.2")], &node(namespaces, Some(sandboxes)));
        assert_eq!(names(&assigned), [(1, "client")]);
        let differences: Vec<Difference> =
            assigned.mismatches.into_iter().map(|mismatch| mismatch.difference).collect();
        let (api, runtime): (IpAddr, IpAddr) = ([10, 0, 0, 2].into(), [10, 0, 0, 7].into());
        assert_eq!(
            differences,
            [
                Difference::Addresses { runtime: vec![runtime], api: vec![api] },
                Difference::Elsewhere { address: api, namespace: NetnsId(2) },
                Difference::Processes { uid: "uid-other".to_owned() },
            ]
        );
    }
}
