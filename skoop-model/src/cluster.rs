//! Kubernetes objects, reduced to what networking reads. No secrets, no environment variables, no annotations.

mod policy;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use policy::{
    IpBlock, LabelSelector, NetworkPolicy, PolicyPeer, PolicyPort, PolicyRule, Requirement, RequirementOperator,
};

use crate::{Item, NodeName, Port, Protocol, SCHEMA_VERSION, Unavailable};

/// Namespace and name of an object; the namespace is empty for cluster-wide ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// The key of `namespace/name`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            return f.write_str(&self.name);
        }
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What the API server promised, at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSnapshot {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema: u32,
    /// Where it came from, for people: the context's name; never an address with credentials.
    pub source: String,
    /// Time at which collecting began, in milliseconds since the Unix epoch.
    pub taken_at_ms: u64,
    /// Nodes.
    pub nodes: Item<Vec<KubeNode>>,
    /// Pods.
    pub pods: Item<Vec<Pod>>,
    /// Services.
    pub services: Item<Vec<Service>>,
    /// Endpoint slices.
    pub endpoint_slices: Item<Vec<EndpointSlice>>,
    /// Namespaces.
    pub namespaces: Item<Vec<Namespace>>,
    /// Network policies.
    pub network_policies: Item<Vec<NetworkPolicy>>,
    /// Config maps of kube-proxy and of CNI plugins, and no others.
    pub config_maps: Item<Vec<ConfigMap>>,
    /// Daemon sets of `kube-system` and of CNI plugins.
    pub daemon_sets: Item<Vec<DaemonSet>>,
    /// What could not be seen beyond whole kinds: single config maps that may not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<Unavailable>,
}

impl ClusterSnapshot {
    /// A snapshot of which nothing was collected yet.
    pub fn new(source: impl Into<String>, taken_at_ms: u64) -> Self {
        Self {
            schema: SCHEMA_VERSION,
            source: source.into(),
            taken_at_ms,
            nodes: Item::not_collected(),
            pods: Item::not_collected(),
            services: Item::not_collected(),
            endpoint_slices: Item::not_collected(),
            namespaces: Item::not_collected(),
            network_policies: Item::not_collected(),
            config_maps: Item::not_collected(),
            daemon_sets: Item::not_collected(),
            unseen: Vec::new(),
        }
    }

    /// The pod with this key.
    pub fn pod(&self, key: &ObjectKey) -> Option<&Pod> {
        self.pods.elements().iter().find(|pod| pod.key == *key)
    }

    /// Pods that hold `address`, those that still run first. Host-network pods share their node's address and are left out.
    pub fn pods_with_address(&self, address: IpAddr) -> Vec<&Pod> {
        let mut pods: Vec<&Pod> =
            self.pods.elements().iter().filter(|pod| !pod.host_network && pod.addresses.contains(&address)).collect();
        pods.sort_by_key(|pod| pod.phase.is_over());
        pods
    }

    /// The service with this key.
    pub fn service(&self, key: &ObjectKey) -> Option<&Service> {
        self.services.elements().iter().find(|service| service.key == *key)
    }

    /// The service that has `address` as a cluster, external or load-balancer address.
    pub fn service_with_address(&self, address: IpAddr) -> Option<&Service> {
        self.services.elements().iter().find(|service| service.has_address(address))
    }

    /// The node with this name.
    pub fn node(&self, name: &NodeName) -> Option<&KubeNode> {
        self.nodes.elements().iter().find(|node| node.name == *name)
    }

    /// The node that has `address`.
    pub fn node_with_address(&self, address: IpAddr) -> Option<&KubeNode> {
        self.nodes.elements().iter().find(|node| node.addresses.contains(&address))
    }

    /// The node whose pod CIDR holds `address`.
    pub fn node_with_pod_cidr(&self, address: IpAddr) -> Option<&KubeNode> {
        self.nodes.elements().iter().find(|node| node.pod_cidrs.iter().any(|cidr| cidr.contains(&address)))
    }

    /// The slices of a service.
    pub fn slices_of<'a>(&'a self, service: &'a ObjectKey) -> impl Iterator<Item = &'a EndpointSlice> {
        self.endpoint_slices.elements().iter().filter(move |slice| {
            slice.key.namespace == service.namespace && slice.service.as_deref() == Some(service.name.as_str())
        })
    }
}

