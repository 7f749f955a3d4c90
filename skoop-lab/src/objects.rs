//! The API objects of a lab: what a real API server would hold about such a cluster.

use anyhow::Result;
use ipnet::IpNet;
use serde_json::{Value, json};
use skoop_model::Family;

use crate::api::ObjectStore;
use crate::plan::{NodePlan, Plan, PodPlan};
use crate::topology::Topology;

/// Time at which everything was created: objects carry no clock, so that two runs can be compared.
const CREATED: &str = "2026-01-01T00:00:00Z";
/// Hash of the servers' pod template, as a Deployment would compute it.
const TEMPLATE_HASH: &str = "5d8f7c9b46";

/// All objects of a healthy cluster.
pub(crate) fn store(plan: &Plan, topology: &dyn Topology, proxy: &str) -> Result<ObjectStore> {
    let mut objects: Vec<Value> = ["default", "kube-system"].map(namespace).into();
    objects.extend(topology.objects(plan));
    objects.extend(plan.nodes.iter().map(|entry| node(plan, topology, entry)));
    objects.extend(plan.pods.iter().map(|entry| pod(plan, entry)));
    objects.extend([web_service(plan), kubernetes_service(plan)]);
    for (index, family) in plan.families.iter().enumerate() {
        objects.push(web_slice(plan, *family, index));
        let first = plan.nodes.first().and_then(|node| node.addresses.get(index));
        objects.extend(first.map(|address| kubernetes_slice(*family, address)));
    }
    objects.extend(kube_proxy(plan, proxy));
    let store = ObjectStore::new();
    objects.into_iter().try_for_each(|object| store.put(created(object)))?;
    Ok(store)
}

/// The object with the time that the API server writes into a new one.
pub(crate) fn created(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.entry("creationTimestamp").or_insert_with(|| json!(CREATED));
    }
    object
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "status": {"phase": "Active"}})
}

fn texts<'a>(nets: impl IntoIterator<Item = &'a IpNet>, text: impl Fn(&IpNet) -> String) -> Vec<String> {
    nets.into_iter().map(text).collect()
}

fn address(net: &IpNet) -> String {
    net.addr().to_string()
}

fn node(plan: &Plan, topology: &dyn Topology, node: &NodePlan) -> Value {
    let cidrs = texts(&node.pod_cidrs, ToString::to_string);
    let mut addresses: Vec<Value> =
        node.addresses.iter().map(|net| json!({"type": "InternalIP", "address": address(net)})).collect();
    addresses.push(json!({"type": "Hostname", "address": node.name}));
    let annotations: serde_json::Map<String, Value> =
        topology.node_annotations(plan, node).into_iter().map(|(key, value)| (key, json!(value))).collect();
    json!({"apiVersion": "v1", "kind": "Node",
    "metadata": {
        "name": node.name,
        "labels": {"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
        "annotations": annotations,
    },
    "spec": {"podCIDR": cidrs.first(), "podCIDRs": cidrs},
    "status": {
        "addresses": addresses,
        "conditions": [
            {"type": "NetworkUnavailable", "status": "False", "reason": "NetworkIsUp", "lastTransitionTime": CREATED},
            {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": CREATED},
        ],
        "nodeInfo": {
            "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://2.1.4", "kernelVersion": "",
            "kubeProxyVersion": "", "kubeletVersion": "v1.34.1", "machineID": "", "operatingSystem": "linux",
            "osImage": "", "systemUUID": "",
        },
    }})
}

fn pod_status(node: &NodePlan, ips: &[String]) -> Value {
    let conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .map(|kind| json!({"type": kind, "status": "True", "lastTransitionTime": CREATED}));
    let hosts: Vec<Value> = node.addresses.iter().map(|net| json!({"ip": address(net)})).collect();
    let list: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
    json!({
        "phase": "Running",
        "hostIP": node.addresses.first().map(address),
        "hostIPs": hosts,
        "podIP": ips.first(),
        "podIPs": list,
        "conditions": conditions,
    })
}

fn pod(plan: &Plan, pod: &PodPlan) -> Value {
    let ips = texts(&pod.addresses, address);
    let (labels, owners, ports) = if pod.serves {
        let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("web-{TEMPLATE_HASH}"),
            "uid": "00000000-0000-4000-9000-000000000001", "controller": true});
        let ports = json!([
            {"name": "http", "containerPort": 80, "protocol": "TCP"},
            {"name": "udp", "containerPort": 80, "protocol": "UDP"},
        ]);
        (json!({"app": "web", "pod-template-hash": TEMPLATE_HASH}), json!([owner]), ports)
    } else {
        (json!({"app": "client"}), json!([]), json!([]))
    };
    let container = json!({"name": "main", "image": "registry.k8s.io/e2e-test-images/agnhost:2.56", "ports": ports});
    let metadata =
        json!({"name": pod.key.name, "namespace": pod.key.namespace, "labels": labels, "ownerReferences": owners});
    let status = plan.nodes.iter().find(|node| node.name == pod.node).map(|node| pod_status(node, &ips));
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"nodeName": pod.node, "containers": [container], "dnsPolicy": "ClusterFirst"},
        "status": status})
}

