//! Names in a question, looked up: where the packet starts and what it looks like.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use skoop_model::{
    ClusterSnapshot, End, Family, KubeNode, NodeName, ObjectKey, Packet, Pod, Port, Protocol, Question, ResolvedEnd,
    Service, TcpFlags, Transport,
};

use super::error::DiagnosisError;
use super::journey::Start;
use super::network::{HostId, Network, NodeState};
use super::wants::Wants;

/// Source port where none is asked for: the first of Linux's default ephemeral range would be as good.
const SOURCE_PORT: Port = Port(40_000);
/// Identifier of the echo request.
const ECHO_ID: u16 = 1;

/// A question ready to be walked.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the packet starts.
    pub start: Start,
    /// Walk the answer too.
    pub reply: bool,
    /// Source, for the report.
    pub source: ResolvedEnd,
    /// Destination, for the report.
    pub destination: ResolvedEnd,
    /// What is asked for.
    pub target: Target,
}

/// What a question asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A pod.
    Pod(ObjectKey),
    /// A service, at its port.
    Service(ObjectKey, Port),
    /// A node.
    Node(NodeName),
    /// An address.
    Address(IpAddr),
}

/// The address and port that the packet is sent to.
struct Destination {
    target: Target,
    addresses: Vec<IpAddr>,
    port: Option<Port>,
    node: Option<NodeName>,
}

/// Where the packet comes from.
enum Source {
    Host { host: Option<HostId>, node: NodeName, addresses: Vec<IpAddr> },
    Outside(Option<IpAddr>),
}

/// Looks up a question. None while a fact is missing, which is then left in `wants`.
pub fn resolve(question: &Question, network: &Network, wants: &Wants) -> Result<Option<Plan>, DiagnosisError> {
    let lookup = Lookup { question, network, cluster: network.cluster(), wants };
    let destination = lookup.destination()?;
    if let Some(node) = destination.as_ref().and_then(|destination| destination.node.as_ref())
        && network.node_state(node) == NodeState::Missing
    {
        wants.node(node);
    }
    let source = lookup.source()?;
    let (Some(source), Some(destination)) = (source, destination) else { return Ok(None) };
    lookup.plan(source, destination)
}

struct Lookup<'a> {
    question: &'a Question,
    network: &'a Network,
    cluster: &'a ClusterSnapshot,
    wants: &'a Wants,
}

