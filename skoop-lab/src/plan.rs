//! What a cluster is made of: names and addresses, before anything is built.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use skoop_model::{Family, MacAddr, ObjectKey};

/// Prefix of every namespace that a lab makes.
pub const PREFIX: &str = "skoop-lab-";

/// Names and addresses of one cluster. Written by [`Plan::new`], read by topologies, API objects and placeholders alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Tells this cluster's namespaces from those of other labs on the machine.
    pub id: String,
    /// Families, the primary one first.
    pub families: Vec<Family>,
    /// Nodes.
    pub nodes: Vec<NodePlan>,
    /// Pods.
    pub pods: Vec<PodPlan>,
    /// Prefixes of all pods, one a family.
    pub pod_networks: Vec<IpNet>,
    /// Prefixes of all cluster addresses, one a family.
    pub service_networks: Vec<IpNet>,
    /// The service `default/web`.
    pub web: ServicePlan,
    /// Router: its address in the nodes' network, one a family.
    pub router: Vec<IpNet>,
    /// Router: its address in the external client's network, one a family.
    pub router_outside: Vec<IpNet>,
    /// External client: its address, one a family.
    pub outside: Vec<IpNet>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePlan {
    /// Name: `node-1`…
    pub name: String,
    /// Addresses of `eth0`, one a family.
    pub addresses: Vec<IpNet>,
    /// Pod CIDRs, one a family.
    pub pod_cidrs: Vec<IpNet>,
}

/// One pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodPlan {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Its node's name.
    pub node: String,
    /// Addresses of `eth0`, one a family, with the prefix length of the node's pod CIDR.
    pub addresses: Vec<IpNet>,
    /// Name of the host's end of its veth.
    pub veth: String,
    /// Serves TCP and UDP 80 and stands behind `default/web`.
    pub serves: bool,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePlan {
    /// Cluster addresses, one a family.
    pub cluster_ips: Vec<IpAddr>,
    /// Load-balancer addresses, one a family; the router sends them to the first node, as a route announced by it.
    pub load_balancer_ips: Vec<IpAddr>,
    /// Port of the nodes.
    pub node_port: u16,
}

impl Plan {
    /// Three nodes; a client on the first, a server on each, a second client beside `default/server` on the second.
    pub fn new(id: &str, families: &[Family]) -> Self {
        let each = |v4, v6, lengths| nets(families, v4, v6, lengths);
        let addresses = |nets: Vec<IpNet>| nets.iter().map(IpNet::addr).collect();
        Self {
            id: id.to_owned(),
            families: families.to_vec(),
            nodes: (1..=3).map(|number| NodePlan::new(families, number)).collect(),
            pods: pods(families),
            pod_networks: each([10, 244, 0, 0], [0xfd00, 0x10, 0x244, 0, 0, 0, 0, 0], (16, 48)),
            service_networks: each([10, 96, 0, 0], [0xfd00, 0x10, 0x96, 0, 0, 0, 0, 0], (16, 112)),
            web: ServicePlan {
                cluster_ips: addresses(each([10, 96, 71, 20], [0xfd00, 0x10, 0x96, 0, 0, 0, 0, 0x7120], (32, 128))),
                load_balancer_ips: addresses(each(
                    [198, 51, 100, 10],
                    [0x2001, 0xdb8, 0x51, 0, 0, 0, 0, 0x10],
                    (32, 128),
                )),
                node_port: 30_080,
            },
            router: each([172, 20, 0, 1], [0xfd00, 0x172, 0x20, 0, 0, 0, 0, 1], (24, 64)),
            router_outside: each([203, 0, 113, 1], [0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 1], (24, 64)),
            outside: each([203, 0, 113, 10], [0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 0x10], (24, 64)),
        }
    }

    /// The node with this name.
    pub fn node(&self, name: &str) -> Result<&NodePlan> {
        self.nodes.iter().find(|node| node.name == name).with_context(|| format!("the lab has no node {name}"))
    }

    /// The pod with this key.
    pub fn pod(&self, key: &ObjectKey) -> Result<&PodPlan> {
        self.pods.iter().find(|pod| pod.key == *key).with_context(|| format!("the lab has no pod {key}"))
    }

    /// The pods of a node.
    pub fn pods_on<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a PodPlan> {
        self.pods.iter().filter(move |pod| pod.node == node)
    }

