//! How often each match and target was met, both ways, as the kernel's own counters say.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;

use super::case::Node;
use super::lab::Lab;
use crate::command;

/// Packets that a match or target took, and that came by and were not taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// Taken.
    pub hit: u64,
    /// Asked, and not taken.
    pub missed: u64,
}

/// By name: `iptables -m conntrack`, `nft ct state`.
#[derive(Debug, Clone, Default)]
pub struct Coverage(pub BTreeMap<String, Hits>);

/// Least number of each.
pub const FLOOR: u64 = 50;

/// What this kernel cannot load, and why.
pub const NOT_HERE: [(&str, &str); 13] = [
    ("-m ipvs", "CONFIG_IP_VS is off"),
    ("-m nfacct", "CONFIG_NETFILTER_NETLINK_ACCT is off"),
    ("-m ipcomp", "refused by the kernel without xfrm's IPComp"),
    ("-m rateest", "asks for a rate that no test can foretell"),
    ("-m cgroup --path", "no such control group"),
    ("-m realm, -m osf (IPv6)", "exist for IPv4 only"),
    ("-j SECMARK", "no security module is in use"),
    ("-j SYNPROXY, -j TEE", "send packets of their own: tested in unit tests only"),
    ("ipset hash:mac, hash:ip,mac, hash:ip,mark", "not built in"),
    ("ipset hash:net,net, hash:net,port,net", "not built in"),
    ("nft queue", "CONFIG_NFT_QUEUE is off"),
    ("nft flow add", "CONFIG_NF_FLOW_TABLE is off"),
    ("nft socket, osf, synproxy", "asked of iptables; nothing listens transparently"),
];

/// What has one outcome only, and why. The count of the other one is not asked for.
const ONE_WAY: [(&str, &str); 28] = [
    ("iptables -m comment", "always matches"),
    ("iptables -m limit", "the limit is never reached"),
    ("iptables -m hashlimit", "the limit is never reached"),
    ("iptables -m connlimit", "the limit is never reached"),
    ("iptables -m quota", "the quota is never used up"),
    ("iptables -m connbytes", "accounting is off: no bytes are counted"),
    ("iptables -m time", "matches all day"),
    ("iptables -m realm", "no route has a realm"),
    ("iptables -m helper", "no flow has a helper"),
    ("iptables -m connlabel", "no flow has labels"),
    ("iptables -m policy", "there is no IPsec"),
    ("iptables -m cpu", "a worker stays on one processor"),
    ("iptables -m devgroup", "all devices are in group 0"),
    ("iptables -m cgroup", "all processes are in the control group of class 0"),
    ("iptables -m osf", "no fingerprints are loaded"),
    ("iptables -m srh", "no segment routing headers are sent"),
    ("iptables -m dccp", "DCCP is not sent: whether the kernel follows it hangs on its version"),
    ("iptables -m mh", "mobility headers are not sent: what the kernel does with them hangs on CONFIG_IPV6_MIP6"),
    ("iptables -m eui64", "no address is made of a link-layer address"),
    ("iptables -m socket", "few sockets of the node are connected"),
    ("iptables -m frag", "conntrack holds fragments back wherever rules ask for flows"),
    ("iptables -f", "conntrack holds fragments back wherever rules ask for flows"),
    ("iptables -j TPROXY", "only where no rule before it took the packet"),
    ("nft exthdr", "asks for a header that is missing"),
    ("nft limit", "the limit is never reached"),
    ("nft fib saddr . mark", "with marks, one of the rules on `fib saddr`"),
    ("nft log", "is no match"),
    ("nft numgen inc", "counts to one"),
];

impl Coverage {
    /// Adds what the counters of a node say.
    pub(super) fn read(&mut self, lab: &Lab, node: &Node) -> Result<()> {
        let saves = [
            (&node.legacy, "iptables-legacy-save -c"),
            (&node.legacy6, "ip6tables-legacy-save -c"),
            (&node.xnft, "iptables-nft-save -c"),
            (&node.xnft6, "ip6tables-nft-save -c"),
        ];
        for (rules, save) in saves {
            if !rules.is_empty() {
                self.rules(&command::run(Some(&lab.node), &command::words(save), None)?);
            }
        }
        if !node.native.is_empty() {
            self.native(&command::run(Some(&lab.node), &command::words("nft list ruleset"), None)?);
        }
        Ok(())
    }

    fn count(&mut self, name: String, hit: u64, asked: u64) {
        let hits = self.0.entry(name).or_default();
        hits.hit += hit;
        hits.missed += asked.saturating_sub(hit);
    }

