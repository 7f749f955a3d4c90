//! What Flannel writes whatever its backend: the bridge plugin's pods, its masquerade and forward rules, its API objects.

use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};
use skoop_model::Family;

use super::base::add_address;
use crate::objects::host_pod;
use crate::plan::{NodePlan, Plan, PodPlan, mac};

/// The bridge of the pods.
pub(super) const BRIDGE: &str = "cni0";

/// The bridge and the pods' veth pairs, as the bridge plugin makes them for Flannel (`isDefaultGateway`, `hairpinMode`).
pub(super) fn bridge(plan: &Plan, node: &NodePlan, mtu: u32) -> String {
    let mut ip = format!("link add {BRIDGE} mtu {mtu} type bridge\nlink set {BRIDGE} up\n");
    for cidr in &node.pod_cidrs {
        let net = IpNet::new_assert(Plan::gateway(cidr), cidr.prefix_len());
        ip.push_str(&add_address(&net, BRIDGE));
    }
    for pod in plan.pods_on(&node.name) {
        let (veth, netns) = (&pod.veth, plan.pod_netns(&pod.key));
        let (host, inner) = (mac(&node.name, veth), mac(&pod.key.to_string(), "eth0"));
        let _ = writeln!(
            ip,
            "link add {veth} address {host} mtu {mtu} type veth peer name eth0 address {inner} mtu {mtu} netns {netns}"
        );
        let _ = writeln!(ip, "link set {veth} master {BRIDGE} up");
        let _ = writeln!(ip, "link set {veth} type bridge_slave hairpin on");
    }
    ip
}

/// Routes of a pod: its subnet by the address, the pods' network and everything else by the bridge.
pub(super) fn pod(plan: &Plan, node: &NodePlan, pod: &PodPlan) -> String {
    let mut ip = "link set lo up\nlink set eth0 up\n".to_owned();
    for ((net, cidr), network) in pod.addresses.iter().zip(&node.pod_cidrs).zip(&plan.pod_networks) {
        let gateway = Plan::gateway(cidr);
        ip.push_str(&add_address(net, "eth0"));
        let _ = writeln!(ip, "route add {network} via {gateway} dev eth0");
        let _ = writeln!(ip, "route add default via {gateway} dev eth0");
    }
    ip
}

/// The rules of `pkg/trafficmngr/iptables/iptables.go` (v0.28): masquerade what leaves the pods' network, forward what is in it.
pub(super) fn rules(plan: &Plan, node: &NodePlan) -> Vec<(Family, String)> {
    let families = plan.families.iter().zip(&plan.pod_networks).zip(&node.pod_cidrs);
    families.map(|((family, network), cidr)| (*family, family_rules(*family, network, cidr))).collect()
}

fn family_rules(family: Family, network: &IpNet, cidr: &IpNet) -> String {
    let multicast = match family {
        Family::V4 => "224.0.0.0/4",
        Family::V6 => "ff00::/8",
    };
    let masquerade = "-m comment --comment \"flanneld masq\"";
    let forward = "-m comment --comment \"flanneld forward\"";
    format!(
        "*nat\n\
         :FLANNEL-POSTRTG - [0:0]\n\
         -A POSTROUTING {masquerade} -j FLANNEL-POSTRTG\n\
         -A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 {masquerade} -j RETURN\n\
         -A FLANNEL-POSTRTG -s {cidr} -d {network} {masquerade} -j RETURN\n\
         -A FLANNEL-POSTRTG -s {network} -d {cidr} {masquerade} -j RETURN\n\
         -A FLANNEL-POSTRTG ! -s {network} -d {cidr} {masquerade} -j RETURN\n\
         -A FLANNEL-POSTRTG -s {network} ! -d {multicast} {masquerade} -j MASQUERADE --random-fully\n\
         -A FLANNEL-POSTRTG ! -s {network} -d {network} {masquerade} -j MASQUERADE --random-fully\n\
         COMMIT\n\
         *filter\n\
         :FLANNEL-FWD - [0:0]\n\
         -A FORWARD {forward} -j FLANNEL-FWD\n\
         -A FLANNEL-FWD -s {network} {forward} -j ACCEPT\n\
         -A FLANNEL-FWD -d {network} {forward} -j ACCEPT\n\
         COMMIT\n"
    )
}

/// A route to another node's pods by its tunnel device; the gateway lies in no subnet of this node.
pub(super) fn tunnel_route(cidr: &IpNet, gateway: IpAddr, device: &str) -> String {
    format!("route replace {cidr} via {gateway} dev {device} onlink\n")
}

/// Flannel's namespace, config map and daemon set, as its manifest writes them (v0.28.9).
pub(super) fn objects(plan: &Plan, backend: &str) -> Vec<Value> {
    let network = |family: Family| {
        plan.families.iter().zip(&plan.pod_networks).find(|(of, _)| **of == family).map(|(_, net)| net.to_string())
    };
    let mut net_conf = json!({"EnableNFTables": false, "Backend": {"Type": backend}});
    if let Some(fields) = net_conf.as_object_mut() {
        match network(Family::V4) {
            Some(net) => fields.insert("Network".to_owned(), json!(net)),
            None => fields.insert("EnableIPv4".to_owned(), json!(false)),
        };
        if let Some(net) = network(Family::V6) {
            fields.insert("EnableIPv6".to_owned(), json!(true));
            fields.insert("IPv6Network".to_owned(), json!(net));
        }
    }
    let cni_conf = json!({
        "name": "cbr0", "cniVersion": "0.3.1",
        "plugins": [
            {"type": "flannel", "delegate": {"hairpinMode": true, "isDefaultGateway": true}},
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    let labels = json!({"tier": "node", "app": "flannel", "k8s-app": "flannel"});
    let ready = plan.nodes.len();
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "kube-flannel", "labels": {"k8s-app": "flannel", "kubernetes.io/metadata.name": "kube-flannel"}},
            "status": {"phase": "Active"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "kube-flannel-cfg", "namespace": "kube-flannel", "labels": labels},
            "data": {"cni-conf.json": cni_conf.to_string(), "net-conf.json": net_conf.to_string()}}),
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": "kube-flannel-ds", "namespace": "kube-flannel", "labels": labels},
            "spec": {
                "selector": {"matchLabels": {"app": "flannel"}},
                "template": {
                    "metadata": {"labels": {"tier": "node", "app": "flannel"}},
                    "spec": {
                        "hostNetwork": true,
                        "priorityClassName": "system-node-critical",
                        "serviceAccountName": "flannel",
                        "containers": [{
                            "name": "kube-flannel",
                            "image": "ghcr.io/flannel-io/flannel:v0.28.9",
                            "command": ["/opt/bin/flanneld"],
                            "args": ["--ip-masq", "--kube-subnet-mgr", "--healthz-port=8081"],
                        }],
                    },
                },
            },
            "status": {"currentNumberScheduled": ready, "desiredNumberScheduled": ready, "numberMisscheduled": 0, "numberReady": ready}}),
    ];
    let image = "ghcr.io/flannel-io/flannel:v0.28.9";
    objects.extend(plan.nodes.iter().map(|node| host_pod(node, "kube-flannel", "kube-flannel-ds", image)));
    objects
}
