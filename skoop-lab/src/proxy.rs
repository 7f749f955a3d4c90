//! Service proxies: from API objects to the rules that a proxy writes on a node. One file each, one line in [`PROXIES`].

mod endpoints;
#[cfg(test)]
mod fixtures;
mod intent;
mod iptables;
mod names;
mod nftables;
#[cfg(test)]
mod recorded;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;

use anyhow::{Context, Result, anyhow};
use ipnet::IpNet;
use skoop_model::{EndpointSlice, Family, Service};

pub(crate) use intent::Intent;
pub use iptables::{ProxyOptions, kube_proxy_iptables};
pub use nftables::kube_proxy_nftables;

use crate::{command, topology};

/// Every proxy.
pub const PROXIES: &[&dyn Proxy] = &[&Iptables, &nftables::Nftables];

/// Something that makes services work on a node.
pub trait Proxy: Send + Sync {
    /// Its name in scenario files, and the mode in kube-proxy's own configuration.
    fn id(&self) -> &'static str;

    /// Makes a node follow the objects; run again, it changes what differs.
    ///
    /// # Errors
    ///
    /// A rule could not be loaded.
    fn sync(&self, node: &ProxyNode, services: &[Service], slices: &[EndpointSlice]) -> Result<()>;
}

/// The node that a proxy runs on.
#[derive(Debug, Clone)]
pub struct ProxyNode {
    /// Network namespace.
    pub netns: String,
    /// Name.
    pub name: String,
    /// Families served, each with the pods' network.
    pub families: Vec<(Family, IpNet)>,
    /// Its primary address of each family.
    pub addresses: Vec<IpAddr>,
    /// The cluster's networks of Services.
    pub service_networks: Vec<IpNet>,
}

impl ProxyNode {
    /// What to write for one family.
    fn options(&self, family: Family, pods: IpNet) -> ProxyOptions {
        let own = self.addresses.iter().copied().filter(|address| Family::of(*address) == family);
        ProxyOptions {
            family,
            pod_network: Some(pods),
            node: Some(self.name.clone()),
            node_addresses: own.collect(),
            service_networks: self.service_networks.clone(),
            with_jumps: true,
        }
    }
}

/// The proxy with this name.
///
/// # Errors
///
/// There is none; the message lists those that there are.
pub fn proxy(id: &str) -> Result<&'static dyn Proxy> {
    let known: Vec<&str> = PROXIES.iter().map(|proxy| proxy.id()).collect();
    let found = PROXIES.iter().copied().find(|proxy| proxy.id() == id);
    found.ok_or_else(|| anyhow!("no proxy `{id}`; there are: {}", known.join(", ")))
}

/// kube-proxy in its iptables mode, with the rules that kubelet adds.
struct Iptables;

impl Proxy for Iptables {
    fn id(&self) -> &'static str {
        "iptables"
    }

    fn sync(&self, node: &ProxyNode, services: &[Service], slices: &[EndpointSlice]) -> Result<()> {
        for (family, pods) in &node.families {
            let save = match family {
                Family::V4 => "iptables-save",
                Family::V6 => "ip6tables-save",
            };
            let present = command::run(Some(&node.netns), &command::words(&format!("{save} -t nat")), None)?;
            let with_jumps = !present.contains(":KUBE-SERVICES ");
            let options = ProxyOptions { with_jumps, ..node.options(*family, *pods) };
            let mut rules = kube_proxy_iptables(services, slices, &options);
            rules.push_str(&remove_stale(&present, &rules));
            topology::restore(&node.netns, *family, &rules)
                .with_context(|| format!("kube-proxy's rules on {}", node.name))?;
        }
        Ok(())
    }
}

/// Deletes the chains of services and endpoints that are no more, as kube-proxy does after it has rewritten those that call them.
fn remove_stale(present: &str, rules: &str) -> String {
    let chains = |text: &str| -> BTreeSet<String> {
        let names = text.lines().filter_map(|line| line.strip_prefix(':')?.split_whitespace().next());
        let owned = ["KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-", "KUBE-SEP-"];
        names.filter(|name| owned.iter().any(|prefix| name.starts_with(prefix))).map(str::to_owned).collect()
    };
    let stale: Vec<String> = chains(present).difference(&chains(rules)).cloned().collect();
    if stale.is_empty() {
        return String::new();
    }
    let mut text = "*nat\n".to_owned();
    for name in &stale {
        let _ = writeln!(text, ":{name} - [0:0]");
    }
    for name in &stale {
        let _ = writeln!(text, "-X {name}");
    }
    text + "COMMIT\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_service_chains_that_are_no_more_are_removed() {
        let present = "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-SVC-A - [0:0]\n:KUBE-SEP-B - [0:0]\n:MINE - [0:0]\nCOMMIT\n";
        let rules = "*nat\n:KUBE-SVC-A - [0:0]\nCOMMIT\n";
        assert_eq!(remove_stale(present, rules), "*nat\n:KUBE-SEP-B - [0:0]\n-X KUBE-SEP-B\nCOMMIT\n");
        assert_eq!(remove_stale(rules, rules), "");
    }
}
