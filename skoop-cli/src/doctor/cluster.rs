//! Checks of the cluster and of the ways to its nodes.

use serde_json::Value;
use skoop::collect::kube::{ClusterReader, Permission, Reviewed, TO_ASK_AGENTS, TO_MAKE_PODS, TO_READ};
use skoop_model::{ClusterSnapshot, ObjectKey, Pod};

use super::{Check, State};
use crate::args::{DoctorArgs, Way};
use crate::cluster;

pub(super) async fn checks(args: &DoctorArgs) -> Vec<Check> {
    let reader = match cluster::reader(&args.cluster).await {
        Ok(reader) => reader,
        Err(failure) => return vec![Check::new("cluster", "kubeconfig", State::Fails, failure.message)],
    };
    let mut checks = vec![Check::new("cluster", "kubeconfig", State::Works, format!("context {}", reader.source()))];
    match reader.version().await {
        Ok(version) => checks.push(Check::new("cluster", "API server", State::Works, version)),
        Err(why) => {
            checks.push(Check::new("cluster", "API server", State::Fails, why.to_string()));
            return checks;
        }
    }
    let reviewed = reader.review(&TO_READ, None).await;
    checks.push(permissions("cluster", "read objects", &reviewed, None));
    let snapshot = Box::pin(reader.snapshot()).await;
    checks.extend(known(&snapshot));
    checks.extend(ways(&reader, args, &snapshot).await);
    checks
}

/// What the objects tell about how the cluster is built.
fn known(cluster: &ClusterSnapshot) -> Vec<Check> {
    let cni = skoop::cni::detect(cluster).name();
    let mut checks = vec![Check::new("cluster", "CNI plugin", State::Works, cni)];
    checks.push(match proxy_mode(cluster) {
        Some(mode) => Check::new("cluster", "kube-proxy", State::Works, format!("mode {mode}")),
        None => Check::new(
            "cluster",
            "kube-proxy",
            State::Limited,
            "no configuration found: the rules on the nodes tell its mode",
        ),
    });
    let nodes = cluster.nodes.elements();
    let unready: Vec<&str> =
        nodes.iter().filter(|node| node.ready == Some(false)).map(|node| node.name.as_str()).collect();
    checks.push(match (nodes.len(), unready.as_slice()) {
        (0, _) => Check::new("cluster", "nodes", State::Fails, "none are seen"),
        (count, []) => Check::new("cluster", "nodes", State::Works, format!("{count}, all ready")),
        (count, unready) => {
            Check::new("cluster", "nodes", State::Limited, format!("{count}, not ready: {}", unready.join(", ")))
        }
    });
    checks
}

/// kube-proxy's mode as its config map says it; an empty one is iptables.
fn proxy_mode(cluster: &ClusterSnapshot) -> Option<String> {
    let named = |key: &ObjectKey| key.namespace == "kube-system" && key.name.starts_with("kube-proxy");
    let map = cluster.config_maps.elements().iter().find(|map| named(&map.key))?;
    let configuration = map.data.values().find_map(|text| serde_saphyr::from_str::<Value>(text).ok())?;
    let mode = configuration.get("mode").and_then(Value::as_str).unwrap_or_default();
    Some(if mode.is_empty() { "iptables (the default)".to_owned() } else { mode.to_owned() })
}

/// The ways to nodes that were chosen. One that works is enough.
async fn ways(reader: &ClusterReader, args: &DoctorArgs, cluster: &ClusterSnapshot) -> Vec<Check> {
    let mut checks = Vec::new();
    for way in &args.nodes.collect {
        checks.push(match way {
            Way::Agent => {
                let namespace = args.nodes.agent_namespace.as_str();
                let reviewed = reader.review(&TO_ASK_AGENTS, Some(namespace)).await;
                agents(permissions("nodes", "agents", &reviewed, Some(namespace)), cluster, namespace)
            }
            Way::Pod => {
                let namespace = args.nodes.pods.collector_namespace.as_str();
                let reviewed = reader.review(&TO_MAKE_PODS, Some(namespace)).await;
                permissions("nodes", "pods made for it", &reviewed, Some(namespace))
            }
            Way::Ssh => Check::new("nodes", "ssh", State::Limited, "tried when a node is looked at"),
            Way::File => Check::new("nodes", "files", State::Limited, "read when a node is looked at"),
        });
    }
    let one_works = checks.iter().any(|check| check.state != State::Fails);
    for check in &mut checks {
        if one_works && check.state == State::Fails {
            check.state = State::Limited;
        }
    }
    checks
}

