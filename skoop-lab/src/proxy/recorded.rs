//! The generators against the real kube-proxy: `tests/data` holds what it wrote on a node, and the objects that it wrote it for.
//! `make cluster-record` makes both.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use skoop_model::{Family, Item, NetfilterDumps};
use skoop_sim::Netfilter;

use super::{Intent, ProxyNode, proxy};
use crate::api::ObjectStore;
use crate::command::{run, words};
use crate::netns;

const OBJECTS: &str = include_str!("../../tests/data/kube-proxy-objects.json");
const IPTABLES: [(&str, &str); 2] = [
    ("iptables-save", include_str!("../../tests/data/kube-proxy-iptables-4.txt")),
    ("ip6tables-save", include_str!("../../tests/data/kube-proxy-iptables-6.txt")),
];
const NFTABLES: [(&str, &str); 2] = [
    ("nft list table ip kube-proxy", include_str!("../../tests/data/kube-proxy-nftables-4.txt")),
    ("nft list table ip6 kube-proxy", include_str!("../../tests/data/kube-proxy-nftables-6.txt")),
];

/// What a table holds, by the name of a chain, set or map.
type Contents = BTreeMap<String, Vec<String>>;

fn intent() -> Intent {
    let list: Value = serde_json::from_str(OBJECTS).expect("the objects");
    let store = ObjectStore::new();
    for object in list.get("items").and_then(Value::as_array).expect("items") {
        store.put(object.clone()).expect("an object");
    }
    Intent::read(&store).expect("Services and slices")
}

/// What the kernel holds after a generator wrote the rules of the recorded node into a namespace.
fn generated(mode: &str, tools: [&str; 2]) -> [String; 2] {
    let node = ProxyNode {
        netns: format!("skt-lab-{}-recorded-{mode}", std::process::id()),
        name: "node-1".to_owned(),
        families: vec![
            (Family::V4, "10.244.0.0/16".parse().expect("a network")),
            (Family::V6, "fd00:244::/56".parse().expect("a network")),
        ],
        addresses: ["172.21.0.11", "fd00:21::b"].map(|address| address.parse().expect("an address")).into(),
        service_networks: ["10.96.0.0/16", "fd00:96::/112"].map(|network| network.parse().expect("a network")).into(),
    };
    let names = [node.netns.clone()];
    netns::create(&names).expect("a namespace");
    let intent = intent();
    let written = proxy(mode).expect("a proxy").sync(&node, &intent.services, &intent.slices);
    let texts = tools.map(|tool| run(Some(&node.netns), &words(tool), None));
    netns::delete(&names).expect("the end of the namespace");
    written.expect("rules");
    texts.map(|text| text.expect("a table"))
}

/// Lines that are on one side only, by chain; none, if both are the same.
fn differences(real: &Contents, ours: &Contents) -> Vec<String> {
    let names: BTreeSet<&String> = real.keys().chain(ours.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        match (real.get(name), ours.get(name)) {
            (Some(real), Some(ours)) if real == ours => {}
            (Some(real), Some(ours)) if real.iter().any(|line| !ours.contains(line)) || real.len() != ours.len() => {
                let only = |sign: &str, lines: &[String], other: &[String]| -> Vec<String> {
                    lines
                        .iter()
                        .filter(|line| !other.contains(line))
                        .map(|line| format!("{sign} {name} {line}"))
                        .collect()
                };
                found.extend(only("kube-proxy:", real, ours));
                found.extend(only("generator: ", ours, real));
            }
            (real, ours) => {
                let side = |sign: &str, lines: Option<&Vec<String>>| match lines {
                    Some(lines) => lines.iter().map(|line| format!("{sign} {name} {line}")).collect(),
                    None => vec![format!("{sign} no {name}")],
                };
                found.extend(side("kube-proxy:", real));
                found.extend(side("generator: ", ours));
            }
        }
    }
    found
}

