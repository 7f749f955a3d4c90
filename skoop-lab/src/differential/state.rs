//! Brings a node into the state of a case with the usual tools, and reads it with the collector.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use skoop_collect::local::{NetnsRef, Options, Others, Selection, collect};
use skoop_model::{NamespaceSnapshot, NodeName};

use super::case::Node;
use super::lab::{Lab, set};
use super::shape::Shape;
use crate::{command, netns};

/// Tables with their base chains.
const TABLES: [(&str, &[&str]); 4] = [
    ("raw", &["PREROUTING", "OUTPUT"]),
    ("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
    ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
];

/// Routing tables that nodes use besides `main`.
pub(super) const ROUTE_TABLES: [&str; 2] = ["100", "101"];

/// Longest wait for the kernel to take IPv6 addresses into use.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a node was last loaded with: only that is taken out before the next.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Used {
    legacy: bool,
    legacy6: bool,
    /// Rules of iptables-nft or nft.
    nft: bool,
}

/// Replaces the node's state. Rules that the kernel refuses are taken out of the node.
pub(super) fn load(lab: &mut Lab, node: &mut Node) -> Result<()> {
    clear(lab)?;
    lab.used = Used {
        legacy: !node.legacy.is_empty(),
        legacy6: !node.legacy6.is_empty(),
        nft: !(node.xnft.is_empty() && node.xnft6.is_empty() && node.native.is_empty()),
    };
    set(&lab.node, &node.sysctls)?;
    let [four, six] = without_routing(lab.shape);
    quietly(lab, &[], &[&four[..], &node.ip].concat())?;
    quietly(lab, &["-6"], &[&six[..], &node.ip6].concat())?;
    sets(lab, &node.ipset)?;
    restore(lab, "iptables-legacy-restore", &mut node.legacy, &mut node.refused)?;
    restore(lab, "ip6tables-legacy-restore", &mut node.legacy6, &mut node.refused)?;
    restore(lab, "iptables-nft-restore", &mut node.xnft, &mut node.refused)?;
    restore(lab, "ip6tables-nft-restore", &mut node.xnft6, &mut node.refused)?;
    restore(lab, "nft -f -", &mut node.native, &mut node.refused)?;
    settle(lab)?;
    lab.forget_flows()
}

/// The node as the collector sees it.
pub(super) fn snapshot(lab: &Lab) -> Result<NamespaceSnapshot> {
    let selection = Selection { host: NetnsRef::Name(lab.node.clone()), others: Others::None };
    let node = collect(NodeName::from("node"), &selection, &Options::default())?;
    node.namespaces.into_iter().next().context("no namespace was collected")
}

fn clear(lab: &Lab) -> Result<()> {
    let mut empty = Vec::new();
    for (table, chains) in TABLES {
        empty.push(format!("*{table}"));
        empty.extend(chains.iter().map(|chain| format!(":{chain} ACCEPT [0:0]")));
        empty.push("COMMIT".to_owned());
    }
    if lab.used.legacy {
        tool(lab, "iptables-legacy-restore", &empty)?;
    }
    if lab.used.legacy6 {
        tool(lab, "ip6tables-legacy-restore", &empty)?;
    }
    if lab.used.nft {
        command::run(Some(&lab.node), &command::words("nft flush ruleset"), None)?;
    }
    Ok(())
}

/// Replaces all sets.
fn sets(lab: &Lab, lines: &[String]) -> Result<()> {
    // Members of a list are in use by it.
    let before = ["flush", "destroy"].map(str::to_owned);
    // The rules of nftables let go of their sets a little later (nf_tables_trans_destroy_work, net/netfilter/nf_tables_api.c).
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = tool(lab, "ipset restore", &[&before[..], lines].concat()) {
        if Instant::now() > deadline || !format!("{error:#}").contains("in use") {
            return Err(error);
        }
    }
    Ok(())
}

/// Lines of `ip` that take out addresses, routes and rules, for each family.
fn without_routing(shape: Shape) -> [Vec<String>; 2] {
    let mut both = vec!["rule flush".to_owned(), "rule add pref 32766 lookup main".to_owned()];
    both.extend(["main"].iter().chain(&ROUTE_TABLES).map(|table| format!("route flush table {table}")));
    // The addresses that answer probes are of scope host.
    both.extend(shape.devices().iter().map(|(device, _)| format!("address flush dev {device} scope global")));
    let mut four = both.clone();
    four.push("rule add pref 32767 lookup default".to_owned());
    [four, both]
}

fn tool(lab: &Lab, line: &str, input: &[String]) -> Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    let text = input.join("\n") + "\n";
    let outcome = command::run(Some(&lab.node), &command::words(line), Some(&text));
    outcome.map(drop).with_context(|| format!("{line} with\n{text}"))
}

/// As [`tool`], without the rules that the kernel refuses: not every extension can be used in every chain.
fn restore(lab: &Lab, line: &str, rules: &mut Vec<String>, refused: &mut Vec<String>) -> Result<()> {
    for _ in 0..20 {
        let Err(error) = tool(lab, line, rules) else { return Ok(()) };
        let text = format!("{:#}", error.root_cause());
        // `line 5 failed` of iptables, `/dev/stdin:5:1-2: Error` of nft.
        let parts = text.split("line ").skip(1).chain(text.split("stdin:").skip(1));
        let numbers = parts.filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok());
        let mut numbers: Vec<usize> = numbers.filter(|number| *number > 0 && *number <= rules.len()).collect();
        if numbers.is_empty() {
            return Err(error);
        }
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers.into_iter().rev() {
            if rules.get(number - 1).is_some_and(|rule| rule == "COMMIT") {
                // The old backend tells only of the table.
                let begin = rules.iter().take(number).rposition(|rule| rule.starts_with('*')).unwrap_or(0);
                refused.extend(rules.drain(begin..number));
            } else {
                refused.push(rules.remove(number - 1));
            }
        }
        refused.push(text);
    }
    bail!("{line} refuses rule after rule")
}

/// Lines that the kernel refuses are no failure: what there is nothing of to remove, a gateway that other routes hide.
fn quietly(lab: &Lab, options: &[&str], lines: &[String]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let argv =
        [&["ip", "-force"], options, &["-batch", "-"]].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    match command::run(Some(&lab.node), &argv, Some(&(lines.join("\n") + "\n"))) {
        Ok(_) => Ok(()),
        Err(error) if format!("{error:#}").contains("failed (exit status: 1)") => Ok(()),
        Err(error) => Err(error),
    }
}

/// Waits until each IPv6 address has its local route: the kernel adds it a little later (`addrconf_dad_work`, net/ipv6/addrconf.c).
fn settle(lab: &Lab) -> Result<()> {
    netns::enter(&lab.node, || {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let read =
                |name: &str| std::fs::read_to_string(format!("/proc/thread-self/net/{name}")).context("read addresses");
            let (addresses, routes) = (read("if_inet6")?, read("ipv6_route")?);
            let local = |address: &str| {
                routes.lines().any(|line| {
                    let fields: Vec<&str> = line.split_whitespace().collect();
                    let flags = fields.get(8).and_then(|flags| u32::from_str_radix(flags, 16).ok()).unwrap_or(0);
                    // `RTF_LOCAL` (include/uapi/linux/ipv6_route.h).
                    fields.first() == Some(&address) && flags & 0x8000_0000 != 0
                })
            };
            if addresses.lines().filter_map(|line| line.split_whitespace().next()).all(local) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("IPv6 addresses without local routes:\n{addresses}\n{routes}");
            }
            std::thread::yield_now();
        }
    })?
}
