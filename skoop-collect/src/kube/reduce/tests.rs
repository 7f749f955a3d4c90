use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use skoop_model::{
    AddressType, ContainerPort, Endpoint, EndpointPort, NetworkPolicy, NodeName, ObjectKey, Pod, PodPhase, Port,
    Protocol, Service, ServiceType, TargetPort, TrafficPolicy,
};

use super::*;

/// The API's object of this JSON, with name `a/b`.
fn object<K: DeserializeOwned>(body: &Value) -> K {
    let mut object = json!({"metadata": {"namespace": "a", "name": "b"}});
    merge(&mut object, body);
    serde_json::from_value(object).unwrap()
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

fn pod_of(body: &Value) -> Pod {
    pod(&object(body)).unwrap()
}

fn service_of(spec: &Value) -> Service {
    service(&object(&json!({"spec": spec}))).unwrap()
}

fn policy_of(spec: &Value) -> NetworkPolicy {
    network_policy(&object(&json!({"spec": spec}))).unwrap()
}

fn ips(texts: &[&str]) -> Vec<std::net::IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn nets(texts: &[&str]) -> Vec<ipnet::IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn objects_without_a_name_are_left_out() {
    let nameless = json!({"metadata": {"name": null}});
    assert!(pod(&object(&nameless)).is_none());
    assert!(node(&object(&nameless)).is_none());
    assert!(service(&object(&nameless)).is_none());
    assert!(namespace(&object(&nameless)).is_none());
    assert!(network_policy(&object(&nameless)).is_none());
    assert!(daemon_set(&object(&nameless)).is_none());
    assert!(
        endpoint_slice(&object(&json!({"metadata": {"name": null}, "addressType": "IPv4", "endpoints": []}))).is_none()
    );
    assert!(pod(&object(&json!({"metadata": {"namespace": ""}}))).is_none(), "a pod has a namespace");
}

#[test]
fn bare_objects_have_defaults() {
    let bare = pod_of(&json!({}));
    assert_eq!((bare.phase, bare.ready, bare.host_network, bare.node), (PodPhase::Pending, false, false, None));
    let bare = service_of(&json!({}));
    assert_eq!((bare.kind, bare.external_traffic_policy), (ServiceType::ClusterIp, TrafficPolicy::Cluster));
    assert!(bare.is_headless());
    let bare = node(&object(&json!({}))).unwrap();
    assert_eq!((bare.ready, bare.addresses, bare.pod_cidrs), (None, vec![], vec![]));
    let bare = network_policy(&object(&json!({}))).unwrap();
    assert_eq!((bare.applies_to_ingress, bare.applies_to_egress), (true, false));
}

#[test]
fn pod_addresses() {
    for (status, expected) in [
        (json!({"podIP": "10.0.0.1"}), vec!["10.0.0.1"]),
        (json!({"podIP": "10.0.0.1", "podIPs": []}), vec!["10.0.0.1"]),
        (json!({"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}), vec!["10.0.0.1", "fd00::1"]),
        (json!({"podIPs": [{"ip": "fd00::1"}, {"ip": "10.0.0.1"}]}), vec!["fd00::1", "10.0.0.1"]),
        (json!({"podIPs": [{"ip": "x"}, {"ip": "10.0.0.1"}]}), vec!["10.0.0.1"]),
        (json!({"podIP": "", "podIPs": [{"ip": ""}]}), vec![]),
        (json!({}), vec![]),
    ] {
        assert_eq!(pod_of(&json!({"status": status})).addresses, ips(&expected), "{status}");
    }
}

#[test]
fn pod_phase_and_readiness() {
    for (status, phase, ready) in [
        (json!({"phase": "Pending"}), PodPhase::Pending, false),
        (json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}), PodPhase::Running, true),
        (json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}), PodPhase::Running, false),
        (
            json!({"phase": "Running", "conditions": [{"type": "Initialized", "status": "True"}]}),
            PodPhase::Running,
            false,
        ),
        (json!({"phase": "Succeeded"}), PodPhase::Succeeded, false),
        (json!({"phase": "Failed"}), PodPhase::Failed, false),
        (json!({"phase": "Unknown"}), PodPhase::Unknown, false),
        (json!({"phase": "Later"}), PodPhase::Unknown, false),
    ] {
        let pod = pod_of(&json!({"status": status}));
        assert_eq!((pod.phase, pod.ready), (phase, ready), "{status}");
    }
}