impl Lookup<'_> {
    fn source(&self) -> Result<Option<Source>, DiagnosisError> {
        match &self.question.from {
            End::Pod(key) => self.pod_source(self.pod(key)?),
            End::Deployment(key) => self.pod_source(self.deployment_pod(key)?),
            End::Node(name) => {
                let node = self.node(name)?;
                Ok(self.on_node(&node.name, node.addresses.clone(), |network| network.node_host(name)))
            }
            End::Service(key) => Err(DiagnosisError::ServiceAsSource { service: key.clone() }),
            End::Outside(address) => Ok(Some(Source::Outside(*address))),
            End::Address(address) => self.address_source(*address),
            _ => Err(DiagnosisError::UnsupportedEnd { end: self.question.from.to_string() }),
        }
    }

    fn pod_source(&self, pod: &Pod) -> Result<Option<Source>, DiagnosisError> {
        let node = pod.node.clone().ok_or_else(|| DiagnosisError::PodNotScheduled { pod: pod.key.clone() })?;
        Ok(self.on_node(&node, pod.addresses.clone(), |network| network.pod_host(pod)))
    }

    /// A sender on a node, once the node's state is there.
    fn on_node(
        &self,
        node: &NodeName,
        addresses: Vec<IpAddr>,
        host: impl FnOnce(&Network) -> Option<HostId>,
    ) -> Option<Source> {
        if self.network.node_state(node) == NodeState::Missing {
            self.wants.node(node);
            return None;
        }
        Some(Source::Host { host: host(self.network), node: node.clone(), addresses })
    }

    fn address_source(&self, address: IpAddr) -> Result<Option<Source>, DiagnosisError> {
        if let Some(pod) = self.cluster.pods_with_address(address).first() {
            return self.pod_source(pod);
        }
        if let Some(node) = self.cluster.node_with_address(address) {
            let addresses = vec![address];
            return Ok(self.on_node(&node.name, addresses, |network| network.node_host(&node.name)));
        }
        let Some(owners) = self.owners(address) else { return Ok(None) };
        Ok(Some(match owners.first() {
            Some(host) => {
                let node = self.network.host(*host).node.clone();
                Source::Host { host: Some(*host), node, addresses: vec![address] }
            }
            None if self.network.closed_namespaces() > 0 && self.cluster.pods.get().is_err() => {
                let closed = self.network.closed_namespaces();
                return Err(DiagnosisError::ClosedNamespaces { address, closed });
            }
            None => Source::Outside(Some(address)),
        }))
    }

    /// Namespaces with an address that no API object names: without a list of pods every node is looked at, else only nodes known.
    fn owners(&self, address: IpAddr) -> Option<Vec<HostId>> {
        if self.cluster.pods.get().is_err() {
            let missing: Vec<&KubeNode> = self
                .cluster
                .nodes
                .elements()
                .iter()
                .filter(|node| self.network.node_state(&node.name) == NodeState::Missing)
                .collect();
            if !missing.is_empty() {
                for node in missing {
                    self.wants.node(&node.name);
                }
                return None;
            }
        }
        Some(self.network.hosts_with_address(address))
    }

    fn destination(&self) -> Result<Option<Destination>, DiagnosisError> {
        match &self.question.to {
            End::Pod(key) => Ok(Some(self.pod_destination(self.pod(key)?))),
            End::Deployment(key) => Ok(Some(self.pod_destination(self.deployment_pod(key)?))),
            End::Node(name) => {
                let node = self.node(name)?;
                let target = Target::Node(name.clone());
                Ok(Some(Destination {
                    target,
                    addresses: node.addresses.clone(),
                    port: self.question.port,
                    node: Some(name.clone()),
                }))
            }
            End::Service(key) => self.service_destination(key).map(Some),
            End::Outside(address) => Ok(Some(self.outside_destination(*address))),
            End::Address(address) => self.address_destination(*address),
            _ => Err(DiagnosisError::UnsupportedEnd { end: self.question.to.to_string() }),
        }
    }

    fn pod_destination(&self, pod: &Pod) -> Destination {
        let declared = pod.ports.iter().find(|port| port.protocol == self.question.protocol).map(|port| port.port);
        Destination {
            target: Target::Pod(pod.key.clone()),
            addresses: pod.addresses.clone(),
            port: self.question.port.or(declared),
            node: pod.node.clone(),
        }
    }

    fn address_destination(&self, address: IpAddr) -> Result<Option<Destination>, DiagnosisError> {
        let of = |target, node| Destination { target, addresses: vec![address], port: self.question.port, node };
        if let Some(pod) = self.cluster.pods_with_address(address).first() {
            let Destination { port, .. } = self.pod_destination(pod);
            return Ok(Some(Destination { port, ..of(Target::Pod(pod.key.clone()), pod.node.clone()) }));
        }
        if let Some(service) = self.cluster.service_with_address(address) {
            let port = self.service_port(service)?;
            return Ok(Some(Destination { port: Some(port), ..of(Target::Service(service.key.clone(), port), None) }));
        }
        let node = self.cluster.node_with_address(address).map(|node| node.name.clone());
        Ok(Some(of(Target::Address(address), node)))
    }

    fn outside_destination(&self, address: Option<IpAddr>) -> Destination {
        // TEST-NET-1 and the documentation prefix: certain to be nobody's in the cluster.
        let stand_in = match self.question.family {
            Some(Family::V6) => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
            _ => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        };
        let address = address.unwrap_or(stand_in);
        Destination { target: Target::Address(address), addresses: vec![address], port: self.question.port, node: None }
    }

    fn service_destination(&self, key: &ObjectKey) -> Result<Destination, DiagnosisError> {
        let services = Self::list(self.cluster.services.get(), "services")?;
        let service = services.iter().find(|service| service.key == *key).ok_or_else(|| DiagnosisError::NotFound {
            kind: "service",
            key: key.clone(),
            near: similar(key, services.iter().map(|service| &service.key)),
        })?;
        let port = self.service_port(service)?;
        let target = Target::Service(key.clone(), port);
        if let Some(node) = &self.question.node {
            let entry = service.port(port, self.question.protocol);
            let node_port = entry
                .and_then(|entry| entry.node_port)
                .ok_or_else(|| DiagnosisError::NoNodePort { service: key.clone(), port })?;
            let node = self.node(node)?;
            let addresses = node.addresses.clone();
            return Ok(Destination { target, addresses, port: Some(node_port), node: Some(node.name.clone()) });
        }
        let addresses =
            if service.is_headless() { self.headless_addresses(service) } else { service.cluster_ips.clone() };
        if addresses.is_empty() {
            return Err(DiagnosisError::NoAddress { end: self.question.to.to_string() });
        }
        Ok(Destination { target, addresses, port: Some(port), node: None })
    }

    fn headless_addresses(&self, service: &Service) -> Vec<IpAddr> {
        let slices = self.cluster.slices_of(&service.key);
        let ready = slices.flat_map(|slice| slice.endpoints.iter().filter(|endpoint| endpoint.ready));
        ready.filter_map(|endpoint| endpoint.addresses.first().copied()).collect()
    }

    /// The service port asked for: named, else the only one.
    fn service_port(&self, service: &Service) -> Result<Port, DiagnosisError> {
        if let Some(port) = self.question.port {
            return Ok(port);
        }
        let mut ports = service.ports.iter().filter(|entry| entry.protocol == self.question.protocol);
        match (ports.next(), ports.next()) {
            (Some(only), None) => Ok(only.port),
            _ => Err(DiagnosisError::WhichPort {
                service: service.key.clone(),
                ports: service.ports.iter().map(|entry| format!("{}/{}", entry.port, entry.protocol)).collect(),
            }),
        }
    }

    fn pod(&self, key: &ObjectKey) -> Result<&Pod, DiagnosisError> {
        let pods = Self::list(self.cluster.pods.get(), "pods")?;
        pods.iter().find(|pod| pod.key == *key).ok_or_else(|| DiagnosisError::NotFound {
            kind: "pod",
            key: key.clone(),
            near: similar(key, pods.iter().map(|pod| &pod.key)),
        })
    }

    /// A ready pod of a deployment: deployments own replica sets named after them, which own pods.
    fn deployment_pod(&self, key: &ObjectKey) -> Result<&Pod, DiagnosisError> {
        let pods = Self::list(self.cluster.pods.get(), "pods")?;
        let owned = |pod: &&Pod| {
            pod.key.namespace == key.namespace
                && pod.owner.as_ref().is_some_and(|owner| {
                    let suffix = owner.name.strip_prefix(&key.name).and_then(|rest| rest.strip_prefix('-'));
                    owner.kind == "ReplicaSet" && suffix.is_some_and(|suffix| !suffix.contains('-'))
                })
        };
        let mut candidates: Vec<&Pod> = pods.iter().filter(owned).filter(|pod| !pod.phase.is_over()).collect();
        candidates.sort_by_key(|pod| (!pod.ready, pod.key.clone()));
        candidates.into_iter().next().ok_or_else(|| DiagnosisError::NotFound {
            kind: "pod of deployment",
            key: key.clone(),
            near: Vec::new(),
        })
    }

    fn node(&self, name: &NodeName) -> Result<&KubeNode, DiagnosisError> {
        let nodes = Self::list(self.cluster.nodes.get(), "nodes")?;
        let key = ObjectKey::new("", name.as_str());
        nodes.iter().find(|node| node.name == *name).ok_or_else(|| {
            let keys: Vec<ObjectKey> = nodes.iter().map(|node| ObjectKey::new("", node.name.as_str())).collect();
            DiagnosisError::NotFound { kind: "node", near: similar(&key, keys.iter()), key }
        })
    }

    fn list<'b, T>(
        list: Result<&'b Vec<T>, &skoop_model::Unavailable>,
        what: &'static str,
    ) -> Result<&'b Vec<T>, DiagnosisError> {
        list.map_err(|why| DiagnosisError::Unlisted { what, why: why.clone() })
    }

    /// Chooses the family, and makes the packet.
    fn plan(&self, source: Source, destination: Destination) -> Result<Option<Plan>, DiagnosisError> {
        let (source_addresses, source_node): (&[IpAddr], _) = match &source {
            Source::Host { addresses, node, .. } => (addresses, Some(node.clone())),
            Source::Outside(address) => (address.as_slice(), None),
        };
        let family = self.family(source_addresses, &destination.addresses)?;
        let of_family = |addresses: &[IpAddr]| addresses.iter().copied().find(|address| Family::of(*address) == family);
        let dst = of_family(&destination.addresses)
            .ok_or_else(|| DiagnosisError::NoFamily { end: self.question.to.to_string(), family })?;
        let src = of_family(source_addresses).unwrap_or(match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
            Family::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1)),
        });
        let packet = self.packet(src, dst, destination.port);
        let (sport, port) = (packet.sport(), packet.dport());
        let start = match source {
            Source::Host { host: Some(host), .. } => Start::Host { host, packet, choose_source: true },
            Source::Host { host: None, node, .. } => {
                let why = match self.network.node_state(&node) {
                    NodeState::Unavailable(why) => why.to_string(),
                    _ => format!("no namespace on {node} holds one of its addresses"),
                };
                return Err(DiagnosisError::NoNamespace { end: self.question.from.to_string(), why });
            }
            Source::Outside(_) => self.outside_start(dst, &destination, packet)?,
        };
        Ok(Some(Plan {
            start,
            reply: self.question.reply,
            source: ResolvedEnd {
                name: self.question.from.to_string(),
                address: Some(src),
                port: sport,
                node: source_node,
            },
            destination: ResolvedEnd {
                name: self.question.to.to_string(),
                address: Some(dst),
                port,
                node: destination.node,
            },
            target: destination.target,
        }))
    }

    /// A packet from outside comes in by the node that has its destination, or by the node that the question names.
    fn outside_start(
        &self,
        dst: IpAddr,
        destination: &Destination,
        mut packet: Packet,
    ) -> Result<Start, DiagnosisError> {
        packet.ttl = 63;
        let by_address = self.cluster.node_with_address(dst);
        let named = self.question.node.as_ref().map(|name| self.node(name)).transpose()?;
        let of_pod = destination.node.as_ref().and_then(|name| self.cluster.node(name));
        let node = by_address
            .or(named)
            .or(of_pod)
            .ok_or_else(|| DiagnosisError::WhichNode { from: self.question.from.to_string(), address: dst })?;
        let family = Family::of(dst);
        let address = if node.addresses.contains(&dst) {
            dst
        } else {
            let own = node.addresses.iter().copied().find(|address| Family::of(*address) == family);
            own.ok_or_else(|| DiagnosisError::NoFamily { end: format!("node/{}", node.name), family })?
        };
        Ok(Start::Outside { node: node.name.clone(), address, packet })
    }

    fn family(&self, source: &[IpAddr], destination: &[IpAddr]) -> Result<Family, DiagnosisError> {
        if let Some(family) = self.question.family {
            return Ok(family);
        }
        let has = |addresses: &[IpAddr], family| addresses.iter().any(|address| Family::of(*address) == family);
        let both = |family: &Family| (source.is_empty() || has(source, *family)) && has(destination, *family);
        let fitting = Family::ALL.into_iter().find(both);
        fitting.ok_or_else(|| DiagnosisError::NoCommonFamily {
            from: self.question.from.to_string(),
            to: self.question.to.to_string(),
        })
    }

    fn packet(&self, src: IpAddr, dst: IpAddr, port: Option<Port>) -> Packet {
        let ip_header: u32 = if dst.is_ipv4() { 20 } else { 40 };
        let sport = self.question.source_port.unwrap_or(SOURCE_PORT);
        let dport = port.unwrap_or(Port(80));
        let size = self.question.size_bytes.unwrap_or(0);
        match self.question.protocol {
            Protocol::UDP => Packet::udp(src, sport, dst, dport, (ip_header + 8).saturating_add(size)),
            Protocol::ICMP | Protocol::ICMPV6 => {
                Packet::echo_request(src, dst, ECHO_ID, (ip_header + 8).saturating_add(size))
            }
            Protocol::SCTP => {
                let transport = Transport::Sctp { sport, dport };
                Packet::new(src, dst, Protocol::SCTP, transport, (ip_header + 32).saturating_add(size))
            }
            _ => {
                let transport = Transport::Tcp { sport, dport, flags: TcpFlags::SYN };
                let header = if self.question.size_bytes.is_some() { ip_header + 20 } else { ip_header + 40 };
                Packet::new(src, dst, Protocol::TCP, transport, header.saturating_add(size))
            }
        }
    }
}

