//! The topology against the real Flannel: `tests/data` holds how flanneld, the bridge plugin and iptables left a node.
//! `make cluster-record` makes it.

use std::collections::BTreeSet;

use serde_json::Value;
use skoop_model::Family;

use super::flannel_vxlan::FlannelVxlan;
use super::{Setup, Topology};
use crate::plan::Plan;

const DEVICES: &str = include_str!("../../tests/data/flannel.json");
const RULES: [(Family, &str); 2] = [
    (Family::V4, include_str!("../../tests/data/kube-proxy-iptables-4.txt")),
    (Family::V6, include_str!("../../tests/data/kube-proxy-iptables-6.txt")),
];

/// What the topology does on a node with the addresses of the recorded one.
fn generated() -> Setup {
    let mut plan = Plan::new("1", &Family::ALL);
    let parse = |texts: [String; 2]| texts.map(|text| text.parse().expect("a network")).into();
    plan.pod_networks = parse(["10.244.0.0/16".to_owned(), "fd00:244::/56".to_owned()]);
    for (node, number) in plan.nodes.iter_mut().zip(1..) {
        node.addresses = parse([format!("172.21.0.{}/24", 10 + number), format!("fd00:21::{:x}/64", 10 + number)]);
        node.pod_cidrs = parse([format!("10.244.{number}.0/24"), format!("fd00:244:0:{number}::/64")]);
    }
    let node = plan.node("node-1").expect("a node");
    FlannelVxlan.node(&plan, node)
}

/// Lines of a batch that begin so, without MAC addresses, which are each device's own.
fn lines(batch: &str, beginning: &str) -> BTreeSet<String> {
    let own = batch.lines().filter(|line| line.starts_with(beginning));
    let is_mac = |word: &str| word.split(':').count() == 6 && word.split(':').all(|part| part.len() == 2);
    own.map(|line| line.split(' ').filter(|word| !is_mac(word)).collect::<Vec<_>>().join(" ")).collect()
}

/// A line for each entry of a recorded list.
fn recorded(list: &str, line: impl Fn(&dyn Fn(&str) -> String) -> Option<String>) -> BTreeSet<String> {
    let all: Value = serde_json::from_str(DEVICES).expect("JSON");
    let entries = all.get(list).and_then(Value::as_array).expect("a list").clone();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let lines = entries.iter().filter_map(|entry| line(&|key| entry.get(key).map(text).unwrap_or_default()));
    lines.collect()
}

#[test]
fn devices_are_those_of_flannel() {
    let setup = generated();
    let tunnels = recorded("links", |field| {
        let (name, mtu, id) = (field("ifname"), field("mtu"), field("id"));
        let (local, link, port) = (field("local") + &field("local6"), field("link"), field("port"));
        let learning = if field("learning") == "false" { "nolearning" } else { "learning" };
        let vxlan = format!("type vxlan id {id} local {local} dev {link} dstport {port} {learning}");
        name.starts_with("flannel").then(|| format!("link add {name} address mtu {mtu} {vxlan}"))
    });
    assert_eq!(lines(&setup.ip, "link add flannel"), tunnels);
    let bridges = recorded("links", |field| {
        (field("ifname") == "cni0").then(|| format!("link add cni0 mtu {} type bridge", field("mtu")))
    });
    assert_eq!(lines(&setup.ip, "link add cni0"), bridges);
    let ports = recorded("ports", |field| Some(format!("mtu {} hairpin {}", field("mtu"), field("hairpin"))));
    assert_eq!(ports, BTreeSet::from(["mtu 1450 hairpin true".to_owned()]));
    assert!(lines(&setup.ip, "link add veth").iter().all(|line| line.contains(" mtu 1450 type veth ")));
    assert!(setup.ip.contains(" type bridge_slave hairpin on\n"));
}

#[test]
fn addresses_and_ways_to_other_nodes_are_those_of_flannel() {
    let setup = generated();
    let plain = |lines: BTreeSet<String>| -> BTreeSet<String> {
        lines.iter().map(|line| line.replace(" brd +", "").replace(" nodad", "")).collect()
    };
    let addresses = recorded("addresses", |field| Some(format!("addr add {} dev {}", field("address"), field("dev"))));
    assert_eq!(plain(lines(&setup.ip, "addr add")), addresses);
    let routes = recorded("routes", |field| {
        let onlink = if field("flags").contains("onlink") { " onlink" } else { "" };
        Some(format!("route replace {} via {} dev {}{onlink}", field("dst"), field("gateway"), field("dev")))
    });
    assert_eq!(lines(&setup.ip, "route replace"), routes);
    let neighbours = recorded("neighbours", |field| {
        let state = if field("state").contains("PERMANENT") { "permanent" } else { "reachable" };
        Some(format!("neigh replace {} lladdr dev {} nud {state}", field("dst"), field("dev")))
    });
    assert_eq!(lines(&setup.ip, "neigh replace"), neighbours);
    let entries = recorded("fdb", |field| {
        Some(format!("fdb replace dev {} dst {} self {}", field("ifname"), field("dst"), field("state")))
    });
    assert_eq!(lines(&setup.bridge, "fdb replace"), entries);
}

#[test]
fn rules_are_those_of_flannel() {
    let setup = generated();
    for (family, text) in RULES {
        let of_flannel = |text: &str| -> Vec<String> {
            text.lines()
                .filter(|line| line.starts_with("-A ") && line.contains("FLANNEL-"))
                .map(str::to_owned)
                .collect()
        };
        let (_, ours) = setup.restore.iter().find(|(of, _)| *of == family).expect("the family's rules");
        let sorted = |mut lines: Vec<String>| {
            // Tables come in another order; within a chain, the order stays.
            lines.sort_by_key(|line| line.split(' ').nth(1).map(str::to_owned));
            lines
        };
        assert_eq!(sorted(of_flannel(ours)), sorted(of_flannel(text)));
    }
}