#[test]
fn pod_spec_and_owner() {
    let pod = pod_of(&json!({
        "metadata": {
            "uid": "u",
            "labels": {"app": "web"},
            "annotations": {"secret": "x"},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "1"},
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "2", "controller": true},
            ],
        },
        "spec": {
            "nodeName": "node-1",
            "hostNetwork": true,
            "containers": [
                {"name": "one", "env": [{"name": "PASSWORD", "value": "hunter2"}], "ports": [
                    {"name": "http", "containerPort": 8080},
                    {"containerPort": 53, "protocol": "UDP"},
                    {"containerPort": 70_000},
                    {"containerPort": 0},
                    {"containerPort": 1, "protocol": "QUIC"},
                ]},
                {"name": "two"},
            ],
            "initContainers": [
                {"name": "sidecar", "restartPolicy": "Always", "ports": [{"name": "metrics", "containerPort": 9090}]},
                {"name": "once", "ports": [{"name": "never", "containerPort": 1}]},
            ],
        },
    }));
    let port = |name: Option<&str>, number, protocol| ContainerPort {
        name: name.map(str::to_owned),
        port: Port(number),
        protocol,
    };
    let expected = [
        port(Some("http"), 8080, Protocol::TCP),
        port(None, 53, Protocol::UDP),
        port(Some("metrics"), 9090, Protocol::TCP),
    ];
    assert_eq!(pod.ports, expected);
    assert_eq!((pod.node.clone(), pod.host_network, pod.uid.as_str()), (Some(NodeName::from("node-1")), true, "u"));
    assert_eq!(
        pod.owner.as_ref().map(|owner| (owner.kind.as_str(), owner.name.as_str())),
        Some(("ReplicaSet", "web-1"))
    );
    let stored = serde_json::to_string(&pod).unwrap();
    assert!(!stored.contains("hunter2") && !stored.contains("secret"), "{stored}");
}

#[test]
fn node_parts() {
    for (spec, expected) in [
        (json!({"podCIDR": "10.244.1.0/24"}), vec!["10.244.1.0/24"]),
        (
            json!({"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00:1::/64"]}),
            vec!["10.244.1.0/24", "fd00:1::/64"],
        ),
        (json!({"podCIDRs": ["10.244.1.0", "10.244.1.0/33", "x/24", "fd00:1::/64"]}), vec!["fd00:1::/64"]),
        (json!({"podCIDR": ""}), vec![]),
    ] {
        let node = node(&object(&json!({"spec": spec}))).unwrap();
        assert_eq!(node.pod_cidrs, nets(&expected), "{spec}");
    }
    for (condition, ready) in [("True", Some(true)), ("False", Some(false)), ("Unknown", Some(false))] {
        let status = json!({"conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": condition}]});
        assert_eq!(node(&object(&json!({"status": status}))).unwrap().ready, ready, "{condition}");
    }
    let node = node(&object(&json!({
        "spec": {"providerID": "alicloud://x"},
        "status": {"addresses": [
            {"type": "Hostname", "address": "10.9.9.9"},
            {"type": "InternalIP", "address": "192.0.2.1"},
            {"type": "InternalIP", "address": "2001:db8::1"},
            {"type": "ExternalIP", "address": "203.0.113.1"},
            {"type": "InternalDNS", "address": "node-1"},
        ]},
    })))
    .unwrap();
    assert_eq!(node.addresses, ips(&["192.0.2.1", "2001:db8::1", "203.0.113.1"]));
    assert_eq!(node.provider_id.as_deref(), Some("alicloud://x"));
}

