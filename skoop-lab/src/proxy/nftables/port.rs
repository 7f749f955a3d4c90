//! The rules of one service port.

use std::net::IpAddr;

use skoop_model::{Service, ServicePort};

use super::super::endpoints::{Backend, Backends, ServedPort};
use super::super::{ProxyOptions, names};
use super::Table;

/// The rules of one port of one service.
pub(super) struct PortRules<'a> {
    served: ServedPort<'a>,
    /// What its chains are called after.
    base: String,
}

impl<'a> PortRules<'a> {
    pub(super) fn new(
        service: &'a Service,
        port: &'a ServicePort,
        backends: &'a Backends,
        options: &'a ProxyOptions,
    ) -> Self {
        let base = names::nft_port(&service.key.namespace, &service.key.name, port.protocol, &port.name);
        Self { served: ServedPort::new(service, port, backends, options), base }
    }

    pub(super) fn write(&self, table: &mut Table) {
        self.cluster_addresses(table);
        if self.served.has_external_address() {
            self.external_addresses(table);
            self.external_chain(table);
        }
        if self.served.has_source_ranges() {
            self.firewall_chain(table);
        }
        self.balance(table);
    }

    /// The chain that chooses among all endpoints, or among the local ones.
    fn policy_chain(&self, local: bool) -> String {
        format!("{}-{}", if local { "local" } else { "service" }, self.base)
    }

    fn external_name(&self) -> String {
        format!("external-{}", self.base)
    }

    fn firewall_name(&self) -> String {
        format!("firewall-{}", self.base)
    }

    fn endpoint_base(&self, backend: &Backend) -> String {
        let key = &self.served.service.key;
        names::nft_endpoint(
            &key.namespace,
            &key.name,
            self.served.port.protocol,
            &self.served.port.name,
            &backend.target,
        )
    }

