//! The few config maps that tell how networking was set up, without what opens doors.

use std::collections::BTreeMap;

use futures::future::join_all;
use k8s_openapi::api::core::v1::ConfigMap as KubeConfigMap;
use serde_json::Value;
use skoop_model::{ConfigMap, Item, ObjectKey, Unavailable};

use super::list::Lister;
use super::now_ms;

/// A config map by namespace and name, with the keys to keep; no keys is all.
struct Known {
    namespace: &'static str,
    name: &'static str,
    keys: &'static [&'static str],
}

const fn known(namespace: &'static str, name: &'static str, keys: &'static [&'static str]) -> Known {
    Known { namespace, name, keys }
}

/// All config maps that are read. They are got by name, so that no other one ever comes over the wire.
const KNOWN: [Known; 11] = [
    known("calico-system", "cni-config", &["config"]),
    known("kube-flannel", "kube-flannel-cfg", &["cni-conf.json", "net-conf.json"]),
    known("kube-system", "calico-config", &["calico_backend", "cni_network_config", "typha_service_name", "veth_mtu"]),
    known("kube-system", "cilium-config", &[]),
    known("kube-system", "eni-config", &["10-terway.conf", "10-terway.conflist", "eni_conf"]),
    known("kube-system", "kube-flannel-cfg", &["cni-conf.json", "net-conf.json"]),
    known("kube-system", "kube-proxy", &["config.conf"]),
    known("kube-system", "kube-proxy-config", &["config"]),
    known("kube-system", "kube-proxy-worker", &["config.conf"]),
    known("kube-system", "kubeadm-config", &["ClusterConfiguration"]),
    known("kube-system", "terway-config", &["10-terway.conf", "10-terway.conflist", "eni_conf"]),
];

/// Names of all config maps that are read, for roles that grant no others.
pub fn config_map_names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.name)
}

/// Parts of key names whose values open doors: Terway's `access_secret`, Calico's `k8s_auth_token`, etcd keys.
const SECRETS: [&str; 9] =
    ["secret", "token", "password", "passwd", "credential", "access_key", "accesskey", "private", "kubeconfig"];

/// End of a PEM header; a value with one is left out whole.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";

/// The config maps that exist, and why others could not be read. Unavailable as a whole when none of them could be asked for.
pub(super) async fn read(lister: &Lister) -> (Item<Vec<ConfigMap>>, Vec<Unavailable>) {
    let at_ms = now_ms();
    let answers = join_all(KNOWN.iter().map(|known| async move {
        let key = ObjectKey::new(known.namespace, known.name);
        let map: Option<KubeConfigMap> = lister.get(&key).await?;
        Ok(map.map(|map| reduce(key, known.keys, &map)))
    }))
    .await;
    let mut maps = Vec::new();
    let mut unseen: Vec<Unavailable> = Vec::new();
    for answer in answers {
        match answer {
            Ok(map) => maps.extend(map),
            Err(why) => unseen.push(why),
        }
    }
    if unseen.len() < KNOWN.len() {
        return (Item::known(at_ms, maps), unseen);
    }
    let first = unseen.into_iter().next();
    (first.map_or_else(Item::not_collected, Item::Unavailable), Vec::new())
}

fn reduce(key: ObjectKey, keys: &[&str], map: &KubeConfigMap) -> ConfigMap {
    let is_kept = |name: &str| !is_secret(name) && (keys.is_empty() || keys.contains(&name));
    let data = map.data.iter().flatten().filter(|(name, value)| is_kept(name) && !value.contains(PRIVATE_KEY));
    ConfigMap {
        key,
        data: data.map(|(name, value)| (name.clone(), without_secrets(value))).collect::<BTreeMap<_, _>>(),
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    SECRETS.iter().any(|secret| name.contains(secret))
}

/// The text as it is when it holds no secret; else JSON without those keys, or text without those lines.
fn without_secrets(text: &str) -> String {
    if !is_secret(text) {
        return text.to_owned();
    }
    if let Ok(mut value) = serde_json::from_str(text) {
        prune(&mut value);
        return value.to_string();
    }
    // YAML, or a template that is not yet JSON. A block under a removed key goes with it.
    let mut kept = String::new();
    let mut removed_indent = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        if line.trim().is_empty() || removed_indent.is_some_and(|removed| indent > removed) {
            continue;
        }
        removed_indent = is_secret(line).then_some(indent);
        if removed_indent.is_none() {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn prune(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !is_secret(name));
            fields.values_mut().for_each(prune);
        }
        Value::Array(values) => values.iter_mut().for_each(prune),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(data: &[(&str, &str)]) -> KubeConfigMap {
        let data = data.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        KubeConfigMap { data: Some(data), ..KubeConfigMap::default() }
    }

    fn reduced(keys: &[&str], data: &[(&str, &str)]) -> Vec<(String, String)> {
        reduce(ObjectKey::new("kube-system", "x"), keys, &map(data)).data.into_iter().collect()
    }

    #[test]
    fn the_list_is_sorted_and_has_no_twins() {
        let names: Vec<_> = KNOWN.iter().map(|known| (known.namespace, known.name)).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }

    #[test]
    fn only_known_keys_are_kept() {
        let data = [("config.conf", "mode: iptables\n"), ("kubeconfig.conf", "users: []"), ("other", "x")];
        let kept = ("config.conf".to_owned(), "mode: iptables\n".to_owned());
        assert_eq!(reduced(&["config.conf", "kubeconfig.conf"], &data), std::slice::from_ref(&kept));
        assert_eq!(reduced(&[], &data), [kept, ("other".to_owned(), "x".to_owned())]);
        assert_eq!(reduced(&["missing"], &data), []);
        assert_eq!(reduced(&[], &[("etcd", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n")]), []);
        assert!(reduce(ObjectKey::new("a", "b"), &[], &KubeConfigMap::default()).data.is_empty());
    }

    #[test]
    fn secrets_are_taken_out_of_json() {
        let conf =
            r#"{"version": "1", "access_key": "AK", "access_secret": "AS", "vswitches": [{"token": "T", "id": "v"}]}"#;
        assert_eq!(without_secrets(conf), r#"{"version":"1","vswitches":[{"id":"v"}]}"#);
        let harmless = r#"{"Network": "10.244.0.0/16"}"#;
        assert_eq!(without_secrets(harmless), harmless, "kept byte by byte");
    }

    #[test]
    fn secrets_are_taken_out_of_text() {
        let config = "mode: ipvs\nclientConnection:\n  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf\n  qps: 5\nauth:\n  password:\n    from: here\nclusterCIDR: 10.0.0.0/8\n";
        assert_eq!(
            without_secrets(config),
            "mode: ipvs\nclientConnection:\n  qps: 5\nauth:\nclusterCIDR: 10.0.0.0/8\n"
        );
        let template = "{\n  \"mtu\": __CNI_MTU__,\n  \"k8s_auth_token\": \"T\"\n}";
        assert_eq!(without_secrets(template), "{\n  \"mtu\": __CNI_MTU__,\n}\n");
    }
}
