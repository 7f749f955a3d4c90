//! A plugin that skoop has never heard of: its pattern is inferred from what it did elsewhere.

use ipnet::IpNet;
use skoop_model::{ClusterSnapshot, Family, KubeNode, Link, LinkKind, NextHop, Route, RouteKind, TableId};
use skoop_sim::{Namespace, Tri};

use crate::{CniPlugin, ExpectedRoute, NodeView, PodView};

/// Infers everything from the routes and bridges that are there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Generic;

impl CniPlugin for Generic {
    fn name(&self) -> &'static str {
        "generic"
    }

    fn detect(&self, _cluster: &ClusterSnapshot) -> bool {
        true
    }

    /// As the pod has it; if it lost it, with the prefix length that the bridge has its address with.
    fn pod_address(&self, view: &PodView<'_>) -> Option<(IpNet, String)> {
        let (link, net) = pod_net(view)?;
        Some((net, link.name.clone()))
    }

    /// A pod on a bridge: its subnet on the link, the rest by the bridge's address in that subnet.
    fn pod_routes(&self, view: &PodView<'_>) -> Vec<ExpectedRoute> {
        let Some((link, net)) = pod_net(view) else { return Vec::new() };
        let Some(gateway) = bridge_gateway(view.host, link, net).map(|net| net.addr()) else { return Vec::new() };
        let subnet = net.trunc();
        let default = default_net(Family::of(view.address));
        let on_link = ExpectedRoute {
            dst: subnet,
            gateway: None,
            device: link.name.clone(),
            source: Some(view.address),
            onlink: false,
        };
        let by_gateway =
            |dst| ExpectedRoute { dst, gateway: Some(gateway), device: link.name.clone(), source: None, onlink: false };
        vec![on_link, by_gateway(default)]
    }

    /// The route to another node's pods, by analogy with a route to a third node's: the gateway is either the first address of
    /// the remote pod CIDR or the remote node's own address.
    fn remote_route(&self, view: &NodeView<'_>, remote: &KubeNode) -> Option<ExpectedRoute> {
        remote.pod_cidrs.iter().find_map(|cidr| {
            let (sibling, node, pattern) = sibling_routes(view, *cidr).find(|(_, node, _)| node.name != remote.name)?;
            let hop = sibling.nexthops.first()?;
            let gateway = match hop.gateway {
                None => None,
                Some(gateway) if gateway == pattern.network() => Some(cidr.network()),
                Some(gateway) if node.addresses.contains(&gateway) => {
                    let family = Family::of(cidr.addr());
                    Some(remote.addresses.iter().copied().find(|address| Family::of(*address) == family)?)
                }
                Some(_) => return None,
            };
            let device = view.host.link(hop.link?)?.name.clone();
            Some(ExpectedRoute { dst: *cidr, gateway, device, source: None, onlink: hop.onlink })
        })
    }

    /// Where other nodes' pods are reached by a tunnel, or by a node as gateway, nobody else knows the pods' addresses.
    fn underlay_carries_pods(&self, view: &NodeView<'_>) -> Tri {
        let hops = |family: Family| {
            let cidrs = view.cluster.nodes.elements().iter().flat_map(|node| node.pod_cidrs.iter().copied());
            let cidr = cidrs.into_iter().find(|cidr| Family::of(cidr.addr()) == family);
            cidr.into_iter()
                .flat_map(|cidr| sibling_routes(view, cidr))
                .filter_map(|(route, ..)| route.nexthops.first())
        };
        let seen: Vec<&NextHop> = hops(Family::V4).chain(hops(Family::V6)).collect();
        if seen.is_empty() {
            return Tri::Maybe;
        }
        let by_node = |hop: &&NextHop| {
            let tunnel = hop.link.and_then(|link| view.host.link(link)).is_some_and(Link::is_tunnel);
            tunnel || hop.gateway.is_some_and(|gateway| view.cluster.node_with_address(gateway).is_some())
        };
        if seen.iter().all(by_node) { Tri::No } else { Tri::Maybe }
    }

    fn agent(&self) -> &'static str {
        "the CNI plugin's agent on the node"
    }
}

/// Routes of the main table to pod CIDRs of other nodes, of the family of `like`: route, node, and its pod CIDR.
fn sibling_routes<'a>(view: &NodeView<'a>, like: IpNet) -> impl Iterator<Item = (&'a Route, &'a KubeNode, IpNet)> {
    let routes = view.host.snapshot().routes.elements();
    let own = &view.node.name;
    let others = view.cluster.nodes.elements().iter().filter(move |node| node.name != *own);
    let cidrs = others.flat_map(|node| node.pod_cidrs.iter().map(move |cidr| (node, *cidr)));
    cidrs.filter(move |(_, cidr)| Family::of(cidr.addr()) == Family::of(like.addr())).filter_map(move |(node, cidr)| {
        let route = routes
            .iter()
            .find(|route| route.table == TableId::MAIN && route.dst == cidr && route.kind == RouteKind::Unicast)?;
        Some((route, node, cidr))
    })
}

/// The pod's device, and its address with the prefix length.
fn pod_net<'a>(view: &PodView<'a>) -> Option<(&'a Link, IpNet)> {
    let snapshot = view.pod.snapshot();
    if let Some(entry) = snapshot.addresses.elements().iter().find(|entry| entry.ip() == view.address) {
        return Some((view.pod.link(entry.link)?, entry.net));
    }
    let alone = IpNet::from(view.address);
    snapshot.links.elements().iter().filter(|link| link.veth_peer().is_some()).find_map(|link| {
        let gateway = bridge_gateway(view.host, link, alone)?;
        Some((link, IpNet::new(view.address, gateway.prefix_len()).ok()?))
    })
}

/// The address of the bridge that the pod's veth leads to, whose subnet holds the address of `pod` or is held by its prefix.
fn bridge_gateway(host: &Namespace, pod_link: &Link, pod: IpNet) -> Option<IpNet> {
    let addresses = host.snapshot().addresses.elements();
    let fits = |net: &IpNet| pod.contains(&net.addr()) || net.contains(&pod.addr());
    let of_bridge =
        |bridge: &Link| addresses.iter().filter(|entry| entry.link == bridge.index).map(|entry| entry.net).find(fits);
    let peer = pod_link.veth_peer().and_then(|peer| host.link(peer.index));
    if let Some(bridge) = peer.and_then(|peer| host.bridge_of(peer)) {
        return of_bridge(bridge);
    }
    let bridges = host.snapshot().links.elements().iter().filter(|link| matches!(link.kind, LinkKind::Bridge(_)));
    bridges.into_iter().find_map(of_bridge)
}

fn default_net(family: Family) -> IpNet {
    match family {
        Family::V4 => IpNet::V4(ipnet::Ipv4Net::default()),
        Family::V6 => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}

#[cfg(test)]
mod tests;
