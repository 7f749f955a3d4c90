//! One blocker with all that is known around it, for findings to judge.

use std::net::IpAddr;

use ipnet::IpNet;
use skoop_cni::{ExpectedRoute, NodeView, PodView};
use skoop_model::{Evidence, Family, Fix, IfIndex, KubeNode, Link, LinkKind, NodeName, Packet, Question, Service};
use skoop_sim::{Blocker, Namespace, Stop};

use crate::engine::{Blocked, Host, HostId, Journey, Network, Plan, Target, Trip, endpoints};

/// One blocker in its surroundings.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub network: &'a Network,
    pub plan: &'a Plan,
    pub question: &'a Question,
    pub trip: &'a Trip,
    pub journey: &'a Journey,
    pub blocked: &'a Blocked,
}

/// What a finding says about a case.
#[derive(Debug, Clone, Default)]
pub struct Detail {
    /// The object that it rests on; none: the blocker's own evidence.
    pub evidence: Option<Evidence>,
    /// Where it is to be mended; none: where the packet was blocked.
    pub at: Option<HostId>,
    /// One or two sentences.
    pub message: String,
    /// How to mend it.
    pub fix: Fix,
}

impl Detail {
    /// A finding that rests on the blocker's own evidence.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// Rests on `evidence` instead.
    #[must_use]
    pub fn on(mut self, evidence: Evidence) -> Self {
        self.evidence = Some(evidence);
        self
    }

    /// Is to be mended in `host` instead.
    #[must_use]
    pub fn at(mut self, host: HostId) -> Self {
        self.at = Some(host);
        self
    }

    /// How to mend it.
    #[must_use]
    pub fn fix(mut self, text: impl Into<String>, commands: Vec<Vec<String>>) -> Self {
        self.fix = Fix { text: text.into(), commands };
        self
    }
}