/// A Node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeNode {
    /// Name.
    pub name: NodeName,
    /// Internal and external addresses, in the API's order.
    pub addresses: Vec<IpAddr>,
    /// Pod CIDRs.
    pub pod_cidrs: Vec<IpNet>,
    /// Whether the Ready condition is true; none if it has no such condition.
    pub ready: Option<bool>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `spec.providerID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
}

/// A Pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Key.
    pub key: ObjectKey,
    /// UID.
    pub uid: String,
    /// Node; none while unscheduled.
    pub node: Option<NodeName>,
    /// Addresses, the primary one first.
    pub addresses: Vec<IpAddr>,
    /// Shares its node's namespace.
    pub host_network: bool,
    /// Phase.
    pub phase: PodPhase,
    /// Whether the Ready condition is true.
    pub ready: bool,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Declared ports of all containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ContainerPort>,
    /// What owns it, as `kind/name`, the controller only: `ReplicaSet/web-5d8f`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Workload>,
}

impl Pod {
    /// The first address of a family.
    pub fn address(&self, family: crate::Family) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| crate::Family::of(*address) == family)
    }
}

/// Kind and name of a workload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Workload {
    /// Kind: `ReplicaSet`, `DaemonSet`, `StatefulSet`, `Job`…
    pub kind: String,
    /// Name.
    pub name: String,
}

/// Phase of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PodPhase {
    /// Accepted, not all containers run.
    Pending,
    /// Bound to a node, containers run.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Its node does not answer.
    Unknown,
}

impl PodPhase {
    /// Whether the pod has ended and holds no address any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// A declared container port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerPort {
    /// Name, to which a named target port refers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Port.
    pub port: Port,
    /// Protocol.
    pub protocol: Protocol,
}

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Key.
    pub key: ObjectKey,
    /// Type.
    pub kind: ServiceType,
    /// Cluster addresses; empty for a headless service.
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.externalIPs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_ips: Vec<IpAddr>,
    /// Addresses of `status.loadBalancer.ingress`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_balancer_ips: Vec<IpAddr>,
    /// `spec.externalName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_name: Option<String>,
    /// Ports.
    pub ports: Vec<ServicePort>,
    /// Selector; empty: endpoints are managed by somebody else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub selector: BTreeMap<String, String>,
    /// `ClientIP` session affinity, with its time-out in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ip_affinity_seconds: Option<u32>,
    /// `externalTrafficPolicy`.
    pub external_traffic_policy: TrafficPolicy,
    /// `internalTrafficPolicy`.
    pub internal_traffic_policy: TrafficPolicy,
    /// `loadBalancerSourceRanges`; empty allows all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_ranges: Vec<IpNet>,
    /// `healthCheckNodePort`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_node_port: Option<Port>,
    /// `publishNotReadyAddresses`.
    #[serde(default)]
    pub publish_not_ready: bool,
}

impl Service {
    /// Whether the service answers at `address`: cluster, external or load-balancer address.
    pub fn has_address(&self, address: IpAddr) -> bool {
        [&self.cluster_ips, &self.external_ips, &self.load_balancer_ips].iter().any(|list| list.contains(&address))
    }

    /// Whether it has neither cluster address nor external name.
    pub fn is_headless(&self) -> bool {
        self.cluster_ips.is_empty() && self.kind != ServiceType::ExternalName
    }

    /// The port entry for `port` and `protocol`.
    pub fn port(&self, port: Port, protocol: Protocol) -> Option<&ServicePort> {
        self.ports.iter().find(|entry| entry.port == port && entry.protocol == protocol)
    }
}

/// Type of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceType {
    /// ClusterIP (or headless).
    ClusterIp,
    /// NodePort.
    NodePort,
    /// LoadBalancer.
    LoadBalancer,
    /// ExternalName.
    ExternalName,
}

/// `internalTrafficPolicy` and `externalTrafficPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrafficPolicy {
    /// All endpoints.
    #[default]
    Cluster,
    /// Endpoints on the same node only.
    Local,
}

/// One port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePort {
    /// Name; empty for the only port.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Protocol.
    pub protocol: Protocol,
    /// Port of the service.
    pub port: Port,
    /// Port of the pods.
    pub target_port: TargetPort,
    /// Port of the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_port: Option<Port>,
}

/// Target port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetPort {
    /// By number.
    Number(Port),
    /// By the name of a container port.
    Name(String),
}

/// An EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSlice {
    /// Key.
    pub key: ObjectKey,
    /// Label `kubernetes.io/service-name`.
    pub service: Option<String>,
    /// Type of the addresses.
    pub address_type: AddressType,
    /// Ports.
    pub ports: Vec<EndpointPort>,
    /// Endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// Type of the addresses in an EndpointSlice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressType {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// Names.
    Fqdn,
}

/// One port of an EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointPort {
    /// Name, equal to the service port's; empty for the only port.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Protocol.
    pub protocol: Protocol,
    /// Port; none is "all".
    pub port: Option<Port>,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Addresses; only the first one is used.
    pub addresses: Vec<IpAddr>,
    /// Condition `ready`; unset is true.
    pub ready: bool,
    /// Condition `serving`; unset is `ready`.
    pub serving: bool,
    /// Condition `terminating`; unset is false.
    pub terminating: bool,
    /// Node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// Pod that it refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<ObjectKey>,
}

/// A Namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Name.
    pub name: String,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A ConfigMap of kube-proxy or a CNI plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigMap {
    /// Key.
    pub key: ObjectKey,
    /// Data.
    pub data: BTreeMap<String, String>,
}

/// A DaemonSet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonSet {
    /// Key.
    pub key: ObjectKey,
    /// Images of its containers.
    pub images: Vec<String>,
    /// Pods that should run.
    pub desired: u32,
    /// Pods that are ready.
    pub ready: u32,
}
