//! A service, its endpoints and a node, for tests.

use std::net::IpAddr;

use skoop_model::{
    AddressType, Endpoint, EndpointPort, EndpointSlice, Family, NodeName, ObjectKey, Port, Protocol, Service,
    ServicePort, ServiceType, TargetPort, TrafficPolicy,
};

use super::ProxyOptions;

pub(super) fn service() -> Service {
    Service {
        key: ObjectKey::new("default", "web"),
        kind: ServiceType::NodePort,
        cluster_ips: vec!["10.96.0.20".parse().expect("a literal"), "fd00:96::20".parse().expect("a literal")],
        external_ips: Vec::new(),
        load_balancer_ips: Vec::new(),
        external_name: None,
        ports: vec![ServicePort {
            name: "http".to_owned(),
            protocol: Protocol::TCP,
            port: Port(80),
            target_port: TargetPort::Number(Port(8080)),
            node_port: Some(Port(30_080)),
        }],
        selector: std::collections::BTreeMap::new(),
        client_ip_affinity_seconds: None,
        external_traffic_policy: TrafficPolicy::Cluster,
        internal_traffic_policy: TrafficPolicy::Cluster,
        source_ranges: Vec::new(),
        health_check_node_port: None,
        publish_not_ready: false,
    }
}

pub(super) fn endpoint(address: &str, node: &str) -> Endpoint {
    Endpoint {
        addresses: vec![address.parse().expect("a literal")],
        ready: true,
        serving: true,
        terminating: false,
        node: Some(NodeName::from(node)),
        pod: None,
    }
}

pub(super) fn slice(endpoints: Vec<Endpoint>) -> EndpointSlice {
    let v6 = endpoints.iter().any(|endpoint| endpoint.addresses.iter().any(IpAddr::is_ipv6));
    EndpointSlice {
        key: ObjectKey::new("default", "web-1"),
        service: Some("web".to_owned()),
        address_type: if v6 { AddressType::Ipv6 } else { AddressType::Ipv4 },
        ports: vec![EndpointPort { name: "http".to_owned(), protocol: Protocol::TCP, port: Some(Port(8080)) }],
        endpoints,
    }
}

pub(super) fn options() -> ProxyOptions {
    ProxyOptions {
        family: Family::V4,
        pod_network: Some("10.244.0.0/16".parse().expect("a literal")),
        node: Some("node-1".to_owned()),
        node_addresses: vec!["192.0.2.1".parse().expect("a literal")],
        service_networks: vec!["10.96.0.0/16".parse().expect("a literal")],
        with_jumps: true,
    }
}

pub(super) fn three() -> EndpointSlice {
    let endpoints = [("10.244.1.2", "node-1"), ("10.244.2.2", "node-2"), ("10.244.3.2", "node-3")];
    slice(endpoints.map(|(address, node)| endpoint(address, node)).into())
}