/// How many nodes have an agent, if the caller may ask them.
fn agents(allowed: Check, cluster: &ClusterSnapshot, namespace: &str) -> Check {
    let is_agent = |pod: &&Pod| {
        let name = pod.labels.get("app.kubernetes.io/name").map(String::as_str);
        pod.key.namespace == namespace && name == Some("skoop-exporter") && pod.ready
    };
    let count = cluster.pods.elements().iter().filter(is_agent).count();
    let nodes = cluster.nodes.elements().len();
    match (allowed.state, count) {
        (State::Works, 0) => {
            let told = format!("none in namespace {namespace}: `skoop agent manifest | kubectl apply -f -` makes them");
            Check::new("nodes", "agents", State::Fails, told)
        }
        (State::Works, count) if count < nodes => {
            Check::new("nodes", "agents", State::Limited, format!("ready on {count} of {nodes} nodes"))
        }
        (State::Works, count) => Check::new("nodes", "agents", State::Works, format!("ready on all {count} nodes")),
        _ => allowed,
    }
}

/// All permissions of one kind as one check.
fn permissions(of: &'static str, what: &str, reviewed: &[Reviewed], namespace: Option<&str>) -> Check {
    if let Some(why) = reviewed.iter().find_map(|one| one.allowed.as_ref().err()) {
        return Check::new(of, what, State::Limited, why.to_string());
    }
    let missing: Vec<&Permission> =
        reviewed.iter().filter(|one| one.allowed == Ok(false)).map(|one| &one.permission).collect();
    if missing.is_empty() {
        return Check::new(of, what, State::Works, "permitted");
    }
    let list: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let place = namespace.map(|name| format!(" in namespace {name}")).unwrap_or_default();
    let state = if of == "nodes" || missing.len() == reviewed.len() { State::Fails } else { State::Limited };
    Check::new(of, what, state, format!("not permitted{place}: {}", list.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use skoop_model::{ConfigMap, Item};

    use super::*;

    #[test]
    fn the_mode_of_the_proxy_is_read() {
        for (text, mode) in [
            ("mode: \"\"\n", "iptables (the default)"),
            ("a: 1\nmode: nftables\n", "nftables"),
            ("{\"mode\": \"ipvs\"}", "ipvs"),
        ] {
            let mut cluster = ClusterSnapshot::new("test", 0);
            let data = BTreeMap::from([("config.conf".to_owned(), text.to_owned())]);
            cluster.config_maps =
                Item::known(0, vec![ConfigMap { key: ObjectKey::new("kube-system", "kube-proxy"), data }]);
            assert_eq!(proxy_mode(&cluster).as_deref(), Some(mode));
        }
        assert_eq!(proxy_mode(&ClusterSnapshot::new("test", 0)), None);
    }

    #[test]
    fn missing_permissions_are_listed() {
        let mut reviewed: Vec<Reviewed> =
            TO_READ.iter().map(|permission| Reviewed { permission: *permission, allowed: Ok(true) }).collect();
        assert_eq!(permissions("cluster", "read objects", &reviewed, None).state, State::Works);
        if let Some(first) = reviewed.first_mut() {
            first.allowed = Ok(false);
        }
        let check = permissions("cluster", "read objects", &reviewed, None);
        assert_eq!((check.state, check.told.as_str()), (State::Limited, "not permitted: list nodes"));
        assert_eq!(permissions("nodes", "x", &reviewed, Some("a")).state, State::Fails);
    }
}
