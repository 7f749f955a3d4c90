//! The rules of one service port.

use std::net::IpAddr;

use skoop_model::{Protocol, Service, ServicePort};

use super::super::endpoints::ServedPort;
use super::super::names;
use super::{Backend, Backends, ProxyOptions, Table, Tables};

/// The rules of one port of one service.
pub(super) struct PortRules<'a> {
    served: ServedPort<'a>,
}

impl<'a> PortRules<'a> {
    pub(super) fn new(
        service: &'a Service,
        port: &'a ServicePort,
        backends: &'a Backends,
        options: &'a ProxyOptions,
    ) -> Self {
        Self { served: ServedPort::new(service, port, backends, options) }
    }

    pub(super) fn write(&self, tables: &mut Tables) {
        self.cluster_address(tables);
        if self.served.has_external_address() {
            self.external_addresses(tables);
            self.external_chain(&mut tables.nat);
        }
        if self.uses_firewall() {
            self.firewall_chain(&mut tables.nat);
        }
        self.balance(&mut tables.nat);
    }

    fn uses_firewall(&self) -> bool {
        self.served.has_source_ranges() && !self.served.all.is_empty()
    }

    fn protocol(&self) -> Protocol {
        self.served.port.protocol
    }

    fn policy_chain(&self, local: bool) -> String {
        let name = if local { names::service_local } else { names::service };
        name(&self.served.name, self.protocol())
    }

    fn external_name(&self) -> String {
        names::external(&self.served.name, self.protocol())
    }

    /// `-m comment --comment "NAME TEXT" -m tcp -p tcp -d ADDRESS --dport PORT`.
    fn to_address(&self, text: &str, address: &IpAddr) -> String {
        let (protocol, port) = (self.protocol(), self.served.port.port);
        format!(
            "-m comment --comment \"{} {text}\" -m {protocol} -p {protocol} -d {address} --dport {port}",
            self.served.name
        )
    }

    fn cluster_address(&self, tables: &mut Tables) {
        let used = if self.served.internal_local() { self.served.local } else { self.served.all };
        let why = if self.served.all.is_empty() { "has no endpoints" } else { "has no local endpoints" };
        for address in self.served.addresses(&self.served.service.cluster_ips) {
            if used.is_empty() {
                let action = if self.served.all.is_empty() { "REJECT" } else { "DROP" };
                tables.filter.rule(&format!("KUBE-SERVICES {} -j {action}", self.to_address(why, address)));
                continue;
            }
            let chain = self.policy_chain(self.served.internal_local());
            tables.nat.rule(&format!("KUBE-SERVICES {} -j {chain}", self.to_address("cluster IP", address)));
        }
    }

    fn external_addresses(&self, tables: &mut Tables) {
        let usable =
            if self.served.external_local() { !self.served.local.is_empty() } else { !self.served.all.is_empty() };
        let (why, action) = if self.served.all.is_empty() {
            ("has no endpoints", "REJECT")
        } else {
            ("has no local endpoints", "DROP")
        };
        let (protocol, name) = (self.protocol(), &self.served.name);
        let balancer_chain = if self.uses_firewall() { names::firewall(name, protocol) } else { self.external_name() };
        let external = self
            .served
            .addresses(&self.served.service.external_ips)
            .map(|address| (address, "external IP", self.external_name()));
        let balancer = self
            .served
            .addresses(&self.served.service.load_balancer_ips)
            .map(|address| (address, "loadbalancer IP", balancer_chain.clone()));
        for (address, text, chain) in external.chain(balancer) {
            if !self.served.all.is_empty() {
                tables.nat.rule(&format!("KUBE-SERVICES {} -j {chain}", self.to_address(text, address)));
            }
            if !usable {
                tables.filter.rule(&format!("KUBE-EXTERNAL-SERVICES {} -j {action}", self.to_address(why, address)));
            }
        }
        if self.uses_firewall() {
            for address in self.served.addresses(&self.served.service.load_balancer_ips) {
                let to = self.to_address(&format!("traffic not accepted by {balancer_chain}"), address);
                tables.filter.rule(&format!("KUBE-PROXY-FIREWALL {to} -j DROP"));
            }
        }
        if let Some(port) = self.served.port.node_port {
            let target = format!("-m {protocol} -p {protocol} --dport {port}");
            if !self.served.all.is_empty() {
                let chain = self.external_name();
                tables.nat.rule(&format!("KUBE-NODEPORTS -m comment --comment {name} {target} -j {chain}"));
            }
            if !usable {
                let comment = format!("-m comment --comment \"{name} {why}\"");
                tables.filter.rule(&format!(
                    "KUBE-EXTERNAL-SERVICES {comment} -m addrtype --dst-type LOCAL {target} -j {action}"
                ));
            }
        }
        if let Some(port) = self.served.service.health_check_node_port {
            let comment = format!("-m comment --comment \"{name} health check node port\"");
            tables.filter.rule(&format!("KUBE-NODEPORTS {comment} -m tcp -p tcp --dport {port} -j ACCEPT"));
        }
    }