#[test]
fn service_addresses() {
    for (spec, expected) in [
        (json!({"clusterIP": "10.96.0.1"}), vec!["10.96.0.1"]),
        (json!({"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"]}), vec!["10.96.0.1", "fd00::1"]),
        (json!({"clusterIP": "None", "clusterIPs": ["None"]}), vec![]),
        (json!({"clusterIP": "None"}), vec![]),
        (json!({"clusterIP": ""}), vec![]),
    ] {
        assert_eq!(service_of(&spec).cluster_ips, ips(&expected), "{spec}");
    }
    assert!(service_of(&json!({"clusterIP": "None"})).is_headless());
    let external = service_of(&json!({"type": "ExternalName", "externalName": "example.com"}));
    assert_eq!((external.kind, external.external_name.as_deref()), (ServiceType::ExternalName, Some("example.com")));
    assert!(!external.is_headless());

    let balanced: Service = service(&object(&json!({
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "10.96.0.1",
            "externalIPs": ["198.51.100.1", "not one", "2001:db8::5"],
            "loadBalancerSourceRanges": [" 203.0.113.0/24", "010.1.0.0/16", "nonsense"],
            "externalTrafficPolicy": "Local",
            "internalTrafficPolicy": "Local",
            "healthCheckNodePort": 30_001,
            "publishNotReadyAddresses": true,
        },
        "status": {"loadBalancer": {"ingress": [
            {"ip": "203.0.113.9", "ipMode": "VIP"}, {"ip": "203.0.113.10", "ipMode": "Proxy"}, {"hostname": "lb.example.com"}, {"ip": ""},
        ]}},
    })))
    .unwrap();
    assert_eq!(balanced.kind, ServiceType::LoadBalancer);
    assert_eq!(balanced.external_ips, ips(&["198.51.100.1", "2001:db8::5"]));
    assert_eq!(balanced.load_balancer_ips, ips(&["203.0.113.9"]));
    assert_eq!(balanced.source_ranges, nets(&["203.0.113.0/24", "10.1.0.0/16"]));
    assert_eq!(balanced.external_traffic_policy, TrafficPolicy::Local);
    assert_eq!(balanced.internal_traffic_policy, TrafficPolicy::Local);
    assert_eq!((balanced.health_check_node_port, balanced.publish_not_ready), (Some(Port(30_001)), true));
    assert!(service(&object(&json!({"spec": {"type": "Later"}}))).is_none());
}

#[test]
fn service_ports() {
    let service = service_of(&json!({"type": "NodePort", "ports": [
        {"port": 80},
        {"name": "web", "port": 81, "protocol": "TCP", "targetPort": 8080, "nodePort": 30_080},
        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"},
        {"name": "zero", "port": 82, "targetPort": 0, "nodePort": 0},
        {"name": "sctp", "port": 83, "protocol": "SCTP", "targetPort": ""},
        {"name": "bad", "port": 0},
        {"name": "worse", "port": 80, "protocol": "tcp"},
    ]}));
    let ports: Vec<_> = service
        .ports
        .iter()
        .map(|port| (port.name.as_str(), port.protocol, port.port.0, port.target_port.clone(), port.node_port))
        .collect();
    let number = |port| TargetPort::Number(Port(port));
    let expected = [
        ("", Protocol::TCP, 80, number(80), None),
        ("web", Protocol::TCP, 81, number(8080), Some(Port(30_080))),
        ("dns", Protocol::UDP, 53, TargetPort::Name("dns".to_owned()), None),
        ("zero", Protocol::TCP, 82, number(82), None),
        ("sctp", Protocol::SCTP, 83, number(83), None),
    ];
    assert_eq!(ports, expected);
}

#[test]
fn service_affinity() {
    for (spec, expected) in [
        (json!({}), None),
        (json!({"sessionAffinity": "None"}), None),
        (json!({"sessionAffinity": "None", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}), None),
        (json!({"sessionAffinity": "ClientIP"}), Some(10_800)),
        (json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}), Some(5)),
        (
            json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": -1}}}),
            Some(10_800),
        ),
    ] {
        assert_eq!(service_of(&spec).client_ip_affinity_seconds, expected, "{spec}");
    }
}

fn slice_of(body: &Value) -> skoop_model::EndpointSlice {
    let mut whole = json!({"addressType": "IPv4", "endpoints": []});
    merge(&mut whole, body);
    endpoint_slice(&object(&whole)).unwrap()
}

fn first(body: &Value) -> Endpoint {
    slice_of(body).endpoints.first().unwrap().clone()
}

#[test]
fn endpoint_conditions_unset() {
    for (conditions, ready, serving, terminating) in [
        (json!(null), true, true, false),
        (json!({}), true, true, false),
        (json!({"ready": true}), true, true, false),
        (json!({"ready": false}), false, false, false),
        (json!({"ready": false, "serving": true, "terminating": true}), false, true, true),
        (json!({"serving": false}), true, false, false),
        (json!({"terminating": true}), true, true, true),
    ] {
        let endpoint = first(&json!({"endpoints": [{"addresses": ["10.0.0.1"], "conditions": conditions}]}));
        assert_eq!(
            (endpoint.ready, endpoint.serving, endpoint.terminating),
            (ready, serving, terminating),
            "{conditions}"
        );
    }
}

