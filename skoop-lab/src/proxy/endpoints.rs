//! A service port with its endpoints, and what follows from its policies: the same in every mode of kube-proxy.

use std::net::IpAddr;

use ipnet::IpNet;
use skoop_model::{AddressType, Endpoint, EndpointSlice, Family, Service, ServicePort, ServiceType, TrafficPolicy};

use super::ProxyOptions;

/// One usable endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    /// `10.244.1.2:80` or `[fd00::2]:80`.
    pub(super) target: String,
    /// Address alone.
    pub(super) address: String,
    /// On this node.
    pub(super) local: bool,
}

/// The usable endpoints of a service port.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Backends {
    /// Of the whole cluster.
    pub(super) all: Vec<Backend>,
    /// Of this node. One that ends but still serves may be here alone: it is used where the node has no ready one.
    pub(super) local: Vec<Backend>,
}

/// One port of one service, in one family, with its endpoints.
pub(super) struct ServedPort<'a> {
    pub(super) service: &'a Service,
    pub(super) port: &'a ServicePort,
    pub(super) options: &'a ProxyOptions,
    /// `default/web:http`, or `default/web` if the port has no name.
    pub(super) name: String,
    pub(super) all: &'a [Backend],
    pub(super) local: &'a [Backend],
}

impl<'a> ServedPort<'a> {
    pub(super) fn new(
        service: &'a Service,
        port: &'a ServicePort,
        backends: &'a Backends,
        options: &'a ProxyOptions,
    ) -> Self {
        let name = match port.name.as_str() {
            "" => service.key.to_string(),
            port => format!("{}:{port}", service.key),
        };
        Self { service, port, options, name, all: &backends.all, local: &backends.local }
    }

    pub(super) fn internal_local(&self) -> bool {
        self.service.internal_traffic_policy == TrafficPolicy::Local
    }

    pub(super) fn external_local(&self) -> bool {
        self.service.external_traffic_policy == TrafficPolicy::Local
    }

    /// Whether only some sources may use its load balancer. Ranges of the other family alone are no limit.
    pub(super) fn has_source_ranges(&self) -> bool {
        self.source_ranges().next().is_some() && self.addresses(&self.service.load_balancer_ips).next().is_some()
    }

    /// `loadBalancerSourceRanges` of its family.
    pub(super) fn source_ranges(&self) -> impl Iterator<Item = &'a IpNet> {
        let family = self.options.family;
        self.service.source_ranges.iter().filter(move |range| Family::of(range.addr()) == family)
    }

    /// Whether the ranges hold the node, whose own traffic may come from the load balancer's address too.
    pub(super) fn ranges_hold_node(&self) -> bool {
        self.source_ranges().any(|range| self.options.node_addresses.iter().any(|node| range.contains(node)))
    }

    pub(super) fn has_external_address(&self) -> bool {
        self.port.node_port.is_some()
            || self.addresses(&self.service.load_balancer_ips).next().is_some()
            || self.addresses(&self.service.external_ips).next().is_some()
    }

    /// The endpoints to choose from, with whether they are the local ones, for each chain that chooses.
    pub(super) fn choices(&self) -> impl Iterator<Item = (bool, &'a [Backend])> {
        let external = self.has_external_address();
        let uses_all = !self.internal_local() || external;
        let uses_local = self.internal_local() || (external && self.external_local());
        let choices = [(uses_all, false, self.all), (uses_local, true, self.local)];
        choices.into_iter().filter(|(used, _, of)| *used && !of.is_empty()).map(|(_, local, of)| (local, of))
    }

    /// Every endpoint that a chain may choose, once.
    pub(super) fn chosen(&self) -> Vec<&'a Backend> {
        let mut chosen: Vec<&Backend> = Vec::new();
        for backend in self.choices().flat_map(|(_, backends)| backends) {
            if !chosen.contains(&backend) {
                chosen.push(backend);
            }
        }
        chosen
    }

    /// The addresses of its family.
    pub(super) fn addresses<'b>(&self, list: &'b [IpAddr]) -> impl Iterator<Item = &'b IpAddr> + use<'b> {
        let family = self.options.family;
        list.iter().filter(move |address| Family::of(**address) == family)
    }
}

/// Whether a proxy does anything for a service in this family.
pub(super) fn is_proxied(service: &Service, family: Family) -> bool {
    let addressed = service.cluster_ips.iter().any(|address| Family::of(*address) == family);
    service.kind != ServiceType::ExternalName && addressed
}

/// The endpoints of a service port: the ready ones; if there is none, those that end but still serve. This is asked of the cluster and of
/// the node, each by itself (`pkg/proxy/topology.go`, `CategorizeEndpoints`).
pub(super) fn endpoints_of(
    service: &Service,
    port: &ServicePort,
    slices: &[EndpointSlice],
    options: &ProxyOptions,
) -> Backends {
    let wanted = match options.family {
        Family::V4 => AddressType::Ipv4,
        Family::V6 => AddressType::Ipv6,
    };
    let mut usable = Vec::new();
    let own = slices.iter().filter(|slice| {
        slice.key.namespace == service.key.namespace
            && slice.service.as_deref() == Some(service.key.name.as_str())
            && slice.address_type == wanted
    });
    for slice in own {
        let number = slice.ports.iter().find(|entry| entry.name == port.name && entry.protocol == port.protocol);
        let Some(number) = number.and_then(|entry| entry.port) else { continue };
        for endpoint in &slice.endpoints {
            let Some(address) = endpoint.addresses.first() else { continue };
            let backend = Backend {
                target: std::net::SocketAddr::new(*address, number.0).to_string(),
                address: address.to_string(),
                local: options.node.is_some() && endpoint.node.as_ref().map(|node| &node.0) == options.node.as_ref(),
            };
            usable.push((endpoint, backend));
        }
    }
    // kube-proxy sorts them as text, and takes one that several slices hold once (`pkg/proxy/endpointslicecache.go`).
    usable.sort_by(|(_, one), (_, other)| one.target.cmp(&other.target));
    usable.dedup_by(|(_, one), (_, other)| one.target == other.target);
    let chosen = |place: fn(&Backend) -> bool| -> Vec<Backend> {
        let of = |wanted: fn(&Endpoint) -> bool| -> Vec<Backend> {
            let fitting = usable.iter().filter(|(endpoint, backend)| wanted(endpoint) && place(backend));
            fitting.map(|(_, backend)| backend.clone()).collect()
        };
        let ready = of(|endpoint| endpoint.ready);
        if ready.is_empty() { of(|endpoint| endpoint.serving && endpoint.terminating) } else { ready }
    };
    Backends { all: chosen(|_| true), local: chosen(|backend| backend.local) }
}