/// Keys that look like `wanted`: the same name elsewhere, then those with the nearest names.
fn similar<'b>(wanted: &ObjectKey, known: impl Iterator<Item = &'b ObjectKey>) -> Vec<ObjectKey> {
    const MOST: usize = 3;
    let mut near: Vec<(usize, &ObjectKey)> = known
        .map(|key| {
            let elsewhere = usize::from(key.namespace != wanted.namespace);
            (edit_distance(&key.name, &wanted.name) * 2 + elsewhere, key)
        })
        .filter(|(distance, _)| *distance <= wanted.name.chars().count().max(4))
        .collect();
    near.sort();
    near.into_iter().take(MOST).map(|(_, key)| key.clone()).collect()
}

/// Levenshtein distance, in characters.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (position, letter) in left.chars().enumerate() {
        let mut diagonal = position;
        let mut last = position + 1;
        let mut next = vec![last];
        for (other, above) in right.iter().zip(row.iter().skip(1)) {
            let cost = usize::from(letter != *other);
            last = (diagonal + cost).min(last + 1).min(above + 1);
            diagonal = *above;
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered() {
        let known =
            [ObjectKey::new("default", "server"), ObjectKey::new("web", "client"), ObjectKey::new("default", "zzz")];
        assert_eq!(similar(&ObjectKey::new("default", "servr"), known.iter()), [ObjectKey::new("default", "server")]);
        assert_eq!(similar(&ObjectKey::new("default", "client"), known.iter()), [ObjectKey::new("web", "client")]);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
    }
}