#[test]
fn endpoint_slice_parts() {
    let slice = slice_of(&json!({
        "metadata": {"labels": {"kubernetes.io/service-name": "web"}},
        "ports": [
            {"name": "", "port": 80},
            {"name": "dns", "port": 53, "protocol": "UDP"},
            {"name": "all", "port": null},
            {"name": "bad", "port": 70_000},
            {"name": "worse", "port": 1, "protocol": "X"},
        ],
        "endpoints": [
            {"addresses": ["10.0.0.1"], "nodeName": "node-1", "targetRef": {"kind": "Pod", "namespace": "n", "name": "p"}},
            {"addresses": ["10.0.0.2"], "targetRef": {"kind": "Pod", "name": "p"}},
            {"addresses": ["10.0.0.3"], "targetRef": {"kind": "VirtualMachine", "name": "v"}},
            {"addresses": ["nonsense"]},
            {"addresses": []},
        ],
    }));
    assert_eq!((slice.service.as_deref(), slice.address_type), (Some("web"), AddressType::Ipv4));
    let port = |name: &str, protocol, port| EndpointPort { name: name.to_owned(), protocol, port };
    let expected = [
        port("", Protocol::TCP, Some(Port(80))),
        port("dns", Protocol::UDP, Some(Port(53))),
        port("all", Protocol::TCP, None),
    ];
    assert_eq!(slice.ports, expected);
    let pods: Vec<_> = slice.endpoints.iter().map(|endpoint| endpoint.pod.clone()).collect();
    assert_eq!(pods, [Some(ObjectKey::new("n", "p")), Some(ObjectKey::new("a", "p")), None]);
    assert_eq!(slice.endpoints.first().unwrap().node, Some(NodeName::from("node-1")));

    let names = slice_of(&json!({"addressType": "FQDN", "endpoints": [{"addresses": ["example.com"]}]}));
    assert_eq!((names.address_type, names.endpoints.len(), names.service), (AddressType::Fqdn, 1, None));
    assert!(endpoint_slice(&object(&json!({"addressType": "Later", "endpoints": []}))).is_none());
}

#[test]
fn policy_types() {
    for (spec, expected) in [
        (json!({}), (true, false)),
        (json!({"policyTypes": []}), (true, false)),
        (json!({"ingress": []}), (true, false)),
        (json!({"egress": []}), (true, false)),
        (json!({"egress": [{}]}), (true, true)),
        (json!({"policyTypes": ["Ingress"], "egress": [{}]}), (true, false)),
        (json!({"policyTypes": ["Egress"]}), (false, true)),
        (json!({"policyTypes": ["Ingress", "Egress"]}), (true, true)),
        (json!({"policyTypes": ["Later"]}), (false, false)),
    ] {
        let policy = policy_of(&spec);
        assert_eq!((policy.applies_to_ingress, policy.applies_to_egress), expected, "{spec}");
    }
}

