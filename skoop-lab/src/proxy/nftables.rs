//! kube-proxy's nftables mode (`pkg/proxy/nftables/proxier.go`, Kubernetes 1.31 to 1.34).
//!
//! One table `kube-proxy` per family. Services are elements of maps from address, protocol and port to a chain, so that the number of
//! services does not matter to a packet. What has no endpoints is dropped or rejected in `filter` hooks, and addresses of services
//! never reach the network.

mod fixed;
mod port;

use std::collections::BTreeSet;
use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::Value;
use skoop_model::{EndpointSlice, Family, Service};

use super::endpoints::{endpoints_of, is_proxied};
use super::{Proxy, ProxyNode, ProxyOptions};
use crate::command;
use port::PortRules;

/// kube-proxy in its nftables mode.
pub(super) struct Nftables;

impl Proxy for Nftables {
    fn id(&self) -> &'static str {
        "nftables"
    }

    fn sync(&self, node: &ProxyNode, services: &[Service], slices: &[EndpointSlice]) -> Result<()> {
        let nft =
            |arguments: &str, input: Option<&str>| command::run(Some(&node.netns), &command::words(arguments), input);
        for (family, pods) in &node.families {
            let mut rules = kube_proxy_nftables(services, slices, &node.options(*family, *pods));
            let table = table_family(*family);
            // It fails where there is no such table yet.
            if let Ok(present) = nft(&format!("nft -j list table {table} kube-proxy"), None) {
                rules.push_str(&remove_stale(&present, &rules, table)?);
            }
            nft("nft -f -", Some(&rules)).with_context(|| format!("kube-proxy's rules on {}", node.name))?;
        }
        Ok(())
    }
}

/// The rules of kube-proxy's nftables mode for any Services, as input for `nft -f`: one transaction, which makes an older table the same but
/// for chains and sets that services no longer need. Names are kube-proxy's.
///
/// ```
/// use skoop_lab::{ProxyOptions, kube_proxy_nftables};
///
/// let rules = kube_proxy_nftables(&[], &[], &ProxyOptions::default());
/// assert!(rules.contains("add rule ip kube-proxy masquerading masquerade fully-random"));
/// ```
pub fn kube_proxy_nftables(services: &[Service], slices: &[EndpointSlice], options: &ProxyOptions) -> String {
    let mut table = Table::new(options.family);
    fixed::write(&mut table, options);
    for service in services.iter().filter(|service| is_proxied(service, options.family)) {
        for port in &service.ports {
            let endpoints = endpoints_of(service, port, slices, options);
            PortRules::new(service, port, &endpoints, options).write(&mut table);
        }
    }
    table.declarations + &table.contents
}

/// The table under construction. Rules come after all chains and sets that they may name.
struct Table {
    family: Family,
    declarations: String,
    contents: String,
}

impl Table {
    fn new(family: Family) -> Self {
        let mut table = Self { family, declarations: String::new(), contents: String::new() };
        let name = table.name();
        let _ = writeln!(table.declarations, "add table {name} {{ comment \"rules for kube-proxy\" ; }}");
        table
    }

    fn name(&self) -> String {
        format!("{} kube-proxy", table_family(self.family))
    }

    /// `ip` or `ip6`, as rules call the header.
    fn header(&self) -> &'static str {
        table_family(self.family)
    }

    /// `ipv4_addr` or `ipv6_addr`.
    fn address_type(&self) -> &'static str {
        match self.family {
            Family::V4 => "ipv4_addr",
            Family::V6 => "ipv6_addr",
        }
    }

    /// A chain, emptied; `hook` is the declaration of a base chain.
    fn chain(&mut self, chain: &str, hook: &str) {
        let table = self.name();
        let hook = if hook.is_empty() { String::new() } else { format!(" {{ {hook} ; }}") };
        let _ = writeln!(self.declarations, "add chain {table} {chain}{hook}\nflush chain {table} {chain}");
    }

    /// A set or map, emptied.
    fn set(&mut self, keyword: &str, name: &str, declaration: &str) {
        self.kept_set(keyword, name, declaration);
        let table = self.name();
        let _ = writeln!(self.declarations, "flush {keyword} {table} {name}");
    }

    /// A set that keeps the elements that packets put into it.
    fn kept_set(&mut self, keyword: &str, name: &str, declaration: &str) {
        let table = self.name();
        let _ = writeln!(self.declarations, "add {keyword} {table} {name} {{ {declaration} ; }}");
    }

    fn rule(&mut self, chain: &str, rule: &str) {
        let table = self.name();
        let _ = writeln!(self.contents, "add rule {table} {chain} {rule}");
    }

    fn element(&mut self, set: &str, element: &str) {
        let table = self.name();
        let _ = writeln!(self.contents, "add element {table} {set} {{ {element} }}");
    }
}

fn table_family(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

/// Deletes the chains and affinity sets of services and endpoints that are no more, once nothing names them.
fn remove_stale(present: &str, rules: &str, family: &str) -> Result<String> {
    let present: Value = serde_json::from_str(present).context("the table as JSON")?;
    let wanted: BTreeSet<(&str, &str)> = rules.lines().filter_map(declared).collect();
    let (mut flushes, mut deletions) = (String::new(), String::new());
    for object in present.pointer("/nftables").and_then(Value::as_array).into_iter().flatten() {
        for kind in ["chain", "set"] {
            let Some(name) = object.pointer(&format!("/{kind}/name")).and_then(Value::as_str) else { continue };
            // Only those of services have a namespace in their names.
            if name.contains('/') && !wanted.contains(&(kind, name)) {
                let _ = writeln!(flushes, "flush {kind} {family} kube-proxy {name}");
                let _ = writeln!(deletions, "delete {kind} {family} kube-proxy {name}");
            }
        }
    }
    Ok(flushes + &deletions)
}

/// Kind and name of what a line declares.
fn declared(line: &str) -> Option<(&str, &str)> {
    let mut words = line.strip_prefix("add ")?.split(' ');
    let kind = words.next().filter(|kind| ["chain", "set"].contains(kind))?;
    Some((kind, words.nth(2)?))
}

#[cfg(test)]
mod tests;