    fn rules(&mut self, text: &str) {
        let mut asked = None;
        for line in text.lines() {
            let Some((packets, rule)) = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else { continue };
            let packets = packets.split(':').next().and_then(|count| count.parse().ok()).unwrap_or(0);
            if rule.ends_with("--comment asked") {
                asked = Some(packets);
                continue;
            }
            let Some(asked) = asked.take() else { continue };
            let words: Vec<&str> = rule.split(' ').collect();
            for pair in words.windows(2) {
                let [first, second] = pair else { continue };
                match *first {
                    "-m" | "-j" if !second.starts_with('U') => {
                        self.count(format!("iptables {first} {second}"), packets, asked);
                    }
                    "-j" => self.count("iptables jump".to_owned(), packets, asked),
                    "-s" | "-d" | "-i" | "-o" | "-p" | "-f" | "-g" => {
                        self.count(format!("iptables {first}"), packets, asked);
                    }
                    _ => {}
                }
            }
        }
    }

    fn native(&mut self, text: &str) {
        for line in text.lines() {
            let Some(rest) = line.trim().strip_prefix("counter packets ") else { continue };
            let Some((asks, acts)) = rest.split_once(" counter packets ") else { continue };
            let number = |text: &str| text.split(' ').next().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
            let (asked, hit) = (number(asks), number(acts));
            // Behind `N bytes M`.
            for (text, is_match) in [(asks, true), (acts, false)] {
                let words: Vec<&str> = text.split(' ').skip(3).collect();
                for name in names(&words, is_match) {
                    self.count(format!("nft {name}"), hit, asked);
                }
            }
        }
    }

    /// What was met too rarely.
    pub fn missing(&self) -> Vec<String> {
        let seldom = self.0.iter().filter(|(name, hits)| {
            let one_way = ONE_WAY.iter().any(|(known, _)| name.starts_with(known));
            let always = name.contains(" -j ") || name.contains("jump") || name.contains("-g");
            // What has one outcome is met often enough too.
            let both = hits.hit >= FLOOR && (hits.missed >= FLOOR || always);
            if one_way { hits.hit.max(hits.missed) < FLOOR } else { !both }
        });
        seldom.map(|(name, hits)| format!("{name}: {} hit, {} missed", hits.hit, hits.missed)).collect()
    }

    pub(super) fn add(&mut self, other: Self) {
        for (name, hits) in other.0 {
            let sum = self.0.entry(name).or_default();
            sum.hit += hits.hit;
            sum.missed += hits.missed;
        }
    }
}

/// What a rule of nftables asks, or does.
fn names(words: &[&str], is_match: bool) -> Vec<String> {
    const KEYS: [&str; 12] = ["ip", "ip6", "tcp", "udp", "sctp", "icmp", "icmpv6", "th", "meta", "ct", "ether", "fib"];
    let mut names = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let next = words.get(place + 1).copied().unwrap_or_default();
        let is_value = place > 0
            && matches!(
                words.get(place - 1),
                Some(&("{" | "." | "," | ":" | "l4proto" | "!=" | "protocol" | "nexthdr" | "nat" | "with"))
            );
        // What `nft` makes of raw payload.
        let raw = matches!((*word, next), (_, "checksum") | ("tcp", "sequence"));
        if raw {
            names.push("raw payload".to_owned());
        } else if KEYS.contains(word)
            && !is_value
            && !next.is_empty()
            && !next.starts_with(['}', ',', ':'])
            && next != "to"
        {
            names.push(format!("{word} {next}"));
        } else if word.starts_with('@') && word.contains(',') {
            names.push("raw payload".to_owned());
        } else if matches!(*word, "iifname" | "oifname" | "exthdr" | "vmap" | "numgen") || word.starts_with('@') {
            names.push((*word).split(',').next().unwrap_or_default().to_owned());
        } else if !is_match && place == 0 {
            names.push((*word).to_owned());
        }
    }
    names
}

/// A table.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<36} {:>9} {:>9}", "met", "hit", "missed")?;
        for (name, hits) in &self.0 {
            let why = ONE_WAY.iter().find(|(known, _)| name.starts_with(known)).map_or("", |(_, why)| why);
            writeln!(f, "{name:<36} {:>9} {:>9}  {why}", hits.hit, hits.missed)?;
        }
        for (name, why) in NOT_HERE {
            writeln!(f, "{name:<36} not here: {why}")?;
        }
        Ok(())
    }
}
