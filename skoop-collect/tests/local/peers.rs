//! Which namespace the other end of a veth is in.

use std::collections::BTreeSet;

use skoop_collect::local::{NetnsRef, Options, Others, Selection, collect};
use skoop_model::{HostRole, Link, NamespaceSnapshot, NodeName, NodeSnapshot, VethPeer};

use crate::support::Namespace;

/// A host with two pods, a veth between the pods, and a stranger's namespace behind the host's uplink.
struct World {
    host: Namespace,
    pods: [Namespace; 2],
    underlay: Namespace,
}

impl World {
    fn new(tag: &str) -> Self {
        let make = |role: &str| Namespace::new(&format!("{tag}-{role}"));
        let world = Self { host: make("host"), pods: [make("p0"), make("p1")], underlay: make("under") };
        for (number, pod) in world.pods.iter().enumerate() {
            world.host.ip(&format!("link add veth{number} type veth peer name eth0 netns {}", pod.name));
        }
        let [first, second] = &world.pods;
        first.ip(&format!("link add side0 type veth peer name side1 netns {}", second.name));
        world.underlay.ip(&format!("link add port0 type veth peer name eth0 netns {}", world.host.name));
        world
    }

    fn collect(&self, others: Others) -> NodeSnapshot {
        let selection = Selection { host: self.host.netns(), others };
        collect(NodeName::from("node"), &selection, &Options::default()).unwrap()
    }
}

fn named<'a>(snapshot: &'a NodeSnapshot, namespace: &Namespace) -> &'a NamespaceSnapshot {
    snapshot.namespaces.iter().find(|found| found.names.contains(&namespace.name)).unwrap()
}

fn peer(namespace: &NamespaceSnapshot, name: &str) -> VethPeer {
    namespace.link_named(name).and_then(Link::veth_peer).copied().unwrap()
}

/// Asserts that each of two devices has the other as its peer.
fn assert_pair(one: (&NamespaceSnapshot, &str), other: (&NamespaceSnapshot, &str)) {
    for ((here, name), (there, far)) in [(one, other), (other, one)] {
        let expected = VethPeer { index: there.link_named(far).unwrap().index, netns: Some(there.id) };
        assert_eq!(peer(here, name), expected, "{name} to {far}");
    }
}

#[test]
#[ignore = "needs root: run by make test"]
fn peers_are_found_in_every_direction() {
    let world = World::new("peers");
    let snapshot = world.collect(Others::All);
    let [host, first, second, underlay] =
        [&world.host, &world.pods[0], &world.pods[1], &world.underlay].map(|namespace| named(&snapshot, namespace));
    assert_pair((host, "veth0"), (first, "eth0"));
    assert_pair((host, "veth1"), (second, "eth0"));
    assert_pair((first, "side0"), (second, "side1"));
    assert_pair((underlay, "port0"), (host, "eth0"));
    assert_eq!(snapshot.host().map(|host| host.id), Some(host.id));
    assert_eq!(snapshot.namespaces.first().map(|first| first.role), Some(HostRole::Host));
    assert!(snapshot.namespaces.iter().skip(1).is_sorted_by_key(|namespace| namespace.id));
    let nameless =
        snapshot.namespaces.iter().find(|namespace| !namespace.pids.is_empty() && namespace.names.is_empty());
    assert!(nameless.is_some(), "the namespace of this process");
    assert!(snapshot.namespaces.iter().all(|namespace| namespace.pids.len() <= 4));
}

#[test]
#[ignore = "needs root: run by make test"]
fn a_namespace_that_was_not_selected_is_nobodys_peer() {
    let world = World::new("these");
    let [first, second] = &world.pods;
    let snapshot = world.collect(Others::These(vec![first.netns(), second.netns(), first.netns(), world.host.netns()]));
    assert_eq!(snapshot.namespaces.len(), 3);
    let host = named(&snapshot, &world.host);
    assert_pair((host, "veth0"), (named(&snapshot, first), "eth0"));
    assert_eq!(peer(host, "eth0").netns, None);

    let alone = world.collect(Others::None);
    assert_eq!(alone.namespaces.len(), 1);
    assert_eq!(peer(named(&alone, &world.host), "veth0").netns, None);
}

#[test]
#[ignore = "needs root: run by make test"]
fn those_connected_to_the_host_are_its_direct_neighbours() {
    let world = World::new("conn");
    let beyond = Namespace::new("conn-beyond");
    world.underlay.ip(&format!("link add far0 type veth peer name eth0 netns {}", beyond.name));
    let snapshot = world.collect(Others::ConnectedByVeth);
    let names: BTreeSet<_> = snapshot.namespaces.iter().flat_map(|namespace| namespace.names.iter().cloned()).collect();
    let [first, second] = &world.pods;
    let expected = [&world.host, first, second, &world.underlay].map(|namespace| namespace.name.clone());
    assert_eq!(names, expected.into());
    assert_pair((named(&snapshot, first), "side0"), (named(&snapshot, second), "side1"));
    assert_eq!(peer(named(&snapshot, &world.underlay), "far0").netns, None);
}

#[test]
#[ignore = "needs root: run by make test"]
fn a_namespace_is_the_same_by_every_name() {
    let world = World::new("names");
    let path = NetnsRef::Path(format!("/run/netns/{}", world.host.name).into());
    let by_path = collect(
        NodeName::from("node"),
        &Selection { host: path, others: Others::None },
        &Options { netfilter: false, ..Options::default() },
    )
    .unwrap();
    let by_name = world.collect(Others::None);
    assert_eq!(by_path.host().unwrap().id, by_name.host().unwrap().id);
    let pid = NetnsRef::Pid(std::process::id());
    let selection = Selection { host: pid, others: Others::None };
    let by_pid = collect(NodeName::from("node"), &selection, &Options::default()).unwrap();
    let current = Selection { host: NetnsRef::Current, others: Others::None };
    let current = collect(NodeName::from("node"), &current, &Options::default()).unwrap();
    assert_eq!(by_pid.host().unwrap().id, current.host().unwrap().id);
}