/// Rules of the chains that are kube-proxy's and kubelet's, and the jumps to them from built-in chains.
fn iptables(text: &str) -> Contents {
    let mut contents = Contents::new();
    let mut table = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(chain) = line.strip_prefix(":KUBE-") {
            contents.entry(format!("{table} KUBE-{}", chain.split(' ').next().unwrap_or_default())).or_default();
        } else if let Some((chain, rule)) = line.strip_prefix("-A ").and_then(|rule| rule.split_once(' '))
            && (chain.starts_with("KUBE-") || rule.contains("-j KUBE-"))
        {
            // Counters, which not every kernel has: kube-proxy does without them then.
            if rule.contains("--nfacct-name  localhost_nps_accepted_pkts") {
                continue;
            }
            let rule = rule.replace("-m nfacct --nfacct-name  ct_state_invalid_dropped_pkts ", "");
            contents.entry(format!("{table} {chain}")).or_default().push(rule);
        }
    }
    // kube-proxy walks its services in no order. The jump to node ports stays the last, for it starts with another word.
    for chain in ["nat KUBE-SERVICES", "nat KUBE-NODEPORTS", "filter KUBE-SERVICES", "filter KUBE-EXTERNAL-SERVICES"] {
        contents.entry(chain.to_owned()).or_default().sort();
    }
    for chain in ["filter KUBE-NODEPORTS", "filter KUBE-PROXY-FIREWALL"] {
        contents.entry(chain.to_owned()).or_default().sort();
    }
    contents
}

/// Chains with their rules, sets and maps with their elements in order.
fn nftables(text: &str) -> Contents {
    let mut contents = Contents::new();
    let mut name = String::new();
    for line in text.replace(",\n", ", ").lines().map(str::trim) {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.strip_suffix(" {").filter(|head| head.split(' ').count() == 2) {
            Some(head) => {
                name = head.to_owned();
                contents.entry(name.clone()).or_default();
            }
            None if line.starts_with("elements = {") => {
                let inner = line.trim_start_matches("elements = {").trim_end_matches('}');
                let mut elements: Vec<String> = inner.split(", ").map(|element| element.trim().to_owned()).collect();
                elements.sort();
                contents.entry(name.clone()).or_default().extend(elements);
            }
            None if line.is_empty() || line == "}" || name.is_empty() => {}
            None => contents.entry(name.clone()).or_default().push(line),
        }
    }
    contents
}

fn compare(mode: &str, recorded: [(&str, &str); 2], read: fn(&str) -> Contents) {
    let ours = generated(mode, recorded.map(|(tool, _)| tool));
    for ((tool, real), ours) in recorded.iter().zip(&ours) {
        let found = differences(&read(real), &read(ours));
        assert!(found.is_empty(), "{tool}:\n{}", found.join("\n"));
    }
}

#[test]
fn the_simulator_understands_all_that_kube_proxy_and_flannel_wrote() {
    let seen = |text: &str| Item::known(0, text.to_owned());
    let [(_, nft_v4), (_, nft_v6)] = IPTABLES;
    let dumps = NetfilterDumps {
        legacy_v4: seen(""),
        legacy_v6: seen(""),
        nft_v4: seen(nft_v4),
        nft_v6: seen(nft_v6),
        nft_json: seen("{\"nftables\": []}"),
        ipset: seen(""),
        xt_recent: Item::known(0, BTreeMap::new()),
        ..NetfilterDumps::not_collected()
    };
    let netfilter = Netfilter::compile(&dumps);
    assert!(netfilter.problems().is_empty(), "{:?}", netfilter.problems());
}

#[test]
#[ignore = "needs root: run by make test"]
fn the_iptables_mode_writes_what_kube_proxy_wrote() {
    compare("iptables", IPTABLES, iptables);
}

#[test]
#[ignore = "needs root: run by make test"]
fn the_nftables_mode_writes_what_kube_proxy_wrote() {
    compare("nftables", NFTABLES, nftables);
}