/// A daemon set's pod in the node's own namespace.
pub(crate) fn host_pod(node: &NodePlan, namespace: &str, name: &str, image: &str) -> Value {
    let number = node.name.rsplit('-').next().unwrap_or_default();
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{name}-{number:0>5}"), "namespace": namespace, "labels": {"k8s-app": name},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": name,
                "uid": "00000000-0000-4000-9000-000000000002", "controller": true}],
        },
        "spec": {"nodeName": node.name, "hostNetwork": true, "containers": [{"name": name, "image": image}]},
        "status": pod_status(node, &texts(&node.addresses, address))})
}

fn families(plan: &Plan) -> (Vec<&'static str>, &'static str) {
    let names = plan.families.iter().map(|family| match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    });
    (names.collect(), if plan.families.len() > 1 { "RequireDualStack" } else { "SingleStack" })
}

fn web_service(plan: &Plan) -> Value {
    let (families, policy) = families(plan);
    let ips: Vec<String> = plan.web.cluster_ips.iter().map(ToString::to_string).collect();
    let ingress: Vec<Value> =
        plan.web.load_balancer_ips.iter().map(|ip| json!({"ip": ip.to_string(), "ipMode": "VIP"})).collect();
    let port = plan.web.node_port;
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": ips.first(), "clusterIPs": ips,
            "ipFamilies": families, "ipFamilyPolicy": policy,
            "selector": {"app": "web"},
            "ports": [
                {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80, "nodePort": port},
                {"name": "udp", "protocol": "UDP", "port": 80, "targetPort": 80, "nodePort": port},
            ],
            "internalTrafficPolicy": "Cluster", "externalTrafficPolicy": "Cluster",
            "sessionAffinity": "None", "allocateLoadBalancerNodePorts": true,
        },
        "status": {"loadBalancer": {"ingress": ingress}}})
}

fn web_slice(plan: &Plan, family: Family, index: usize) -> Value {
    let endpoints: Vec<Value> = plan
        .pods
        .iter()
        .filter(|pod| pod.serves)
        .filter_map(|pod| {
            Some(json!({
                "addresses": [address(pod.addresses.get(index)?)],
                "conditions": {"ready": true, "serving": true, "terminating": false},
                "nodeName": pod.node,
                "targetRef": {"kind": "Pod", "namespace": pod.key.namespace, "name": pod.key.name},
            }))
        })
        .collect();
    let (kind, suffix) = slice_family(family);
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": format!("web-{suffix}"), "namespace": "default",
            "labels": {"kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}},
        "addressType": kind,
        "ports": [{"name": "http", "protocol": "TCP", "port": 80}, {"name": "udp", "protocol": "UDP", "port": 80}],
        "endpoints": endpoints})
}

fn kubernetes_service(plan: &Plan) -> Value {
    let (families, _) = families(plan);
    let ip = match plan.families.first() {
        Some(Family::V6) => "fd00:10:96::1",
        _ => "10.96.0.1",
    };
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip],
            "ipFamilies": families.first().map(|first| vec![*first]), "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443}],
            "internalTrafficPolicy": "Cluster", "sessionAffinity": "None",
        },
        "status": {"loadBalancer": {}}})
}

/// The API server's own slice, which it writes by itself: no pod behind it.
fn kubernetes_slice(family: Family, node: &IpNet) -> Value {
    let (kind, suffix) = slice_family(family);
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": format!("kubernetes-{suffix}"), "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": kind,
        "ports": [{"name": "https", "protocol": "TCP", "port": 6443}],
        "endpoints": [{"addresses": [address(node)], "conditions": {"ready": true}}]})
}

fn slice_family(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::V4 => ("IPv4", "ipv4"),
        Family::V6 => ("IPv6", "ipv6"),
    }
}

/// kube-proxy's config map, as kubeadm writes it, and its daemon set.
fn kube_proxy(plan: &Plan, mode: &str) -> Vec<Value> {
    let cidrs = texts(&plan.pod_networks, ToString::to_string).join(",");
    let config = format!(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nbindAddress: 0.0.0.0\nclusterCIDR: {cidrs}\nkind: KubeProxyConfiguration\nmode: {mode}\n"
    );
    let ready = plan.nodes.len();
    let labels = json!({"k8s-app": "kube-proxy"});
    let image = "registry.k8s.io/kube-proxy:v1.34.1";
    let pods = plan.nodes.iter().map(|node| host_pod(node, "kube-system", "kube-proxy", image));
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "kube-proxy", "namespace": "kube-system", "labels": {"app": "kube-proxy"}},
            "data": {"config.conf": config}}),
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": "kube-proxy", "namespace": "kube-system", "labels": labels},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"hostNetwork": true,
                    "containers": [{"name": "kube-proxy", "image": image}]}},
            },
            "status": {"currentNumberScheduled": ready, "desiredNumberScheduled": ready, "numberMisscheduled": 0, "numberReady": ready}}),
    ];
    objects.extend(pods);
    objects
}
