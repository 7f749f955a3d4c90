//! kube-proxy's iptables mode (`pkg/proxy/iptables/proxier.go`, Kubernetes 1.3x), and what kubelet adds beside it.

mod fixed;
mod port;

use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use skoop_model::{EndpointSlice, Family, Service};

use super::endpoints::{Backend, Backends, endpoints_of, is_proxied};
use port::PortRules;

/// Whose rules to write.
#[derive(Debug, Clone)]
pub struct ProxyOptions {
    /// Family: one run of `iptables-restore` or `ip6tables-restore`.
    pub family: Family,
    /// kube-proxy's `clusterCIDR`; if known, traffic to a cluster address from elsewhere is masqueraded.
    pub pod_network: Option<IpNet>,
    /// Name of the node, by which local endpoints are told.
    pub node: Option<String>,
    /// Addresses of the node: those that take node ports in the nftables mode, and what source ranges may hold.
    pub node_addresses: Vec<IpAddr>,
    /// The API's `ServiceCIDR` objects, of any family: the nftables mode lets nothing into them that is no Service's (since 1.33).
    pub service_networks: Vec<IpNet>,
    /// Write also what is written once: jumps from the built-in chains, canaries, kubelet's rules. Of use to the iptables mode only.
    pub with_jumps: bool,
}

impl Default for ProxyOptions {
    /// IPv4, no networks, no node and none of its addresses, with jumps: a whole table.
    fn default() -> Self {
        Self {
            family: Family::V4,
            pod_network: None,
            node: None,
            node_addresses: Vec::new(),
            service_networks: Vec::new(),
            with_jumps: true,
        }
    }
}

/// The rules of kube-proxy's iptables mode for any Services, as input for `iptables-restore --noflush`.
///
/// Chains that services no longer need are not removed. Chains are called as kube-proxy calls them.
///
/// ```
/// use skoop_lab::{ProxyOptions, kube_proxy_iptables};
///
/// let rules = kube_proxy_iptables(&[], &[], &ProxyOptions::default());
/// assert!(rules.contains("-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000"));
/// ```
pub fn kube_proxy_iptables(services: &[Service], slices: &[EndpointSlice], options: &ProxyOptions) -> String {
    let mut tables = Tables::default();
    fixed::begin(&mut tables, options);
    for service in services.iter().filter(|service| is_proxied(service, options.family)) {
        for port in &service.ports {
            let endpoints = endpoints_of(service, port, slices, options);
            PortRules::new(service, port, &endpoints, options).write(&mut tables);
        }
    }
    fixed::end(&mut tables, options);
    tables.into_text()
}

/// Lines of the tables under construction.
#[derive(Default)]
struct Tables {
    mangle: Table,
    filter: Table,
    nat: Table,
}

#[derive(Default)]
struct Table {
    chains: String,
    rules: String,
}

impl Table {
    fn chain(&mut self, name: &str) {
        let _ = writeln!(self.chains, ":{name} - [0:0]");
    }

    fn rule(&mut self, rule: &str) {
        self.rules.push_str("-A ");
        self.rules.push_str(rule);
        self.rules.push('\n');
    }

    /// A rule before all others, as kube-proxy inserts its jumps.
    fn insert(&mut self, chain: &str, rule: &str) {
        let _ = writeln!(self.rules, "-I {chain} 1 {rule}");
    }
}

impl Tables {
    fn into_text(self) -> String {
        let tables = [("mangle", self.mangle), ("filter", self.filter), ("nat", self.nat)];
        let filled = tables.into_iter().filter(|(_, table)| !table.chains.is_empty());
        filled
            .map(|(name, table)| format!("*{name}\n{}{}COMMIT\n", table.chains, table.rules))
            .collect::<Vec<_>>()
            .concat()
    }
}

#[cfg(test)]
mod tests;
