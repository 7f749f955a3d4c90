//! What became of a packet: a contract. Fields are only ever added.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use skoop_model::MacAddr;

use super::WalkEncap;

/// What became of one packet. One line of `skoop walk -o jsonl`.
///
/// The header is the packet's as it left, as it was delivered, or as it was when it was stopped; of a packet that left in a tunnel it
/// is that of the packet inside, and `encap` is what is around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WalkResult {
    /// The verdict.
    pub verdict: WalkVerdict,
    /// Device that it left by: the bridge, where that is a port of one.
    pub out: Option<String>,
    /// Bridge port that it left by. None where `out` is no bridge, and where it left by several.
    pub port: Option<String>,
    /// Next hop that it was sent to: the gateway, or the destination itself. None for what was bridged.
    pub next_hop: Option<IpAddr>,
    /// Destination MAC address of the frame; none where nobody knows it yet.
    pub dst_mac: Option<MacAddr>,
    /// Source address.
    pub src: Option<IpAddr>,
    /// Source port. None also where the kernel draws it.
    pub sport: Option<u16>,
    /// Destination address.
    pub dst: Option<IpAddr>,
    /// Destination port.
    pub dport: Option<u16>,
    /// Mark.
    pub mark: Option<u32>,
    /// TOS byte or traffic class.
    pub tos: Option<u8>,
    /// TTL or hop limit.
    pub ttl: Option<u8>,
    /// The tunnel that it left in.
    pub encap: Option<WalkEncap>,
    /// What went back to the sender, as it reached it or left for it. None where nothing did.
    pub answer: Option<WalkAnswer>,
    /// What decided. Of a packet that was stopped, what stopped it; else the last rule that translated it, or the route.
    pub decided_by: Option<WalkDecision>,
    /// What was not seen or not understood, and mattered.
    pub unknown: Vec<String>,
    /// The ways that it may take, the likeliest first, if there are several.
    pub branches: Vec<WalkBranch>,
    /// What became of the answer, if it was asked for and the packet arrived.
    pub reply: Option<Box<WalkResult>>,
}

/// What became of a packet, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WalkVerdict {
    /// It left by a device.
    Forwarded,
    /// It reached the local stack.
    Delivered,
    /// It was dropped, and nobody was told.
    Dropped,
    /// It was stopped, and an ICMP error or a reset was sent back.
    Rejected,
    /// One or the other, by chance: the branches say with which probability.
    Mixed,
    /// It hangs on something unknown.
    Undetermined,
}

impl WalkVerdict {
    /// The verdict as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Delivered => "delivered",
            Self::Dropped => "dropped",
            Self::Rejected => "rejected",
            Self::Mixed => "mixed",
            Self::Undetermined => "undetermined",
        }
    }
}

/// What went back to the sender of a packet that was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WalkAnswer {
    /// What it is.
    pub kind: WalkAnswerKind,
    /// ICMP type.
    #[serde(rename = "type")]
    pub icmp_type: Option<u8>,
    /// ICMP code.
    pub code: Option<u8>,
    /// Its source address.
    pub sender: IpAddr,
    /// Its destination address.
    pub to: IpAddr,
}

/// Kinds of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WalkAnswerKind {
    /// An ICMP error.
    Icmp,
    /// An ICMPv6 error.
    Icmp6,
    /// A TCP reset.
    TcpReset,
}

/// The rule, policy, route, sysctl or device that decided.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WalkDecision {
    /// Kind: `iptables`, `nftables`, `policy`, `route`, `rule`, `sysctl`, `neighbour`, `fdb`, `link`, `address`, `packet`, `conntrack`,
    /// `missing`.
    pub kind: String,
    /// Verbatim, as the tool prints it.
    pub text: String,
    /// Table of a netfilter rule.
    pub table: Option<String>,
    /// Chain of a netfilter rule.
    pub chain: Option<String>,
    /// Line of the rule in its dump, from 1.
    pub line: Option<usize>,
}

/// One way that a packet may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WalkBranch {
    /// Its probability; none where it hangs on something unknown.
    pub probability: Option<f64>,
    /// What becomes of the packet on it.
    #[serde(flatten)]
    pub result: WalkResult,
}

impl WalkResult {
    /// A verdict about a packet of which nothing is known.
    pub(super) fn blank(verdict: WalkVerdict) -> Self {
        Self {
            verdict,
            out: None,
            port: None,
            next_hop: None,
            dst_mac: None,
            src: None,
            sport: None,
            dst: None,
            dport: None,
            mark: None,
            tos: None,
            ttl: None,
            encap: None,
            answer: None,
            decided_by: None,
            unknown: Vec::new(),
            branches: Vec::new(),
            reply: None,
        }
    }

    /// A packet that cannot be judged, and why.
    pub fn undetermined(why: impl Into<String>) -> Self {
        Self { unknown: vec![why.into()], ..Self::blank(WalkVerdict::Undetermined) }
    }
}
