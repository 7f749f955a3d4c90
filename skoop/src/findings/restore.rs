//! What a pod needs and lost, and the commands that restore it.

use std::net::IpAddr;

use skoop_cni::{ExpectedRoute, PodView};
use skoop_model::{Family, Pod, PodPhase};

use super::case::Case;
use super::routing::ip;
use crate::engine::HostId;

impl<'a> Case<'a> {
    /// The pod that has, by the API, `address`, and the namespace that is its own.
    pub fn pod_of_address(&self, address: IpAddr) -> Option<(&'a Pod, HostId)> {
        let pods = self.network.cluster().pods_with_address(address);
        let pod = pods.into_iter().find(|pod| !matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed))?;
        Some((pod, self.network.pod_host(pod)?))
    }

    /// Commands that give the pod in `host` its addresses of `family` and their routes, as far as it lacks them.
    pub fn restore_pod(&self, host: HostId, family: Family) -> Vec<Vec<String>> {
        let place = self.network.host(host);
        let (Some(key), Some(node)) = (&place.pod, self.network.node_host(&place.node)) else { return Vec::new() };
        let Some(pod) = self.network.cluster().pod(key) else { return Vec::new() };
        let node = &self.network.host(node).namespace;
        let mut commands = Vec::new();
        for address in pod.addresses.iter().copied().filter(|address| Family::of(*address) == family) {
            let view = PodView { pod: &place.namespace, host: node, address };
            let lost = place.namespace.device_of_address(address).is_none();
            if lost && let Some((net, device)) = self.network.cni().pod_address(&view) {
                let net = net.to_string();
                let mut words = vec!["addr", "add", &net, "dev", &device];
                // At once usable: a pod's address was never in doubt.
                words.extend((family == Family::V6).then_some("nodad"));
                commands.push(ip(family, &words));
            }
            let routes = self.network.cni().pod_routes(&view).into_iter().filter(|route| route.gateway.is_some());
            commands.extend(routes.filter(|route| lost || !self.has_route(host, route)).map(|route| route.command()));
        }
        commands
    }

    /// The route of a node to its own pods, by the subnet of the device that has it.
    pub fn own_pods_route(&self, host: HostId, pod: IpAddr) -> Option<ExpectedRoute> {
        let namespace = &self.network.host(host).namespace;
        let entry = namespace.snapshot().addresses.elements().iter().find(|entry| entry.net.contains(&pod))?;
        let device = namespace.device_name(entry.link);
        Some(ExpectedRoute { dst: entry.net.trunc(), gateway: None, device, source: Some(entry.ip()), onlink: false })
    }

    fn has_route(&self, host: HostId, route: &ExpectedRoute) -> bool {
        let namespace = &self.network.host(host).namespace;
        namespace.snapshot().routes.elements().iter().any(|entry| {
            let hop = entry.nexthops.first();
            entry.dst == route.dst && hop.is_some_and(|hop| hop.gateway == route.gateway)
        })
    }
}
