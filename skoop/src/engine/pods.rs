//! Which namespace of a node is which pod's.

use std::collections::BTreeMap;

use skoop_model::{ClusterSnapshot, HostRole, NamespaceSnapshot, NetnsId, NodeName, ObjectKey, Pod};

/// The pods of a node by namespace. A namespace is the pod's that has one of its addresses; where several pods' addresses are in one
/// namespace, those go first that leave no choice. One pod without a namespace and one namespace without a pod belong together: a
/// pod that lost its addresses.
pub fn assign(
    cluster: &ClusterSnapshot,
    node: &NodeName,
    namespaces: &[NamespaceSnapshot],
) -> BTreeMap<NetnsId, ObjectKey> {
    let here = |pod: &&Pod| pod.node.as_ref() == Some(node) && !pod.host_network && !pod.phase.is_over();
    let mut pods: Vec<&Pod> = cluster.pods.elements().iter().filter(here).collect();
    let mut open: Vec<&NamespaceSnapshot> = namespaces.iter().filter(|one| one.role == HostRole::Other).collect();
    let mut assigned = BTreeMap::new();
    while let Some((position, pod)) = next(&open, &pods) {
        let namespace = open.remove(position);
        assigned.insert(namespace.id, pod.key.clone());
        pods.retain(|other| other.key != pod.key);
    }
    let host = namespaces.iter().find(|one| one.role == HostRole::Host).map(|one| one.id);
    open.retain(|namespace| is_joined_to(namespace, host));
    pods.retain(|pod| !pod.addresses.is_empty());
    if let ([namespace], [pod]) = (open.as_slice(), pods.as_slice()) {
        assigned.insert(namespace.id, pod.key.clone());
    }
    assigned
}

/// The namespace with the fewest pods to choose from, and the first of them.
fn next<'a>(open: &[&NamespaceSnapshot], pods: &[&'a Pod]) -> Option<(usize, &'a Pod)> {
    let choices = open.iter().enumerate().filter_map(|(position, namespace)| {
        let mut fitting = pods.iter().copied().filter(|pod| holds(namespace, pod));
        let first = fitting.next()?;
        Some((fitting.count(), position, first))
    });
    choices.min_by_key(|(others, position, _)| (*others, *position)).map(|(_, position, pod)| (position, pod))
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
    use skoop_model::{Address, AddressScope, IfIndex, Item, PodPhase};

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
            uid: String::new(),
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

    #[test]
    fn a_namespace_with_the_address_of_another_pod_stays_its_own_pods() {
        let mut cluster = ClusterSnapshot::new("test", 0);
        cluster.pods = Item::known(0, vec![pod("server", "10.0.0.2"), pod("thief", "10.0.0.3")]);
        let namespaces = [namespace(1, &["10.0.0.3/24", "10.0.0.2/24"]), namespace(2, &["10.0.0.2/24"])];
        let assigned = assign(&cluster, &NodeName::from("a"), &namespaces);
        let name = |id| assigned.get(&NetnsId(id)).map(|key| key.name.as_str());
        assert_eq!((name(1), name(2)), (Some("thief"), Some("server")));
    }
}