    /// What happens to packets that no endpoint may serve.
    fn refusal(&self) -> &'static str {
        if self.served.all.is_empty() { "goto reject-chain" } else { "drop" }
    }

    /// `ADDRESS . tcp . PORT`.
    fn key(&self, address: &IpAddr) -> String {
        format!("{address} . {} . {}", self.served.port.protocol, self.served.port.port)
    }

    fn refuse(&self, table: &mut Table, map: &str, key: &str) {
        table.element(map, &format!("{key} comment \"{}\" : {}", self.served.name, self.refusal()));
    }

    fn cluster_addresses(&self, table: &mut Table) {
        let used = if self.served.internal_local() { self.served.local } else { self.served.all };
        for address in self.served.addresses(&self.served.service.cluster_ips) {
            table.element("cluster-ips", &address.to_string());
            if used.is_empty() {
                self.refuse(table, "no-endpoint-services", &self.key(address));
            } else {
                let chain = self.policy_chain(self.served.internal_local());
                table.element("service-ips", &format!("{} : goto {chain}", self.key(address)));
            }
        }
    }

    fn external_addresses(&self, table: &mut Table) {
        let usable =
            if self.served.external_local() { !self.served.local.is_empty() } else { !self.served.all.is_empty() };
        let chain = self.external_name();
        let external = self.served.addresses(&self.served.service.external_ips);
        for address in external.chain(self.served.addresses(&self.served.service.load_balancer_ips)) {
            let key = self.key(address);
            // Without local endpoints, clients in the cluster are served still.
            if !self.served.all.is_empty() {
                table.element("service-ips", &format!("{key} : goto {chain}"));
            }
            if !usable {
                self.refuse(table, "no-endpoint-services", &key);
            }
        }
        if self.served.has_source_ranges() {
            for address in self.served.addresses(&self.served.service.load_balancer_ips) {
                table.element("firewall-ips", &format!("{} : goto {}", self.key(address), self.firewall_name()));
            }
        }
        if let Some(port) = self.served.port.node_port {
            let key = format!("{} . {port}", self.served.port.protocol);
            if !self.served.all.is_empty() {
                table.element("service-nodeports", &format!("{key} : goto {chain}"));
            }
            if !usable {
                self.refuse(table, "no-endpoint-nodeports", &key);
            }
        }
    }

    /// Traffic from outside: masqueraded unless it stays on this node.
    fn external_chain(&self, table: &mut Table) {
        if self.served.all.is_empty() {
            return;
        }
        let (chain, ip) = (self.external_name(), table.header());
        table.chain(&chain, "");
        if self.served.external_local() {
            let cluster = self.policy_chain(false);
            if let Some(pods) = self.served.options.pod_network {
                let comment = "comment \"short-circuit pod traffic\"";
                table.rule(&chain, &format!("{ip} saddr {pods} goto {cluster} {comment}"));
            }
            let local = "fib saddr type local";
            let comment = "comment \"masquerade local traffic\"";
            table.rule(&chain, &format!("{local} jump mark-for-masquerade {comment}"));
            table.rule(&chain, &format!("{local} goto {cluster} comment \"short-circuit local traffic\""));
            if self.served.local.is_empty() {
                return;
            }
        } else {
            table.rule(&chain, "jump mark-for-masquerade");
        }
        table.rule(&chain, &format!("goto {}", self.policy_chain(self.served.external_local())));
    }

    /// `loadBalancerSourceRanges`. Where they hold the node, its own traffic may come from the load balancer's address too.
    fn firewall_chain(&self, table: &mut Table) {
        let (chain, ip) = (self.firewall_name(), table.header());
        let mut sources: Vec<String> = self.served.source_ranges().map(ToString::to_string).collect();
        if self.served.ranges_hold_node() {
            sources.extend(self.served.addresses(&self.served.service.load_balancer_ips).map(ToString::to_string));
        }
        table.chain(&chain, "");
        table.rule(&chain, &format!("{ip} saddr != {{ {} }} drop", sources.join(", ")));
    }

    /// The chains that choose an endpoint, and those of the endpoints.
    fn balance(&self, table: &mut Table) {
        for (local, backends) in self.served.choices() {
            self.choose(table, local, backends);
        }
        for backend in self.served.chosen() {
            self.endpoint(table, backend);
        }
    }

    fn choose(&self, table: &mut Table, local: bool, backends: &[Backend]) {
        let (chain, ip) = (self.policy_chain(local), table.header());
        table.chain(&chain, "");
        if local == self.served.internal_local()
            && let Some(pods) = self.served.options.pod_network
        {
            for address in self.served.addresses(&self.served.service.cluster_ips) {
                table.rule(&chain, &format!("{ip} daddr {address} {ip} saddr != {pods} jump mark-for-masquerade"));
            }
        }
        if self.served.service.client_ip_affinity_seconds.is_some() {
            for backend in backends {
                let base = self.endpoint_base(backend);
                table.rule(&chain, &format!("{ip} saddr @affinity-{base} goto endpoint-{base}"));
            }
        }
        let choices: Vec<_> = backends
            .iter()
            .enumerate()
            .map(|(index, backend)| format!("{index} : goto endpoint-{}", self.endpoint_base(backend)))
            .collect();
        table.rule(&chain, &format!("numgen random mod {} vmap {{ {} }}", backends.len(), choices.join(" , ")));
    }

    fn endpoint(&self, table: &mut Table, backend: &Backend) {
        let (base, ip) = (self.endpoint_base(backend), table.header());
        let chain = format!("endpoint-{base}");
        table.chain(&chain, "");
        // Hairpin: a pod that reaches itself must see another source.
        table.rule(&chain, &format!("{ip} saddr {} jump mark-for-masquerade", backend.address));
        if let Some(seconds) = self.served.service.client_ip_affinity_seconds {
            let affinity = format!("affinity-{base}");
            let kind = table.address_type();
            table.kept_set("set", &affinity, &format!("type {kind} ; flags dynamic,timeout ; timeout {seconds}s"));
            table.rule(&chain, &format!("update @{affinity} {{ {ip} saddr }}"));
        }
        table.rule(&chain, &format!("meta l4proto {} dnat to {}", self.served.port.protocol, backend.target));
    }
}
