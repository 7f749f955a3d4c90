//! Services.

use k8s_openapi::api::core::v1::{Service as KubeService, ServicePort as KubeServicePort, ServiceSpec};
use skoop_model::{Service, ServicePort, ServiceType, TargetPort, TrafficPolicy};

use super::meta;

/// Default of `sessionAffinityConfig.clientIP.timeoutSeconds`: three hours.
const AFFINITY_SECONDS: u32 = 10_800;

/// A service; none without namespace and name, or of a type that is not known.
pub(in crate::kube) fn service(service: &KubeService) -> Option<Service> {
    let unset = ServiceSpec::default();
    let spec = service.spec.as_ref().unwrap_or(&unset);
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    // With `ipMode: Proxy` the balancer sends to nodes as such, and its address is no concern of theirs.
    let ingress = balancer.and_then(|balancer| balancer.ingress.as_ref()).into_iter().flatten();
    let ingress = ingress.filter(|entry| entry.ip_mode.as_deref() != Some("Proxy"));
    Some(Service {
        key: meta::key(&service.metadata)?,
        kind: kind(spec.type_.as_deref())?,
        cluster_ips: cluster_ips(spec),
        external_ips: meta::addresses(spec.external_ips.iter().flatten()),
        load_balancer_ips: meta::addresses(ingress.filter_map(|entry| entry.ip.as_ref())),
        external_name: spec.external_name.clone().filter(|name| !name.is_empty()),
        ports: spec.ports.iter().flatten().filter_map(port).collect(),
        selector: spec.selector.clone().unwrap_or_default(),
        client_ip_affinity_seconds: affinity(spec),
        external_traffic_policy: traffic_policy(spec.external_traffic_policy.as_deref()),
        internal_traffic_policy: traffic_policy(spec.internal_traffic_policy.as_deref()),
        source_ranges: meta::prefixes(spec.load_balancer_source_ranges.iter().flatten()),
        health_check_node_port: spec.health_check_node_port.and_then(meta::port),
        publish_not_ready: spec.publish_not_ready_addresses.unwrap_or(false),
    })
}

fn kind(text: Option<&str>) -> Option<ServiceType> {
    match text {
        None | Some("ClusterIP" | "") => Some(ServiceType::ClusterIp),
        Some("NodePort") => Some(ServiceType::NodePort),
        Some("LoadBalancer") => Some(ServiceType::LoadBalancer),
        Some("ExternalName") => Some(ServiceType::ExternalName),
        Some(_) => None,
    }
}

/// `clusterIPs`, which begins with `clusterIP`. A headless service has the text `None` in both.
fn cluster_ips(spec: &ServiceSpec) -> Vec<std::net::IpAddr> {
    let all = meta::addresses(spec.cluster_ips.iter().flatten());
    if all.is_empty() { meta::addresses(&spec.cluster_ip) } else { all }
}

/// The port; its target is the same port when none is given.
fn port(entry: &KubeServicePort) -> Option<ServicePort> {
    let port = meta::port(entry.port)?;
    let target_port = match &entry.target_port {
        None => TargetPort::Number(port),
        Some(target) => meta::target_port(target).unwrap_or(TargetPort::Number(port)),
    };
    Some(ServicePort {
        name: entry.name.clone().unwrap_or_default(),
        protocol: meta::protocol(entry.protocol.as_ref())?,
        port,
        target_port,
        node_port: entry.node_port.and_then(meta::port),
    })
}

fn affinity(spec: &ServiceSpec) -> Option<u32> {
    if spec.session_affinity.as_deref() != Some("ClientIP") {
        return None;
    }
    let client_ip = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
    let seconds = client_ip.and_then(|config| config.timeout_seconds);
    Some(seconds.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(AFFINITY_SECONDS))
}

fn traffic_policy(text: Option<&str>) -> TrafficPolicy {
    if text == Some("Local") { TrafficPolicy::Local } else { TrafficPolicy::Cluster }
}
