//! Who is on a link: what a broadcast reaches, over bridges and veths, and who answers.

use std::cell::Cell;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use skoop_model::{Family, IfIndex, Link, LinkKind, MacAddr, Packet, PortState, Protocol, Sysctls, Transport};
use skoop_sim::{Flow, Forks, Lookup, Namespace, Resolution, Surroundings, Tri};

use super::network::{HostId, Network, NodeState};
use super::wants::Wants;

/// The links around one namespace.
pub struct Around<'a> {
    pub network: &'a Network,
    pub host: HostId,
    pub wants: &'a Wants,
}

/// What a broadcast reaches.
#[derive(Debug, Default)]
pub struct Domain {
    /// Devices that hear it, with their namespaces.
    pub ends: Vec<(HostId, IfIndex)>,
    /// It leaves the node by an uplink too.
    pub uplink: Cell<bool>,
    seen: HashSet<(HostId, IfIndex)>,
}

impl Surroundings for Around<'_> {
    fn resolve(&self, device: IfIndex, address: IpAddr) -> Resolution {
        let domain = Domain::of(self.network, self.host, device);
        let mut macs: Vec<MacAddr> = Vec::new();
        for (host, link) in domain.ends.iter().copied() {
            if let Some(mac) = answer(self.network, host, link, address)
                && !macs.contains(&mac)
            {
                macs.push(mac);
            }
        }
        match macs.as_slice() {
            [] if domain.uplink.get() => self.resolve_beyond(address),
            [] => Resolution::Nobody,
            [only] => Resolution::Answer(*only),
            _ => Resolution::Several(macs),
        }
    }

    fn takes(&self, port: IfIndex, mac: MacAddr) -> bool {
        let mut domain = Domain::default();
        domain.cross(self.network, self.host, port);
        let taken = domain.ends.iter().any(|(host, link)| {
            let link = self.network.host(*host).namespace.link(*link);
            link.is_some_and(|link| link.up && link.mac == Some(mac))
        });
        taken || domain.uplink.get()
    }
}

impl Around<'_> {
    /// Resolution over an uplink: another node's NIC answers, and gateways are taken to.
    fn resolve_beyond(&self, address: IpAddr) -> Resolution {
        let Some(node) = self.network.cluster().node_with_address(address) else {
            // Addresses that only the nodes know are not on the network between them.
            let inside = self.network.reaches_from_outside(address) == Tri::No;
            return if inside { Resolution::Nobody } else { Resolution::Unseen };
        };
        if node.name == self.network.host(self.host).node {
            return Resolution::Nobody;
        }
        match self.network.node_state(&node.name) {
            NodeState::Missing => {
                self.wants.node(&node.name);
                Resolution::Unseen
            }
            NodeState::Unavailable(_) => Resolution::Unseen,
            NodeState::Known => {
                let nic = self.network.node_host(&node.name).and_then(|host| {
                    let namespace = &self.network.host(host).namespace;
                    let device = namespace.device_of_address(address)?;
                    namespace.link(device).filter(|link| link.is_running())?;
                    answer(self.network, host, device, address)
                });
                nic.map_or(Resolution::Nobody, Resolution::Answer)
            }
        }
    }
}

impl Domain {
    /// What a broadcast sent by the layer-3 device `device` reaches.
    pub fn of(network: &Network, host: HostId, device: IfIndex) -> Self {
        let mut domain = Self::default();
        let Some(link) = network.host(host).namespace.link(device) else { return domain };
        domain.seen.insert((host, device));
        match &link.kind {
            LinkKind::Bridge(_) => domain.flood(network, host, link, None),
            // A VXLAN device floods only to default entries, which no plugin modelled here writes.
            LinkKind::Vxlan(_) => {}
            _ => domain.cross(network, host, device),
        }
        domain
    }

