//! A recorded cluster of one node, small enough to be read.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use skoop::collect::bundle::Bundle;
use skoop_model::{ClusterSnapshot, Item, NodeSnapshot};

/// The node's name; its address is 192.0.2.1, and a socket listens on TCP port 80.
pub const NODE: &str = "solo";

fn known(value: &Value) -> Value {
    json!({"known": {"at_ms": 1_772_366_400_000_u64, "value": value}})
}

/// A route of the kernel's own.
fn route(table: u32, dst: &str, kind: &str, scope: u8, link: u32) -> Value {
    json!({
        "table": table, "dst": dst, "metric": 0, "kind": kind, "protocol": 2, "scope": scope, "prefsrc": "192.0.2.1",
        "nexthops": [{"link": link, "weight": 1}],
    })
}

fn node() -> NodeSnapshot {
    let link = |index: u32, name: &str, loopback: bool, kind: &str| {
        json!({
            "index": index, "name": name, "mac": null, "mtu_bytes": 1500, "up": true, "lower_up": true, "loopback": loopback,
            "oper_state": "up", "kind": kind,
        })
    };
    let address = |link: u32, net: &str, scope: &str| json!({"link": link, "net": net, "scope": scope});
    let rules = [(0, 255), (32_766, 254), (32_767, 253)].map(|(priority, table)| {
        let mut rule = serde_json::to_value(skoop_model::RoutingRule::any(skoop_model::Family::V4)).unwrap();
        let fields = rule.as_object_mut().unwrap();
        fields.insert("priority".to_owned(), json!(priority));
        fields.insert(
            "action".to_owned(),
            serde_json::to_value(skoop_model::RuleAction::Lookup(skoop_model::TableId(table))).unwrap(),
        );
        rule
    });
    let socket = json!({"protocol": "tcp", "address": "0.0.0.0", "port": 80, "state": "listen", "uid": 0, "inode": 1});
    let empty = known(&json!(""));
    let namespace = json!({
        "id": 1, "role": "host",
        "links": known(&json!([link(1, "lo", true, "loopback"), link(2, "eth0", false, "physical")])),
        "addresses": known(&json!([address(1, "127.0.0.1/8", "host"), address(2, "192.0.2.1/24", "global")])),
        "routes": known(&json!([
            route(255, "127.0.0.0/8", "local", 254, 1),
            route(255, "192.0.2.1/32", "local", 254, 2),
            route(254, "192.0.2.0/24", "unicast", 253, 2),
        ])),
        "rules": known(&json!(rules)),
        "neighbours": known(&json!([])),
        "fdb": known(&json!([])),
        "sysctls": known(&json!({"net/ipv4/ip_forward": "0"})),
        "sockets": known(&json!([socket])),
        "netfilter": {
            "legacy_v4": empty, "legacy_v6": empty, "nft_v4": empty, "nft_v6": empty,
            "nft_json": known(&json!("{\"nftables\": []}")), "ipset": empty,
        },
    });
    let node = json!({"schema": 1, "node": NODE, "taken_at_ms": 1_772_366_400_000_u64, "took_ms": 5, "namespaces": [namespace]});
    serde_json::from_value(node).unwrap()
}

fn cluster() -> ClusterSnapshot {
    let node = json!([{"name": NODE, "addresses": ["192.0.2.1"], "pod_cidrs": [], "ready": true}]);
    let pod = json!([{
        "key": {"namespace": "default", "name": "web"}, "uid": "1", "node": NODE, "addresses": ["192.0.2.1"],
        "host_network": true, "phase": "running", "ready": true,
    }]);
    let mut cluster = ClusterSnapshot::new("fixture", 1_772_366_400_000);
    cluster.nodes = Item::known(1, serde_json::from_value(node).unwrap());
    cluster.pods = Item::known(1, serde_json::from_value(pod).unwrap());
    cluster.services = Item::known(1, vec![]);
    cluster.endpoint_slices = Item::known(1, vec![]);
    cluster.namespaces = Item::known(1, vec![]);
    cluster.network_policies = Item::known(1, vec![]);
    cluster
}

/// Writes the bundle into `dir`.
pub fn write(dir: &Path) -> PathBuf {
    let mut bundle = Bundle::new("0.1.0", 1_772_366_400_000);
    bundle.cluster = Some(cluster());
    bundle.nodes = vec![node()];
    let path = dir.join("solo.skoop");
    bundle.write_file(&path).unwrap();
    path
}