#[test]
fn policy_rules() {
    let policy = policy_of(&json!({
        "podSelector": {
            "matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["db"]}, {"key": "x", "operator": "Exists"}],
        },
        "ingress": [
            {},
            {
                "from": [
                    {"podSelector": {}},
                    {"namespaceSelector": {"matchLabels": {"team": "a"}}, "podSelector": {"matchLabels": {"app": "b"}}},
                    {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.02.0.0/16"]}},
                ],
                "ports": [{}, {"port": 80}, {"protocol": "UDP", "port": "dns"}, {"port": 1000, "endPort": 2000}],
            },
        ],
    }));
    assert_eq!(policy.pod_selector.match_labels.get("app").map(String::as_str), Some("web"));
    assert_eq!(policy.pod_selector.match_expressions.len(), 2);
    let [all, rule] = policy.ingress.as_slice() else { unreachable!("two rules") };
    assert!(all.peers.is_empty() && all.ports.is_empty(), "an empty rule is for all");
    let [pods, both, block] = rule.peers.as_slice() else { unreachable!("three peers") };
    assert!(pods.pod_selector.is_some() && pods.namespace_selector.is_none() && pods.ip_block.is_none());
    assert!(both.pod_selector.is_some() && both.namespace_selector.is_some());
    assert_eq!(block.ip_block.as_ref().map(|block| block.except.clone()), Some(nets(&["10.1.0.0/16", "10.2.0.0/16"])));
    let ports: Vec<_> = rule.ports.iter().map(|port| (port.protocol, port.port.clone(), port.end_port)).collect();
    let expected = [
        (Protocol::TCP, None, None),
        (Protocol::TCP, Some(TargetPort::Number(Port(80))), None),
        (Protocol::UDP, Some(TargetPort::Name("dns".to_owned())), None),
        (Protocol::TCP, Some(TargetPort::Number(Port(1000))), Some(Port(2000))),
    ];
    assert_eq!(ports, expected);
}

#[test]
fn what_cannot_be_read_never_widens_a_policy() {
    for rule in [
        json!({"from": [{"ipBlock": {"cidr": "nonsense"}}]}),
        json!({"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["nonsense"]}}]}),
        json!({"from": [{}]}),
        json!({"from": [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}}]}),
        json!({"ports": [{"protocol": "QUIC", "port": 443}]}),
        json!({"ports": [{"port": 70_000}]}),
        json!({"ports": [{"port": 1, "endPort": -1}]}),
    ] {
        assert!(policy_of(&json!({"ingress": [rule]})).ingress.is_empty(), "{rule}");
    }
    // With another readable peer the rule stays, for that peer.
    let policy = policy_of(&json!({"egress": [{"to": [{"ipBlock": {"cidr": "x"}}, {"podSelector": {}}]}]}));
    assert_eq!(policy.egress.first().map(|rule| rule.peers.len()), Some(1));
    let unreadable = json!({"spec": {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}}});
    assert!(network_policy(&object(&unreadable)).is_none());
}

#[test]
fn daemon_sets_of_system_namespaces() {
    let body = |namespace: &str| {
        json!({
            "metadata": {"namespace": namespace},
            "spec": {
                "selector": {},
                "template": {"spec": {
                    "containers": [{"name": "a", "image": "flannel:v1"}, {"name": "b"}],
                    "initContainers": [{"name": "c", "image": "cni:v1"}],
                }},
            },
            "status": {"currentNumberScheduled": 3, "desiredNumberScheduled": 3, "numberMisscheduled": 0, "numberReady": -2},
        })
    };
    let set = daemon_set(&object(&body("kube-flannel"))).unwrap();
    assert_eq!((set.images, set.desired, set.ready), (vec!["flannel:v1".to_owned()], 3, 0));
    assert!(daemon_set(&object(&body("default"))).is_none());
    assert!(SYSTEM_NAMESPACES.is_sorted());
}

#[test]
fn namespaces_have_labels() {
    let namespace = namespace(&object(&json!({"metadata": {"labels": {"team": "a"}}}))).unwrap();
    assert_eq!((namespace.name.as_str(), namespace.labels.len()), ("b", 1));
}

proptest! {
    #[test]
    fn any_text_is_an_address_or_none(text in "[0-9a-fA-F.:/ ]{0,24}|.{0,12}") {
        if let Some(prefix) = meta::prefix(&text) {
            prop_assert_eq!(meta::prefix(&prefix.to_string()), Some(prefix));
        }
        if let Some(address) = meta::address(&text) {
            prop_assert_eq!(meta::address(&address.to_string()), Some(address));
        }
    }

    #[test]
    fn any_numbers_and_texts_are_reduced(port: i32, target: i32, address in ".{0,12}", protocol in "TCP|UDP|.{0,4}") {
        let spec = json!({
            "clusterIP": address, "ports": [{"port": port, "targetPort": target, "nodePort": target, "protocol": protocol}],
        });
        let service = service_of(&spec);
        prop_assert!(service.ports.iter().all(|port| port.port.0 > 0));
        pod_of(&json!({"status": {"podIP": address, "phase": protocol}}));
        let _ = network_policy(&object(&json!({"spec": {"egress": [
            {"ports": [{"port": port, "endPort": target}], "to": [{"ipBlock": {"cidr": address}}]},
        ]}})));
    }
}