    /// Out by all ports of a bridge but `from`.
    fn flood(&mut self, network: &Network, host: HostId, bridge: &Link, from: Option<&Link>) {
        let namespace = &network.host(host).namespace;
        let isolated = |link: &Link| link.bridge_port.as_ref().is_some_and(|settings| settings.isolated);
        let ports: Vec<IfIndex> = namespace
            .bridge_ports(bridge.index)
            .filter(|port| passes(port) && from.is_none_or(|from| !(isolated(from) && isolated(port))))
            .filter(|port| from.is_none_or(|from| from.index != port.index))
            .map(|port| port.index)
            .collect();
        for port in ports {
            self.cross(network, host, port);
        }
    }

    /// Out by a device, to its other end.
    fn cross(&mut self, network: &Network, host: HostId, device: IfIndex) {
        let Some(link) = network.host(host).namespace.link(device) else { return };
        if !link.is_running() {
            return;
        }
        match network.veth_peer(host, link) {
            Some((peer_host, peer)) => self.arrive(network, peer_host, peer),
            None => self.uplink.set(true),
        }
    }

    fn arrive(&mut self, network: &Network, host: HostId, device: IfIndex) {
        let namespace = &network.host(host).namespace;
        let Some(link) = namespace.link(device) else { return };
        if !link.up || !self.seen.insert((host, device)) {
            return;
        }
        match namespace.bridge_of(link) {
            Some(bridge) if passes(link) && bridge.up => {
                self.ends.push((host, bridge.index));
                self.flood(network, host, bridge, Some(link));
            }
            Some(_) => {}
            None => self.ends.push((host, device)),
        }
    }
}

fn passes(port: &Link) -> bool {
    port.is_running() && port.bridge_port.as_ref().is_none_or(|settings| settings.state == PortState::Forwarding)
}

/// The link-layer address that `link` answers with for `address` (`arp_process`, net/ipv4/arp.c).
fn answer(network: &Network, host: HostId, link: IfIndex, address: IpAddr) -> Option<MacAddr> {
    let namespace = &network.host(host).namespace;
    let link = namespace.link(link)?;
    if !link.up || link.no_arp {
        return None;
    }
    let family = Family::of(address);
    let device = |name: &str| namespace.sysctl(&Sysctls::device_path(family, &link.name, name)).unwrap_or(0);
    let all = |name: &str| namespace.sysctl(&Sysctls::device_path(family, "all", name)).unwrap_or(0);
    let local = namespace.device_of_address(address);
    let is_local = match family {
        // `arp_process` asks the routing rules, `ndisc_recv_ns` the addresses of the device.
        Family::V4 => is_routed_locally(namespace, link, address),
        Family::V6 => local == Some(link.index),
    };
    if is_local {
        let ignore = device("arp_ignore").max(all("arp_ignore"));
        let answers = match (family, ignore) {
            (Family::V4, 0) | (Family::V6, _) => true,
            (Family::V4, 1 | 2) => local == Some(link.index),
            (Family::V4, _) => ignore != 8,
        };
        return if answers { link.mac } else { None };
    }
    let proxies = family == Family::V4 && device("proxy_arp").max(all("proxy_arp")) != 0;
    let entry = namespace
        .snapshot()
        .neighbours
        .elements()
        .iter()
        .any(|entry| entry.proxy && entry.link == link.index && entry.address == address);
    let elsewhere = || {
        let route = namespace.route_to(address);
        route.is_some_and(|route| route.nexthops.first().and_then(|hop| hop.link) != Some(link.index))
    };
    if entry || (proxies && elsewhere()) { link.mac } else { None }
}

/// Whether the routing rules make a request for `address` that comes in by `link` one for this host.
fn is_routed_locally(namespace: &Namespace, link: &Link, address: IpAddr) -> bool {
    let probe = Packet::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address, Protocol::UDP, Transport::Other, 0);
    let flow = Flow { iif: Some(link.index), ..Flow::of(&probe) };
    matches!(namespace.fib().lookup(&flow, &mut Forks::first()), Lookup::Found(found) if found.is_local())
}
