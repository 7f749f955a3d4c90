//! A service port with its endpoints, and what follows from its policies: the same in every mode of kube-proxy.

use std::net::IpAddr;

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

/// One port of one service, in one family, with its endpoints.
pub(super) struct ServedPort<'a> {
    pub(super) service: &'a Service,
    pub(super) port: &'a ServicePort,
    pub(super) options: &'a ProxyOptions,
    /// `default/web:http`, or `default/web` if the port has no name.
    pub(super) name: String,
    pub(super) all: &'a [Backend],
    pub(super) local: Vec<Backend>,
}

impl<'a> ServedPort<'a> {
    pub(super) fn new(
        service: &'a Service,
        port: &'a ServicePort,
        all: &'a [Backend],
        options: &'a ProxyOptions,
    ) -> Self {
        let name = match port.name.as_str() {
            "" => service.key.to_string(),
            port => format!("{}:{port}", service.key),
        };
        let local = all.iter().filter(|backend| backend.local).cloned().collect();
        Self { service, port, options, name, all, local }
    }

    pub(super) fn internal_local(&self) -> bool {
        self.service.internal_traffic_policy == TrafficPolicy::Local
    }

    pub(super) fn external_local(&self) -> bool {
        self.service.external_traffic_policy == TrafficPolicy::Local
    }

    pub(super) fn uses_firewall(&self) -> bool {
        !self.service.source_ranges.is_empty()
            && !self.all.is_empty()
            && self.addresses(&self.service.load_balancer_ips).next().is_some()
    }

    pub(super) fn has_external_address(&self) -> bool {
        self.port.node_port.is_some()
            || self.addresses(&self.service.load_balancer_ips).next().is_some()
            || self.addresses(&self.service.external_ips).next().is_some()
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

/// The endpoints of a service port: the ready ones; if there is none, those that end but still serve
/// (`pkg/proxy/topology.go`, `CategorizeEndpoints`).
pub(super) fn endpoints_of(
    service: &Service,
    port: &ServicePort,
    slices: &[EndpointSlice],
    options: &ProxyOptions,
) -> Vec<Backend> {
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
    let chosen = |wanted: fn(&Endpoint) -> bool| -> Vec<Backend> {
        usable.iter().filter(|(endpoint, _)| wanted(endpoint)).map(|(_, backend)| backend.clone()).collect()
    };
    let ready = chosen(|endpoint| endpoint.ready);
    if ready.is_empty() { chosen(|endpoint| endpoint.serving && endpoint.terminating) } else { ready }
}