    /// The gateway of a pod CIDR: its first address.
    pub fn gateway(cidr: &IpNet) -> IpAddr {
        match cidr.network() {
            IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from(u32::from(address) + 1)),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) + 1)),
        }
    }

    /// Prefix of all this lab's namespaces.
    pub fn prefix(&self) -> String {
        format!("{PREFIX}{}-", self.id)
    }

    /// Namespace of a node.
    pub fn node_netns(&self, node: &str) -> String {
        format!("{}{node}", self.prefix())
    }

    /// Namespace of a pod.
    pub fn pod_netns(&self, key: &ObjectKey) -> String {
        format!("{}pod-{}-{}", self.prefix(), key.namespace, key.name)
    }

    /// Namespace of the external client.
    pub fn outside_netns(&self) -> String {
        format!("{}outside", self.prefix())
    }

    /// Namespace of the nodes' switch and router.
    pub fn fabric_netns(&self) -> String {
        format!("{}fabric", self.prefix())
    }

    /// All namespaces.
    pub fn namespaces(&self) -> Vec<String> {
        let nodes = self.nodes.iter().map(|node| self.node_netns(&node.name));
        let pods = self.pods.iter().map(|pod| self.pod_netns(&pod.key));
        [self.fabric_netns(), self.outside_netns()].into_iter().chain(nodes).chain(pods).collect()
    }
}

/// The MAC address of a device: the same in every lab, so that two runs can be compared.
pub fn mac(place: &str, device: &str) -> MacAddr {
    let mut bytes = [0; 6];
    let hash = hash(&format!("{place}/{device}")).to_le_bytes();
    bytes.iter_mut().zip(hash).for_each(|(byte, hashed)| *byte = hashed);
    // Locally administered, unicast.
    bytes[0] = 0x0a;
    MacAddr(bytes)
}

/// FNV-1a, 64 bits.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl NodePlan {
    fn new(families: &[Family], number: u8) -> Self {
        let wide = u16::from(number);
        let address = ([172, 20, 0, 10 + number], [0xfd00, 0x172, 0x20, 0, 0, 0, 0, 0x10 + wide]);
        let cidr = ([10, 244, number, 0], [0xfd00, 0x10, 0x244, wide, 0, 0, 0, 0]);
        Self {
            name: format!("node-{number}"),
            addresses: nets(families, address.0, address.1, (24, 64)),
            pod_cidrs: nets(families, cidr.0, cidr.1, (24, 64)),
        }
    }
}

fn pods(families: &[Family]) -> Vec<PodPlan> {
    // Name, node, last part of the address (the first one is the gateway's), whether it serves.
    let pods = [
        ("client", 1, 2, false),
        ("server", 2, 2, true),
        ("client-local", 2, 3, false),
        ("server-2", 3, 2, true),
        ("server-3", 1, 3, true),
    ];
    let pod = |(name, node, host, serves): (&str, u8, u8, bool)| {
        let key = ObjectKey::new("default", name);
        let v6 = [0xfd00, 0x10, 0x244, u16::from(node), 0, 0, 0, u16::from(host)];
        PodPlan {
            node: format!("node-{node}"),
            addresses: nets(families, [10, 244, node, host], v6, (24, 64)),
            veth: format!("veth{:08x}", hash(&key.to_string()) & 0xffff_ffff),
            key,
            serves,
        }
    };
    pods.into_iter().map(pod).collect()
}

fn nets(families: &[Family], v4: [u8; 4], v6: [u16; 8], lengths: (u8, u8)) -> Vec<IpNet> {
    families.iter().map(|family| net(*family, v4, v6, lengths)).collect()
}

fn net(family: Family, v4: [u8; 4], v6: [u16; 8], (v4_length, v6_length): (u8, u8)) -> IpNet {
    match family {
        Family::V4 => IpNet::new_assert(IpAddr::from(v4), v4_length),
        Family::V6 => IpNet::new_assert(IpAddr::from(v6), v6_length),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_address_and_device_is_its_own() {
        let plan = Plan::new("1", &Family::ALL);
        let nodes = plan.nodes.iter().flat_map(|node| node.addresses.iter());
        let addresses: Vec<IpAddr> =
            nodes.chain(plan.pods.iter().flat_map(|pod| pod.addresses.iter())).map(IpNet::addr).collect();
        assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), addresses.len());
        assert_eq!(plan.pods.iter().map(|pod| &pod.veth).collect::<BTreeSet<_>>().len(), plan.pods.len());
        assert!(plan.pods.iter().all(|pod| pod.veth.len() < 16));
        for pod in &plan.pods {
            let node = plan.node(&pod.node).expect("its node");
            assert!(node.pod_cidrs.iter().zip(&pod.addresses).all(|(cidr, net)| cidr.contains(&net.addr())));
        }
    }
}
