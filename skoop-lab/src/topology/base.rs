//! What every topology stands on: the nodes' switch and router, the external client, loopback, usual sysctls.

use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use skoop_model::Family;

use super::Setup;
use crate::plan::{NodePlan, Plan, mac};

/// Bridge of the fabric namespace.
const SWITCH: &str = "br0";
/// The router's device towards the external client.
const WAN: &str = "wan";

/// `addr add` for a device. Without duplicate address detection, an IPv6 address is usable at once.
pub(super) fn add_address(net: &IpNet, device: &str) -> String {
    match net {
        IpNet::V4(net) => format!("addr add {net} brd + dev {device}\n"),
        IpNet::V6(net) => format!("addr add {net} dev {device} nodad\n"),
    }
}

/// `route add default`, by the addresses of gateways.
pub(super) fn default_routes(gateways: &[IpAddr], device: &str) -> String {
    gateways
        .iter()
        .map(|gateway| format!("route add default via {gateway} dev {device}\n"))
        .collect::<Vec<_>>()
        .concat()
}

/// The switch between the nodes and the router behind it, in the fabric namespace.
pub(super) fn fabric(plan: &Plan) -> Setup {
    let mut ip = format!("link set lo up\nlink add {SWITCH} type bridge mcast_snooping 0\nlink set {SWITCH} up\n");
    for node in &plan.nodes {
        let (name, netns, mac) = (&node.name, plan.node_netns(&node.name), mac(&node.name, "eth0"));
        let _ = writeln!(ip, "link add {name} type veth peer name eth0 address {mac} netns {netns}");
        let _ = writeln!(ip, "link set {name} master {SWITCH} up");
    }
    let (netns, mac) = (plan.outside_netns(), mac("outside", "eth0"));
    let _ = writeln!(ip, "link add {WAN} type veth peer name eth0 address {mac} netns {netns}");
    let _ = writeln!(ip, "link set {WAN} up");
    ip.extend(plan.router.iter().map(|net| add_address(net, SWITCH)));
    ip.extend(plan.router_outside.iter().map(|net| add_address(net, WAN)));
    // A load balancer's address is announced by the first node.
    if let Some(first) = plan.nodes.first() {
        for (address, node) in plan.web.load_balancer_ips.iter().zip(&first.addresses) {
            let _ = writeln!(ip, "route add {address} via {} dev {SWITCH}", node.addr());
        }
    }
    let mut sysctls = common_sysctls();
    // A switch, not a firewall.
    sysctls.extend(pairs(&[("net/bridge/bridge-nf-call-iptables", "0"), ("net/bridge/bridge-nf-call-ip6tables", "0")]));
    sysctls.extend(forwarding(plan));
    Setup { sysctls, ip, ..Setup::default() }
}

/// The external client's namespace.
pub(super) fn outside(plan: &Plan) -> Setup {
    let mut ip = "link set lo up\nlink set eth0 up\n".to_owned();
    ip.extend(plan.outside.iter().map(|net| add_address(net, "eth0")));
    let gateways: Vec<_> = plan.router_outside.iter().map(IpNet::addr).collect();
    ip.push_str(&default_routes(&gateways, "eth0"));
    Setup { sysctls: common_sysctls(), ip, ..Setup::default() }
}

/// A node before any CNI plugin or kube-proxy came: loopback, uplink, default route.
pub(super) fn node(plan: &Plan, node: &NodePlan) -> Setup {
    let mut ip = "link set lo up\nlink set eth0 up\n".to_owned();
    ip.extend(node.addresses.iter().map(|net| add_address(net, "eth0")));
    let gateways: Vec<_> = plan.router.iter().map(IpNet::addr).collect();
    ip.push_str(&default_routes(&gateways, "eth0"));
    Setup { sysctls: host_sysctls(plan), ip, ..Setup::default() }
}

/// Sysctls of a pod: the kernel copies the node's own (`net.core.devconf_inherit_init_net` is 0).
pub(super) fn pod_sysctls(plan: &Plan) -> Vec<(String, String)> {
    forwarding(plan).into_iter().chain(common_sysctls()).collect()
}

/// Sysctls of a node: what kubeadm asks for, what kube-proxy sets, what distributions ship.
fn host_sysctls(plan: &Plan) -> Vec<(String, String)> {
    let mut values = forwarding(plan);
    values.extend(common_sysctls());
    values.extend(pairs(&[
        ("net/bridge/bridge-nf-call-iptables", "1"),
        ("net/bridge/bridge-nf-call-ip6tables", "1"),
        ("net/ipv4/conf/all/route_localnet", "1"),
    ]));
    values
}

/// Forwarding on. First of all: writing it resets other values.
fn forwarding(plan: &Plan) -> Vec<(String, String)> {
    let of_family = |family: &Family| match family {
        Family::V4 => pairs(&[("net/ipv4/ip_forward", "1")]),
        Family::V6 => pairs(&[("net/ipv6/conf/all/forwarding", "1"), ("net/ipv6/icmp/ratelimit", "0")]),
    };
    plan.families.iter().flat_map(of_family).collect()
}

fn common_sysctls() -> Vec<(String, String)> {
    pairs(&[
        // As systemd ships it: loose at each device.
        ("net/ipv4/conf/all/rp_filter", "0"),
        ("net/ipv4/conf/default/rp_filter", "2"),
        // Rate limits would hide answers from many attempts at once.
        ("net/ipv4/icmp_ratelimit", "0"),
    ])
}

fn pairs(values: &[(&str, &str)]) -> Vec<(String, String)> {
    values.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect()
}
