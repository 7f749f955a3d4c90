use std::fmt::Debug;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use skoop_collect::CollectError;
use skoop_collect::kube::{ClusterOptions, ClusterReader};
use skoop_model::{ClusterSnapshot, Item, ObjectKey, Reason, Unavailable};

use super::*;

fn on_runtime<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn object(kind: &str, namespace: &str, name: &str, body: &Value) -> Value {
    let api_version = super::kinds::Kind::named(kind).unwrap().api_version();
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    let fields = object.as_object_mut().unwrap();
    if !namespace.is_empty() {
        fields.insert("metadata".to_owned(), json!({"namespace": namespace, "name": name}));
    }
    fields.extend(body.as_object().unwrap().clone());
    object
}

/// Two of most kinds, seven pods.
fn cluster() -> Arc<ObjectStore> {
    let store = ObjectStore::new();
    let put = |kind: &str, namespace: &str, name: &str, body: Value| {
        store.put(object(kind, namespace, name, &body)).unwrap();
    };
    for name in ["default", "kube-system"] {
        put("Namespace", "", name, json!({}));
    }
    for number in [2, 1] {
        let status = json!({"addresses": [{"type": "InternalIP", "address": format!("192.0.2.{number}")}]});
        put("Node", "", &format!("node-{number}"), json!({"spec": {"podCIDR": "10.244.1.0/24"}, "status": status}));
    }
    for number in (1..=7).rev() {
        let spec = json!({"nodeName": format!("node-{}", number % 2 + 1), "containers": [{"name": "c"}]});
        put(
            "Pod",
            "default",
            &format!("pod-{number}"),
            json!({
                "spec": spec,
                "status": {"phase": "Running", "podIP": format!("10.244.1.{number}")},
            }),
        );
    }
    put("Service", "default", "web", json!({"spec": {"clusterIP": "10.96.0.10", "ports": [{"port": 80}]}}));
    put(
        "EndpointSlice",
        "default",
        "web-1",
        json!({
            "addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": [{"addresses": ["10.244.1.1"]}],
        }),
    );
    put("NetworkPolicy", "default", "deny", json!({"spec": {"podSelector": {}}}));
    put(
        "ConfigMap",
        "kube-system",
        "kube-proxy",
        json!({"data": {"config.conf": "mode: iptables", "kubeconfig.conf": "users"}}),
    );
    put("ConfigMap", "default", "private", json!({"data": {"a": "b"}}));
    for namespace in ["kube-system", "default"] {
        let containers = json!([{"name": "c", "image": "i"}]);
        let spec = json!({"selector": {}, "template": {"spec": {"containers": containers}}});
        put("DaemonSet", namespace, "agent", json!({"spec": spec}));
    }
    Arc::new(store)
}

fn snapshot(server: &ApiServer, change: impl FnOnce(ClusterReader) -> ClusterReader) -> ClusterSnapshot {
    on_runtime(async {
        let reader = ClusterReader::from_client(server.client().await.unwrap(), "lab".to_owned());
        change(reader).snapshot().await
    })
}

fn why<T: Debug>(item: &Item<T>) -> &Unavailable {
    item.get().unwrap_err()
}

#[test]
fn a_whole_cluster_is_read_in_pages() {
    let server = ApiServer::start(cluster()).unwrap();
    let in_pages = snapshot(&server, |reader| reader.with_page_size(2));
    let pods: Vec<String> = in_pages.pods.elements().iter().map(|pod| pod.key.to_string()).collect();
    let expected: Vec<String> = (1..=7).map(|number| format!("default/pod-{number}")).collect();
    assert_eq!(pods, expected);
    let nodes: Vec<&str> = in_pages.nodes.elements().iter().map(|node| node.name.as_str()).collect();
    assert_eq!(nodes, ["node-1", "node-2"]);
    assert_eq!(in_pages.namespaces.elements().len(), 2);
    assert_eq!(in_pages.services.elements().first().map(|service| service.cluster_ips.len()), Some(1));
    assert_eq!(in_pages.endpoint_slices.elements().first().map(|slice| slice.endpoints.len()), Some(1));
    assert_eq!(in_pages.network_policies.elements().len(), 1);
    let sets: Vec<String> = in_pages.daemon_sets.elements().iter().map(|set| set.key.to_string()).collect();
    assert_eq!(sets, ["kube-system/agent"]);
    let [proxy] = in_pages.config_maps.elements() else { unreachable!("one config map concerns networking") };
    assert_eq!(proxy.key, ObjectKey::new("kube-system", "kube-proxy"));
    assert_eq!(proxy.data.keys().collect::<Vec<_>>(), ["config.conf"]);
    assert_eq!((in_pages.source.as_str(), in_pages.unseen.len()), ("lab", 0));

    let at_once = snapshot(&server, |reader| reader.with_page_size(0));
    assert_eq!(at_once.pods.elements(), in_pages.pods.elements());
}