    /// Traffic from outside: masqueraded unless it stays on this node.
    fn external_chain(&self, nat: &mut Table) {
        if self.served.all.is_empty() {
            return;
        }
        let (chain, name) = (self.external_name(), &self.served.name);
        let comment = |text: &str| format!("-m comment --comment \"{text} {name} external destinations\"");
        nat.chain(&chain);
        if self.served.external_local() {
            let cluster = self.policy_chain(false);
            if let Some(pods) = self.served.options.pod_network {
                nat.rule(&format!("{chain} {} -s {pods} -j {cluster}", comment("pod traffic for")));
            }
            let source = "-m addrtype --src-type LOCAL";
            nat.rule(&format!("{chain} {} {source} -j KUBE-MARK-MASQ", comment("masquerade LOCAL traffic for")));
            nat.rule(&format!("{chain} {} {source} -j {cluster}", comment("route LOCAL traffic for")));
            if self.served.local.is_empty() {
                return;
            }
        } else {
            nat.rule(&format!("{chain} {} -j KUBE-MARK-MASQ", comment("masquerade traffic for")));
        }
        nat.rule(&format!("{chain} -j {}", self.policy_chain(self.served.external_local())));
    }

    /// `loadBalancerSourceRanges`, and the load balancer itself where they hold the node.
    fn firewall_chain(&self, nat: &mut Table) {
        let (chain, external) = (names::firewall(&self.served.name, self.protocol()), self.external_name());
        nat.chain(&chain);
        let mut sources: Vec<String> = self.served.source_ranges().map(ToString::to_string).collect();
        if self.served.ranges_hold_node() {
            sources.extend(self.served.addresses(&self.served.service.load_balancer_ips).map(ToString::to_string));
        }
        for source in sources {
            let comment = format!("-m comment --comment \"{} loadbalancer IP\"", self.served.name);
            nat.rule(&format!("{chain} {comment} -s {source} -j {external}"));
        }
        let rest = format!("other traffic to {} will be dropped by KUBE-PROXY-FIREWALL", self.served.name);
        nat.rule(&format!("{chain} -m comment --comment \"{rest}\""));
    }

    /// The chains that choose an endpoint, and those of the endpoints.
    fn balance(&self, nat: &mut Table) {
        for (local, backends) in self.served.choices() {
            self.choose(nat, local, backends);
        }
        for backend in self.served.chosen() {
            self.endpoint(nat, backend);
        }
    }

    fn choose(&self, nat: &mut Table, local: bool, backends: &[Backend]) {
        let (chain, name) = (self.policy_chain(local), &self.served.name);
        nat.chain(&chain);
        if local == self.served.internal_local()
            && let Some(pods) = self.served.options.pod_network
        {
            for address in self.served.addresses(&self.served.service.cluster_ips) {
                nat.rule(&format!("{chain} {} ! -s {pods} -j KUBE-MARK-MASQ", self.to_address("cluster IP", address)));
            }
        }
        let comment = |backend: &Backend| format!("-m comment --comment \"{name} -> {}\"", backend.target);
        if let Some(seconds) = self.served.service.client_ip_affinity_seconds {
            for backend in backends {
                let endpoint = self.endpoint_name(backend);
                let recent = format!("-m recent --name {endpoint} --rcheck --seconds {seconds} --reap");
                nat.rule(&format!("{chain} {} {recent} -j {endpoint}", comment(backend)));
            }
        }
        for (index, backend) in backends.iter().enumerate() {
            let remaining = backends.len() - index;
            let endpoint = self.endpoint_name(backend);
            let chance = match remaining {
                1 => String::new(),
                _ => format!(
                    " -m statistic --mode random --probability {:.10}",
                    1.0 / f64::from(u32::try_from(remaining).unwrap_or(u32::MAX))
                ),
            };
            nat.rule(&format!("{chain} {}{chance} -j {endpoint}", comment(backend)));
        }
    }

    fn endpoint(&self, nat: &mut Table, backend: &Backend) {
        let (chain, name, protocol) = (self.endpoint_name(backend), &self.served.name, self.protocol());
        nat.chain(&chain);
        // Hairpin: a pod that reaches itself must see another source.
        nat.rule(&format!("{chain} -m comment --comment {name} -s {} -j KUBE-MARK-MASQ", backend.address));
        let recent = match self.served.service.client_ip_affinity_seconds {
            Some(_) => format!(" -m recent --name {chain} --set"),
            None => String::new(),
        };
        let target = &backend.target;
        nat.rule(&format!(
            "{chain} -m comment --comment {name}{recent} -m {protocol} -p {protocol} -j DNAT --to-destination {target}"
        ));
    }

    fn endpoint_name(&self, backend: &Backend) -> String {
        names::endpoint(&self.served.name, self.protocol(), &backend.target)
    }
}
