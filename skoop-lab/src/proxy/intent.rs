//! Reads Services and endpoint slices out of API objects, for a proxy.

use std::net::IpAddr;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::de::DeserializeOwned;
use serde_json::Value;
use skoop_model::{
    AddressType, Endpoint, EndpointPort, EndpointSlice, NodeName, ObjectKey, Port, Protocol, Service, ServicePort,
    ServiceType, TargetPort, TrafficPolicy,
};

use crate::api::ObjectStore;

/// What the API server says about services.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Intent {
    /// Services.
    pub(crate) services: Vec<Service>,
    /// Endpoint slices.
    pub(crate) slices: Vec<EndpointSlice>,
}

impl Intent {
    /// Reads all of them.
    pub(crate) fn read(store: &ObjectStore) -> Result<Self> {
        fn each<T: DeserializeOwned>(objects: Vec<Value>) -> Result<Vec<T>> {
            let read = |object: Value| {
                let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
                serde_json::from_value(object).with_context(|| format!("the object {name}"))
            };
            objects.into_iter().map(read).collect()
        }
        Ok(Self {
            services: each(store.list("Service"))?.iter().filter(|object| is_proxied(object)).map(service).collect(),
            slices: each(store.list("EndpointSlice"))?.iter().map(slice).collect(),
        })
    }
}

/// Whether no other proxy has taken it (`pkg/proxy/apis/well_known_labels.go`, `LabelServiceProxyName`).
fn is_proxied(object: &core::Service) -> bool {
    let labels = object.metadata.labels.as_ref();
    labels.is_none_or(|labels| !labels.contains_key("service.kubernetes.io/service-proxy-name"))
}

fn service(object: &core::Service) -> Service {
    let spec = object.spec.clone().unwrap_or_default();
    let ingress = object.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.clone());
    let parse = |texts: Option<Vec<String>>| -> Vec<IpAddr> {
        texts.unwrap_or_default().iter().filter_map(|text| text.parse().ok()).collect()
    };
    let local = |policy: Option<&String>| match policy.map(String::as_str) {
        Some("Local") => TrafficPolicy::Local,
        _ => TrafficPolicy::Cluster,
    };
    let affinity = spec.session_affinity.as_deref() == Some("ClientIP");
    let timeout = spec.session_affinity_config.and_then(|config| config.client_ip?.timeout_seconds);
    Service {
        key: key(&object.metadata),
        kind: match spec.type_.as_deref() {
            Some("NodePort") => ServiceType::NodePort,
            Some("LoadBalancer") => ServiceType::LoadBalancer,
            Some("ExternalName") => ServiceType::ExternalName,
            _ => ServiceType::ClusterIp,
        },
        cluster_ips: parse(spec.cluster_ips.or_else(|| spec.cluster_ip.map(|address| vec![address]))),
        external_ips: parse(spec.external_ips),
        load_balancer_ips: parse(ingress.map(|all| {
            // A balancer that proxies sends to nodes as such: its address is no concern of theirs.
            let own = all.into_iter().filter(|one| one.ip_mode.as_deref() != Some("Proxy"));
            own.filter_map(|one| one.ip).collect()
        })),
        external_name: spec.external_name,
        ports: spec.ports.unwrap_or_default().iter().map(service_port).collect(),
        selector: spec.selector.unwrap_or_default(),
        client_ip_affinity_seconds: affinity.then(|| timeout.map_or(10_800, i32::unsigned_abs)),
        external_traffic_policy: local(spec.external_traffic_policy.as_ref()),
        internal_traffic_policy: local(spec.internal_traffic_policy.as_ref()),
        source_ranges: spec
            .load_balancer_source_ranges
            .unwrap_or_default()
            .iter()
            .filter_map(|net| net.parse().ok())
            .collect(),
        health_check_node_port: spec.health_check_node_port.map(port),
        publish_not_ready: spec.publish_not_ready_addresses.unwrap_or_default(),
    }
}

fn service_port(object: &core::ServicePort) -> ServicePort {
    ServicePort {
        name: object.name.clone().unwrap_or_default(),
        protocol: protocol(object.protocol.as_ref()),
        port: port(object.port),
        target_port: match &object.target_port {
            Some(IntOrString::Int(number)) => TargetPort::Number(port(*number)),
            Some(IntOrString::String(name)) => TargetPort::Name(name.clone()),
            None => TargetPort::Number(port(object.port)),
        },
        node_port: object.node_port.map(port),
    }
}

fn slice(object: &discovery::EndpointSlice) -> EndpointSlice {
    let ports = object.ports.iter().flatten().map(|entry| EndpointPort {
        name: entry.name.clone().unwrap_or_default(),
        protocol: protocol(entry.protocol.as_ref()),
        port: entry.port.map(port),
    });
    EndpointSlice {
        key: key(&object.metadata),
        service: object.metadata.labels.as_ref().and_then(|labels| labels.get("kubernetes.io/service-name").cloned()),
        address_type: match object.address_type.as_str() {
            "IPv4" => AddressType::Ipv4,
            "IPv6" => AddressType::Ipv6,
            _ => AddressType::Fqdn,
        },
        ports: ports.collect(),
        endpoints: object.endpoints.iter().flatten().map(endpoint).collect(),
    }
}

fn endpoint(object: &discovery::Endpoint) -> Endpoint {
    let conditions = object.conditions.clone().unwrap_or_default();
    let ready = conditions.ready.unwrap_or(true);
    let target = object.target_ref.as_ref();
    Endpoint {
        addresses: object.addresses.iter().filter_map(|text| text.parse().ok()).collect(),
        ready,
        serving: conditions.serving.unwrap_or(ready),
        terminating: conditions.terminating.unwrap_or(false),
        node: object.node_name.as_deref().map(NodeName::from),
        pod: target.filter(|target| target.kind.as_deref() == Some("Pod")).map(|target| {
            ObjectKey::new(target.namespace.clone().unwrap_or_default(), target.name.clone().unwrap_or_default())
        }),
    }
}

fn key(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> ObjectKey {
    ObjectKey::new(metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

fn port(number: i32) -> Port {
    Port(u16::try_from(number).unwrap_or_default())
}

fn protocol(name: Option<&String>) -> Protocol {
    name.and_then(|name| name.parse().ok()).unwrap_or(Protocol::TCP)
}
