//! Pods.

use k8s_openapi::api::core::v1::{Container, Pod as KubePod, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use skoop_model::{ContainerPort, NodeName, Pod, PodPhase, Workload};

use super::meta;

/// A pod; none without namespace and name.
pub(in crate::kube) fn pod(pod: &KubePod) -> Option<Pod> {
    let (spec, status) = (pod.spec.as_ref(), pod.status.as_ref());
    Some(Pod {
        key: meta::key(&pod.metadata)?,
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        node: spec.and_then(|spec| spec.node_name.clone()).filter(|name| !name.is_empty()).map(NodeName),
        addresses: status.map(addresses).unwrap_or_default(),
        host_network: spec.and_then(|spec| spec.host_network).unwrap_or(false),
        phase: phase(status.and_then(|status| status.phase.as_deref())),
        ready: status.is_some_and(is_ready),
        labels: meta::labels(&pod.metadata),
        ports: spec.map(ports).unwrap_or_default(),
        owner: controller(&pod.metadata),
    })
}

/// `podIPs`, which begins with `podIP`; older servers have only the latter.
fn addresses(status: &PodStatus) -> Vec<std::net::IpAddr> {
    let all = meta::addresses(status.pod_ips.iter().flatten().map(|entry| &entry.ip));
    if all.is_empty() { meta::addresses(&status.pod_ip) } else { all }
}

fn phase(text: Option<&str>) -> PodPhase {
    match text {
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        // A pod that nobody has touched yet has no phase.
        Some("Pending" | "") | None => PodPhase::Pending,
        Some(_) => PodPhase::Unknown,
    }
}

fn is_ready(status: &PodStatus) -> bool {
    status.conditions.iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Ports in the order in which a named target port is looked up: containers, then sidecars (init containers that always restart), as
/// `FindPort` of the endpoint slice controller does.
fn ports(spec: &PodSpec) -> Vec<ContainerPort> {
    let is_sidecar = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(is_sidecar);
    let ports = spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    ports
        .filter_map(|entry| {
            Some(ContainerPort {
                name: entry.name.clone().filter(|name| !name.is_empty()),
                port: meta::port(entry.container_port)?,
                protocol: meta::protocol(entry.protocol.as_ref())?,
            })
        })
        .collect()
}

fn controller(metadata: &ObjectMeta) -> Option<Workload> {
    let owner = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    Some(Workload { kind: owner.kind.clone(), name: owner.name.clone() })
}