/// An argument list from words.
pub fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl<'a> Case<'a> {
    /// The blocker.
    pub fn blocker(&self) -> &'a Blocker {
        &self.blocked.blocker
    }

    /// Why the packet stopped.
    pub fn stop(&self) -> &'a Stop {
        &self.blocked.blocker.stop
    }

    /// The packet as it was then.
    pub fn packet(&self) -> &'a Packet {
        &self.blocked.blocker.packet
    }

    /// The namespace where it stopped.
    pub fn host(&self) -> Option<&'a Host> {
        self.blocked.host.map(|host| self.network.host(host))
    }

    /// The namespace where it stopped, for the simulator.
    pub fn namespace(&self) -> Option<&'a Namespace> {
        self.host().map(|host| &host.namespace)
    }

    /// The device where it stopped.
    pub fn device(&self) -> Option<&'a Link> {
        self.namespace()?.link(self.blocker().device?)
    }

    /// Name of the device where it stopped.
    pub fn device_name(&self) -> String {
        self.blocker().place.device.clone()
    }

    /// Where it stopped, for people: `node-1`, `pod/default/client`.
    pub fn whereabouts(&self) -> String {
        let place = &self.blocker().place;
        if place.namespace == "host" { place.node.to_string() } else { place.namespace.clone() }
    }

    /// The namespace that holds `address`, and the device that has it: where the API says it is, else anywhere.
    pub fn owner(&self, address: IpAddr) -> Option<(HostId, &'a Link)> {
        let owners = self.network.hosts_with_address(address);
        let rightful = self.pod_of_address(address).map(|(_, host)| host).filter(|host| owners.contains(host));
        let host = rightful.or_else(|| owners.first().copied())?;
        let namespace = &self.network.host(host).namespace;
        Some((host, namespace.link(namespace.device_of_address(address)?)?))
    }

    /// The other end of a veth.
    pub fn peer(&self, host: HostId, link: &Link) -> Option<(HostId, &'a Link)> {
        let (peer_host, peer) = self.network.veth_peer(host, link)?;
        Some((peer_host, self.network.host(peer_host).namespace.link(peer)?))
    }

    /// The address whose link-layer address the packet was to be sent to here.
    pub fn neighbour_address(&self) -> Option<IpAddr> {
        match self.stop() {
            Stop::NoNeighbour { address, .. } => Some(*address),
            Stop::BridgeNobody { .. } | Stop::WrongMac { .. } => Some(self.packet().dst),
            _ => None,
        }
    }

    /// The service that the question asks for, directly or by its address.
    pub fn service(&self) -> Option<&'a Service> {
        match &self.plan.target {
            Target::Service(key, _) => self.network.cluster().service(key),
            _ => None,
        }
    }

    /// Whether the packet is still sent to the Service: to one of its addresses, or to its port of a node.
    pub fn is_untranslated(&self, service: &Service) -> bool {
        let packet = self.packet();
        let by_node = self.network.cluster().node_with_address(packet.dst).is_some();
        service.has_address(packet.dst)
            || by_node
                && service.ports.iter().any(|entry| entry.node_port.is_some() && entry.node_port == packet.dport())
    }

    /// Whether the Service has ready endpoints, and none on `node`.
    pub fn lacks_endpoint_on(&self, service: &Service, node: &NodeName) -> bool {
        let endpoints = endpoints(self.network, service);
        let ready = endpoints.iter().filter(|endpoint| endpoint.ready || (endpoint.serving && endpoint.terminating));
        let nodes: Vec<Option<&NodeName>> = ready.map(|endpoint| endpoint.node.as_ref()).collect();
        !nodes.is_empty() && !nodes.contains(&Some(node))
    }

    /// The node whose pods hold `address`.
    pub fn node_of_pod_address(&self, address: IpAddr) -> Option<&'a KubeNode> {
        let cluster = self.network.cluster();
        let by_pod = cluster.pods_with_address(address).first().and_then(|pod| pod.node.as_ref());
        by_pod.and_then(|name| cluster.node(name)).or_else(|| cluster.node_with_pod_cidr(address))
    }

    /// A node's own namespace with its API object.
    pub fn node_view(&self, name: &NodeName) -> Option<NodeView<'a>> {
        let host = self.network.node_host(name)?;
        let cluster = self.network.cluster();
        Some(NodeView { host: &self.network.host(host).namespace, node: cluster.node(name)?, cluster })
    }

    /// The route that this node should have to the pods of `remote`, by its own pattern or by that of any node in sight.
    pub fn remote_route(&self, node: &NodeName, remote: &KubeNode) -> Option<ExpectedRoute> {
        let cni = self.network.cni();
        let own = self.node_view(node).and_then(|view| cni.remote_route(&view, remote));
        own.or_else(|| {
            let names = self.network.cluster().nodes.elements().iter().map(|node| &node.name);
            names.filter_map(|name| self.node_view(name)).find_map(|view| cni.remote_route(&view, remote))
        })
    }

    /// The VXLAN device of `remote` that answers the one called `device` here: its MAC address.
    pub fn remote_tunnel(&self, remote: &NodeName, device: &Link) -> Option<&'a Link> {
        let LinkKind::Vxlan(config) = &device.kind else { return None };
        let host = self.network.node_host(remote)?;
        let links = self.network.host(host).namespace.snapshot().links.elements();
        links.iter().find(|link| matches!(&link.kind, LinkKind::Vxlan(other) if other.vni == config.vni))
    }

    /// Commands that restore what `node` needs to reach the pods of `remote`: route, and for a VXLAN neighbour and forwarding entry.
    /// Only what is missing. `revived` is a device whose routes and neighbours went with it when it went down.
    pub fn restore_remote(&self, node: &NodeName, remote: &KubeNode, revived: Option<&str>) -> Vec<Vec<String>> {
        let Some(route) = self.remote_route(node, remote) else { return Vec::new() };
        let Some(view) = self.node_view(node) else { return Vec::new() };
        let mut commands = Vec::new();
        let snapshot = view.host.snapshot();
        let has_route = snapshot.routes.elements().iter().any(|entry| entry.dst == route.dst);
        if !has_route || revived == Some(route.device.as_str()) {
            commands.push(route.command());
        }
        let Some(device) = snapshot.links.elements().iter().find(|link| link.name == route.device) else {
            return commands;
        };
        if !matches!(device.kind, LinkKind::Vxlan(_)) {
            return commands;
        }
        let revived = revived == Some(route.device.as_str());
        if let (Some(gateway), Some(mac)) =
            (route.gateway, self.remote_tunnel(&remote.name, device).and_then(|link| link.mac))
        {
            let known = snapshot.neighbours.elements().iter().any(|entry| {
                entry.link == device.index
                    && entry.address == gateway
                    && entry.mac == Some(mac)
                    && entry.state.is_valid()
            });
            if !known || revived {
                let (gateway, mac) = (gateway.to_string(), mac.to_string());
                let words =
                    ["ip", "neigh", "replace", &gateway, "lladdr", &mac, "dev", &device.name, "nud", "permanent"];
                commands.push(argv(&words));
            }
            commands.extend(Self::restore_fdb(view.host, device, &mac.to_string(), remote, revived));
        }
        commands
    }

    fn restore_fdb(
        host: &Namespace,
        device: &Link,
        mac: &str,
        remote: &KubeNode,
        revived: bool,
    ) -> Option<Vec<String>> {
        let family = Family::of(*remote.addresses.first()?);
        let address = remote.addresses.iter().find(|address| Family::of(**address) == family)?;
        let known = host
            .snapshot()
            .fdb
            .elements()
            .iter()
            .any(|entry| entry.link == device.index && entry.mac.to_string() == mac && entry.dst == Some(*address));
        if known && !revived {
            return None;
        }
        let address = address.to_string();
        Some(argv(&["bridge", "fdb", "replace", mac, "dev", &device.name, "dst", &address, "self", "permanent"]))
    }

    /// Routes that the pod in `host` should have and has not.
    pub fn missing_pod_routes(&self, host: HostId, all: bool) -> Vec<ExpectedRoute> {
        let pod = self.network.host(host);
        let Some(node) = self.network.node_host(&pod.node).map(|id| self.network.host(id)) else { return Vec::new() };
        let snapshot = pod.namespace.snapshot();
        let addresses = snapshot.addresses.elements().iter().map(skoop_model::Address::ip);
        let family = self.packet().family();
        let addresses = addresses.filter(|address| Family::of(*address) == family && !address.is_loopback());
        let expected = addresses.flat_map(|address| {
            self.network.cni().pod_routes(&PodView { pod: &pod.namespace, host: &node.namespace, address })
        });
        let device_of = |route: &ExpectedRoute| snapshot.links.elements().iter().find(|link| link.name == route.device);
        let present = |route: &ExpectedRoute| {
            let index: Option<IfIndex> = device_of(route).map(|link| link.index);
            snapshot.routes.elements().iter().any(|entry| {
                let hop = entry.nexthops.first();
                entry.dst == route.dst && hop.is_some_and(|hop| hop.link == index && hop.gateway == route.gateway)
            })
        };
        // The kernel gives routes to link-local addresses no source, and takes none that is still being tried for duplicates.
        let expected = expected.map(|route| match route.dst {
            IpNet::V6(net) if net.addr().is_unicast_link_local() => ExpectedRoute { source: None, ..route },
            _ => route,
        });
        expected.filter(|route| all || !present(route)).collect()
    }

    /// Whether `address` lies in a subnet of one of the device's addresses.
    pub fn on_subnet_of(namespace: &Namespace, link: &Link, address: IpAddr) -> bool {
        let addresses = namespace.snapshot().addresses.elements().iter();
        let mut nets = addresses.filter(|entry| entry.link == link.index).map(|entry| entry.net);
        nets.any(|net: IpNet| net.contains(&address))
    }
}