#[test]
fn a_forbidden_kind_spoils_only_itself() {
    let server = ApiServer::start(cluster()).unwrap();
    server.deny("NetworkPolicy", "no such role");
    server.deny("ConfigMap", "no such role");
    let snapshot = snapshot(&server, |reader| reader);
    let policies = why(&snapshot.network_policies);
    assert_eq!(policies.reason, Reason::Permission);
    assert!(
        policies.detail.starts_with(
            "list networkpolicies.networking.k8s.io: grant verb `list` on resource `networkpolicies` of API group `networking.k8s.io`"
        ),
        "{policies}"
    );
    let maps = why(&snapshot.config_maps);
    assert!(
        maps.reason == Reason::Permission && maps.detail.contains("grant verb `get` on resource `configmaps`"),
        "{maps}"
    );
    assert_eq!((snapshot.pods.elements().len(), snapshot.nodes.elements().len()), (7, 2));

    server.allow("NetworkPolicy");
    assert_eq!(self::snapshot(&server, |reader| reader).network_policies.elements().len(), 1);
}

#[test]
fn a_kind_that_does_not_answer_times_out_alone() {
    let server = ApiServer::start(cluster()).unwrap();
    server.stall("Service");
    let snapshot = snapshot(&server, |reader| reader.with_timeout(Duration::from_millis(300)));
    let services = why(&snapshot.services);
    assert_eq!(services.to_string(), "timed out: list services: no answer from the API server within 300 ms");
    assert_eq!(snapshot.pods.elements().len(), 7);
}

#[test]
fn a_list_that_grew_too_old_is_read_at_once() {
    let server = ApiServer::start(cluster()).unwrap();
    server.expire_pages("Pod");
    assert_eq!(snapshot(&server, |reader| reader.with_page_size(2)).pods.elements().len(), 7);
}

#[test]
fn a_server_that_is_gone_is_told_for_every_kind() {
    let server = ApiServer::start(cluster()).unwrap();
    let reader = on_runtime(async { ClusterReader::from_client(server.client().await.unwrap(), "lab".to_owned()) });
    drop(server);
    // A client belongs to the runtime that made it; its first request fails there and here alike, in time.
    let snapshot = on_runtime(async { reader.with_timeout(Duration::from_secs(5)).snapshot().await });
    for why in [why(&snapshot.pods), why(&snapshot.nodes), why(&snapshot.config_maps)] {
        assert_eq!(why.reason, Reason::Failed, "{why}");
    }
}

