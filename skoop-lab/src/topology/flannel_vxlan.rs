//! Flannel with its VXLAN backend: a device per family with static neighbours and forwarding entries, nothing learned.

use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};
use skoop_model::Family;

use super::{Setup, Topology, base, flannel};
use crate::plan::{NodePlan, Plan, PodPlan, mac};

/// Flannel's default (`pkg/backend/vxlan/vxlan.go`).
const VNI: u32 = 1;
/// Linux's historic port, which Flannel leaves in place.
const PORT: u16 = 8472;
/// MTU of `eth0`.
const UPLINK_MTU: u32 = 1500;

/// The topology `flannel-vxlan`.
pub(super) struct FlannelVxlan;

impl Topology for FlannelVxlan {
    fn id(&self) -> &'static str {
        "flannel-vxlan"
    }

    fn node(&self, plan: &Plan, node: &NodePlan) -> Setup {
        let mut setup = Setup { ip: flannel::bridge(plan, node, POD_MTU), ..Setup::default() };
        for (index, family) in plan.families.iter().enumerate() {
            tunnel(plan, node, *family, index, &mut setup);
        }
        setup.restore = flannel::rules(plan, node);
        setup
    }

    fn pod(&self, plan: &Plan, pod: &PodPlan) -> Setup {
        let node = plan.nodes.iter().find(|node| node.name == pod.node);
        let ip = node.map(|node| flannel::pod(plan, node, pod)).unwrap_or_default();
        Setup { ip, ..Setup::default() }
    }

    fn objects(&self, plan: &Plan) -> Vec<Value> {
        flannel::objects(plan, "vxlan")
    }

    fn node_annotations(&self, plan: &Plan, node: &NodePlan) -> Vec<(String, String)> {
        let mut annotations = vec![
            ("flannel.alpha.coreos.com/backend-type".to_owned(), "vxlan".to_owned()),
            ("flannel.alpha.coreos.com/kube-subnet-manager".to_owned(), "true".to_owned()),
        ];
        for (family, address) in plan.families.iter().zip(&node.addresses) {
            let (data, public_ip) = match family {
                Family::V4 => ("backend-data", "public-ip"),
                Family::V6 => ("backend-v6-data", "public-ipv6"),
            };
            let attributes = json!({"VNI": VNI, "VtepMAC": mac(&node.name, device(*family)).to_string()});
            annotations.push((format!("flannel.alpha.coreos.com/{data}"), attributes.to_string()));
            annotations.push((format!("flannel.alpha.coreos.com/{public_ip}"), address.addr().to_string()));
        }
        annotations
    }

    fn vtep(&self, node: &NodePlan, family: Family) -> Option<IpAddr> {
        node.pod_cidrs.iter().map(IpNet::network).find(|address| Family::of(*address) == family)
    }
}

/// MTU of the bridge and the pods, whatever the families (`vxlan_network.go`, `encapOverhead`).
const POD_MTU: u32 = UPLINK_MTU - 50;

/// MTU of a tunnel device: the uplink's less the outer headers (`drivers/net/vxlan/vxlan_core.c`, `vxlan_headroom`).
fn tunnel_mtu(family: Family) -> u32 {
    match family {
        Family::V4 => UPLINK_MTU - 50,
        Family::V6 => UPLINK_MTU - 70,
    }
}

/// Flannel's device of a family.
fn device(family: Family) -> &'static str {
    match family {
        Family::V4 => "flannel.1",
        Family::V6 => "flannel-v6.1",
    }
}

/// One family's device with its way to every other node (`vxlan_network.go`, `handleSubnetEvents`): neighbour, forwarding entry, route.
fn tunnel(plan: &Plan, node: &NodePlan, family: Family, index: usize, setup: &mut Setup) {
    let (Some(local), Some(cidr)) = (node.addresses.get(index), node.pod_cidrs.get(index)) else {
        return;
    };
    let device = device(family);
    let _ = writeln!(
        setup.ip,
        "link add {device} address {} mtu {} type vxlan id {VNI} local {} dev eth0 dstport {PORT} nolearning",
        mac(&node.name, device),
        tunnel_mtu(family),
        local.addr()
    );
    setup.ip.push_str(&base::add_address(&IpNet::from(cidr.network()), device).replace(" brd +", ""));
    let _ = writeln!(setup.ip, "link set {device} up");
    for other in plan.nodes.iter().filter(|other| other.name != node.name) {
        let (Some(remote), Some(cidr)) = (other.addresses.get(index), other.pod_cidrs.get(index)) else {
            continue;
        };
        let (vtep, mac) = (cidr.network(), mac(&other.name, device));
        let _ = writeln!(setup.ip, "neigh replace {vtep} lladdr {mac} dev {device} nud permanent");
        let _ = writeln!(setup.bridge, "fdb replace {mac} dev {device} dst {} self permanent", remote.addr());
        setup.ip.push_str(&flannel::tunnel_route(cidr, vtep, device));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_knows_every_other_node_by_neighbour_entry_and_route() {
        let plan = Plan::new("1", &[Family::V4]);
        let node = plan.node("node-1").expect("a node");
        let setup = FlannelVxlan.node(&plan, node);
        let mac = mac("node-2", "flannel.1");
        assert!(setup.ip.contains(&format!("neigh replace 10.244.2.0 lladdr {mac} dev flannel.1 nud permanent\n")));
        assert!(setup.ip.contains("route replace 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink\n"));
        assert!(setup.bridge.contains(&format!("fdb replace {mac} dev flannel.1 dst 172.20.0.12 self permanent\n")));
        assert_eq!(setup.bridge.lines().count(), 2);
    }
}