#[test]
fn wrong_credentials_are_told() {
    let server = ApiServer::start(cluster()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    std::fs::write(&path, server.kubeconfig_yaml().replace(server.token(), "wrong")).unwrap();
    let snapshot = on_runtime(async {
        let options = ClusterOptions { kubeconfig: Some(path), ..ClusterOptions::default() };
        ClusterReader::connect(&options).await.unwrap().snapshot().await
    });
    let why = why(&snapshot.pods);
    assert!(why.reason == Reason::Permission && why.detail.contains("does not accept the credentials"), "{why}");
}

#[test]
fn the_kubeconfig_leads_to_the_server() {
    let server = ApiServer::start(cluster()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    std::fs::write(&path, server.kubeconfig_yaml()).unwrap();
    let options =
        ClusterOptions { kubeconfig: Some(path), context: Some(CONTEXT.to_owned()), ..ClusterOptions::default() };
    on_runtime(async {
        let snapshot = ClusterReader::connect(&options).await.unwrap().snapshot().await;
        assert_eq!((snapshot.source.as_str(), snapshot.pods.elements().len()), (CONTEXT, 7));
        let missing = ClusterOptions { kubeconfig: Some(directory.path().join("missing")), ..options.clone() };
        assert!(matches!(ClusterReader::connect(&missing).await, Err(CollectError::NoKubeconfig { .. })));
    });
}

async fn names<K>(api: Api<K>, params: ListParams) -> Vec<String>
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + Debug,
{
    let list = api.list(&params).await.unwrap();
    list.items.into_iter().filter_map(|object| object.meta().name.clone()).collect()
}

#[test]
fn the_real_client_lists_selects_and_gets() {
    let server = ApiServer::start(cluster()).unwrap();
    server.store().merge_patch("Pod", "default", "pod-3", &json!({"metadata": {"labels": {"app": "web"}}})).unwrap();
    on_runtime(async {
        let client = server.client().await.unwrap();
        let all = || Api::<Pod>::all(client.clone());
        let params = ListParams::default;
        assert_eq!(names(all(), params().labels("app=web")).await, ["pod-3"]);
        assert_eq!(names(all(), params().fields("spec.nodeName=node-1")).await, ["pod-2", "pod-4", "pod-6"]);
        assert_eq!(names(Api::<Pod>::namespaced(client.clone(), "kube-system"), params()).await.len(), 0);
        assert_eq!(names(Api::<ConfigMap>::namespaced(client.clone(), "default"), params()).await, ["private"]);
        assert_eq!(names(Api::<Node>::all(client.clone()), params()).await.len(), 2);
        assert_eq!(names(Api::<Namespace>::all(client.clone()), params()).await.len(), 2);
        assert_eq!(names(Api::<Service>::all(client.clone()), params()).await.len(), 1);
        assert_eq!(names(Api::<EndpointSlice>::all(client.clone()), params()).await.len(), 1);
        assert_eq!(names(Api::<NetworkPolicy>::all(client.clone()), params()).await.len(), 1);
        assert_eq!(names(Api::<DaemonSet>::all(client.clone()), params()).await.len(), 2);

        let page = all().list(&params().limit(3)).await.unwrap();
        assert_eq!((page.items.len(), page.metadata.remaining_item_count), (3, Some(4)));
        assert_eq!(page.metadata.resource_version.as_deref(), Some("19"));

        let pods = Api::<Pod>::namespaced(client.clone(), "default");
        assert_eq!(pods.get("pod-3").await.unwrap().metadata.name.as_deref(), Some("pod-3"));
        let kube::Error::Api(missing) = pods.get("pod-9").await.unwrap_err() else { unreachable!("an answer") };
        assert_eq!((missing.code, missing.message.as_str()), (404, "pods \"pod-9\" not found"));
        let kube::Error::Api(unsupported) = pods.list(&params().fields("status.phase=Running")).await.unwrap_err()
        else {
            unreachable!("an answer")
        };
        assert_eq!(unsupported.code, 400);
        let kube::Error::Api(written) = pods.delete("pod-3", &kube::api::DeleteParams::default()).await.unwrap_err()
        else {
            unreachable!("an answer")
        };
        assert_eq!(written.code, 405);
    });
}

#[test]
fn the_real_client_discovers() {
    let server = ApiServer::start(cluster()).unwrap();
    on_runtime(async {
        let client = server.client().await.unwrap();
        assert_eq!(client.apiserver_version().await.unwrap().minor, "37");
        assert_eq!(client.list_core_api_versions().await.unwrap().versions, ["v1"]);
        let discovery = kube::discovery::Discovery::new(client).run().await.unwrap();
        let kinds: usize = discovery.groups().map(|group| group.recommended_resources().len()).sum();
        assert_eq!(kinds, super::kinds::KINDS.len());
        assert!(discovery.has_group("discovery.k8s.io"));
    });
}

/// Status code of a plain request.
fn code(server: &ApiServer, path: &str, authorization: &str) -> u16 {
    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn paths_and_tokens_are_checked() {
    let server = ApiServer::start(cluster()).unwrap();
    let bearer = format!("Authorization: Bearer {}\r\n", server.token());
    for authorization in ["", "Authorization: Bearer x\r\n", "Authorization: Basic x\r\n"] {
        assert_eq!(code(&server, "/api/v1/pods", authorization), 401, "{authorization}");
    }
    for (path, expected) in [
        ("/healthz", 200),
        ("/api/v1", 200),
        ("/apis/apps", 200),
        ("/apis/apps/v1/namespaces/default/daemonsets/agent", 200),
        ("/api/v1/namespaces/default", 200),
        ("/api/v1/nodes/node-1", 200),
        ("/", 404),
        ("/api/v2", 404),
        ("/apis/other", 404),
        ("/api/v1/things", 404),
        ("/api/v1/pods/pod-1", 404),
        ("/api/v1/namespaces/default/nodes", 404),
        ("/api/v1/namespaces/default/pods/pod-1/log", 404),
        ("/api/v1/pods?limit=x", 400),
    ] {
        assert_eq!(code(&server, path, &bearer), expected, "{path}");
    }
}

#[test]
fn two_servers_do_not_share_a_token() {
    let (one, other) = (ApiServer::start(cluster()).unwrap(), ApiServer::start(cluster()).unwrap());
    assert_ne!((one.token(), one.url()), (other.token(), other.url()));
    assert_eq!(one.token().len(), 32);
}
