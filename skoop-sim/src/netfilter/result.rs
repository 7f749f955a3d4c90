//! What a hook did to a packet, with the rule that did it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use skoop_model::{Backend, Evidence, Family, Mark, Packet};

use super::event::{RuleParts, tool};
use super::words::Words;
use crate::conntrack::Tracking;

/// What a hook did. The packet was walked to the end of the hook whatever `blockers` says, as if each of them had accepted it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HookResult {
    /// What stopped the packet, in order; empty: it passed.
    pub blockers: Vec<NfBlocker>,
    /// What changed the packet or its tracking, in order.
    pub events: Vec<NfEvent>,
    /// OUTPUT only: routing has to be asked again, because a chain of type `route` changed address, mark or TOS
    /// (`ipt_mangle_out`, `net/ipv4/netfilter/iptable_mangle.c`) or NAT changed the destination (`nf_nat_ipv4_local_fn`).
    pub reroute: bool,
    /// The mark and TOS by which it was routed anew last: at once, so that what later chains do to them changes no route.
    pub(crate) rerouted_by: Option<(Mark, u8)>,
    /// OUTPUT only: there is no route for what the packet became, so that it met no further rule (`ip_route_me_harder`,
    /// `net/ipv4/netfilter.c`: an error of the lookup is the verdict of the hook).
    pub(crate) unroutable: bool,
    /// The local address and port whose socket takes the packet (TPROXY), once routing finds that it is for this host.
    pub tproxy: Option<SocketAddr>,
    /// What the first blocker met: what an answer is about.
    pub(crate) stopped: Option<Box<Stopped>>,
    /// Device hooks only: a rule sent the frame out by this device instead (`fwd`).
    pub redirect: Option<String>,
}

/// A packet as a blocker met it. The walk goes on as if allowed and changes both packet and flow.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stopped {
    pub packet: Packet,
    pub tracking: Tracking,
    /// Its flow was in the table already.
    pub confirmed: bool,
    /// OUTPUT only: the mark and TOS by which it was routed anew before.
    pub rerouted: Option<(Mark, u8)>,
}

/// A rule or policy that stops the packet.
#[derive(Debug, Clone, PartialEq)]
pub struct NfBlocker {
    /// How it stops it.
    pub verdict: NfVerdict,
    /// The rule, or the declaration of the base chain if `by_policy`.
    pub by: RuleRef,
    /// No rule decided: it was the policy of the base chain.
    pub by_policy: bool,
    /// The rule would have let the packet pass, had there been something to do it with: the reason. Such as a MASQUERADE without address.
    pub because: Option<String>,
}

/// How a packet is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NfVerdict {
    /// Silently.
    Drop,
    /// With an answer to the sender.
    Reject(RejectWith),
}

/// What REJECT answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectWith {
    /// A TCP reset.
    TcpReset,
    /// An ICMP or ICMPv6 error.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
}

/// Where a rule was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleSource {
    /// An `iptables-save` dump.
    Iptables(Backend),
    /// `nft list ruleset`, a table that no `iptables` wrote.
    Nftables,
    /// No rule: something was not seen.
    Unseen,
    /// No rule: connection tracking itself.
    Conntrack,
}

/// A rule, verbatim, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRef {
    /// Where it was read from.
    pub source: RuleSource,
    /// Family.
    pub family: Family,
    /// Table; empty where there is none.
    pub table: String,
    /// Chain; empty where there is none.
    pub chain: String,
    /// Line in the dump, from 1; 0 where there is none, such as of rules that [`super::Netfilter::patch`] brought.
    pub line: usize,
    /// Handle in the kernel, for rules of nftables where it was told.
    pub handle: Option<u64>,
    /// The line of the dump, without counters.
    pub text: String,
    /// What `-m comment` says.
    pub comment: Option<String>,
}

impl RuleRef {
    /// The command that shows and changes the rule: `iptables-nft`, `ip6tables-legacy`, `nft`.
    pub fn tool(&self) -> &'static str {
        tool(self.source, self.family)
    }

    /// Its parts, borrowed.
    fn parts(&self) -> RuleParts<'_> {
        let Self { source, family, table, chain, line, handle, text, .. } = self;
        RuleParts { source: *source, family: *family, table, chain, line: *line, handle: *handle, text }
    }

    /// The rule as evidence: verbatim, with its place.
    pub fn evidence(&self) -> Evidence {
        self.parts().evidence()
    }

    /// The words of the rule as a shell would split them: `-A`, chain, matches, target.
    pub fn words(&self) -> Vec<String> {
        Words::new(&self.text).map(|word| word.text.into_owned()).collect()
    }

    /// The command that deletes the rule, as an argument list; none for a policy, for what is no rule, and for a rule of nftables whose
    /// handle is not known.
    pub fn delete_command(&self) -> Option<Vec<String>> {
        if self.source == RuleSource::Nftables {
            let (family, table) = self.table.split_once(' ')?;
            let handle = self.handle?.to_string();
            let words = ["nft", "delete", "rule", family, table, &self.chain, "handle", &handle];
            return Some(words.map(str::to_owned).to_vec());
        }
        let words = self.words();
        let (append, rest) = words.split_first()?;
        if !matches!(self.source, RuleSource::Iptables(_)) || append != "-A" {
            return None;
        }
        let mut command = vec![self.tool().to_owned(), "-t".to_owned(), self.table.clone(), "-D".to_owned()];
        command.extend_from_slice(rest);
        Some(command)
    }
}

/// `-A FORWARD -j DROP (iptables-nft, table filter, line 12)`.
impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts().fmt(f)
    }
}

impl NfBlocker {
    /// What it did, for people: `dropped by policy`, `rejected with icmp-port-unreachable`.
    pub fn describe(&self) -> String {
        let verdict = match self.verdict {
            NfVerdict::Drop => "dropped".to_owned(),
            NfVerdict::Reject(with) => format!("rejected with {}", with.name(self.by.family)),
        };
        match (&self.because, self.by_policy) {
            (Some(because), _) => format!("{verdict}: {because}"),
            (None, true) => format!("{verdict} by the policy of chain {}", self.by.chain),
            (None, false) => verdict,
        }
    }
}

/// Kinds of REJECT by name, with the ICMP type and code that they send
/// (`libipt_REJECT.c`, `libip6t_REJECT.c`; `net/ipv4/netfilter/ipt_REJECT.c`, `net/ipv6/netfilter/ip6t_REJECT.c`).
const REJECT_NAMES: [(&str, Family, RejectWith); 15] = [
    ("icmp-net-unreachable", Family::V4, RejectWith::Icmp { kind: 3, code: 0 }),
    ("icmp-host-unreachable", Family::V4, RejectWith::Icmp { kind: 3, code: 1 }),
    ("icmp-proto-unreachable", Family::V4, RejectWith::Icmp { kind: 3, code: 2 }),
    ("icmp-port-unreachable", Family::V4, RejectWith::Icmp { kind: 3, code: 3 }),
    ("icmp-net-prohibited", Family::V4, RejectWith::Icmp { kind: 3, code: 9 }),
    ("icmp-host-prohibited", Family::V4, RejectWith::Icmp { kind: 3, code: 10 }),
    ("icmp-admin-prohibited", Family::V4, RejectWith::Icmp { kind: 3, code: 13 }),
    ("tcp-reset", Family::V4, RejectWith::TcpReset),
    ("icmp6-no-route", Family::V6, RejectWith::Icmp { kind: 1, code: 0 }),
    ("icmp6-adm-prohibited", Family::V6, RejectWith::Icmp { kind: 1, code: 1 }),
    ("icmp6-addr-unreachable", Family::V6, RejectWith::Icmp { kind: 1, code: 3 }),
    ("icmp6-port-unreachable", Family::V6, RejectWith::Icmp { kind: 1, code: 4 }),
    ("icmp6-policy-fail", Family::V6, RejectWith::Icmp { kind: 1, code: 5 }),
    ("icmp6-reject-route", Family::V6, RejectWith::Icmp { kind: 1, code: 6 }),
    ("tcp-reset", Family::V6, RejectWith::TcpReset),
];

impl RejectWith {
    /// What a bare REJECT answers with.
    pub fn default_of(family: Family) -> Self {
        match family {
            Family::V4 => Self::Icmp { kind: 3, code: 3 },
            Family::V6 => Self::Icmp { kind: 1, code: 4 },
        }
    }

    /// The kind that `--reject-with` names.
    pub fn from_name(name: &str, family: Family) -> Option<Self> {
        REJECT_NAMES.iter().find(|(known, of, _)| *known == name && *of == family).map(|(_, _, with)| *with)
    }

    /// The name as `iptables-save` prints it.
    pub fn name(self, family: Family) -> &'static str {
        let found = REJECT_NAMES.iter().find(|(_, of, with)| *of == family && *with == self);
        found.map_or("an ICMP error", |(name, _, _)| name)
    }
}

/// What a step says of a rule that sends the packet on because an earlier one left its address in a list or set.
pub const REMEMBERED: &str = "sent where an earlier packet from there was sent";

/// Something that changed the packet or its tracking, or decided by what is remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct NfEvent {
    /// What.
    pub kind: NfEventKind,
    /// The rule that did it; for the reverse of NAT, the rule that translated the flow. None if nothing but conntrack did.
    pub by: Option<RuleRef>,
    /// The entry of the connection table, as `conntrack -L` prints it, by which the flow was known before.
    pub entry: Option<String>,
    /// The packet before.
    pub before: Packet,
    /// The packet after.
    pub after: Packet,
}

/// Kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NfEventKind {
    /// Destination translated by a DNAT, REDIRECT or NETMAP rule.
    DestinationNat,
    /// Source translated by an SNAT, MASQUERADE or NETMAP rule.
    SourceNat {
        /// The kernel draws the source port at random; the one in `after` stands for it.
        random_port: bool,
    },
    /// A later packet of a flow that a rule translated is translated like the first one, without asking any rule.
    NatAgain,
    /// A reply is translated back.
    NatReverse,
    /// The mark was changed.
    Mark,
    /// The connection's mark was changed.
    ConnectionMark(Mark),
    /// The packet is exempt from connection tracking.
    NoTrack,
    /// The packet belongs to a flow that the connection table of the snapshot holds; no rule for new flows heeds it.
    KnownFlow,
    /// A rule sends the packet on to a chain because an earlier packet left its address in a list or set: the affinity of a service.
    Remembered,
    /// A copy of the packet is sent to this gateway.
    Copied(IpAddr),
    /// Some other header field was changed: TTL, TOS.
    Header,
}

impl NfEventKind {
    /// What it did, for people.
    pub(crate) fn describe(self, before: &Packet, after: &Packet) -> String {
        let destination = || endpoint(after.dst, after.dport());
        let source = || endpoint(after.src, after.sport());
        match self {
            NfEventKind::DestinationNat => format!("destination translated to {}", destination()),
            NfEventKind::SourceNat { random_port: true } => {
                format!("source translated to {}, port at random", after.src)
            }
            NfEventKind::SourceNat { random_port: false } => format!("source translated to {}", source()),
            NfEventKind::NatAgain => format!("translated like the first packet of its flow: {after}"),
            NfEventKind::NatReverse if after.dst != before.dst || after.dport() != before.dport() => {
                format!("reply: destination translated back to {}", destination())
            }
            NfEventKind::NatReverse => format!("reply: source translated back to {}", source()),
            NfEventKind::Mark => format!("mark set to {}", after.mark),
            NfEventKind::ConnectionMark(mark) => format!("connection mark set to {mark}"),
            NfEventKind::KnownFlow => "belongs to a flow that the connection table holds".to_owned(),
            NfEventKind::Remembered => REMEMBERED.to_owned(),
            NfEventKind::Copied(gateway) => format!("a copy is sent to {gateway}"),
            NfEventKind::NoTrack => "exempt from connection tracking".to_owned(),
            NfEventKind::Header => format!("header changed: ttl {} tos {:#x}", after.ttl, after.tos),
        }
    }
}

impl NfEvent {
    /// What it did, for people.
    pub fn describe(&self) -> String {
        self.kind.describe(&self.before, &self.after)
    }

    /// The rule as evidence.
    pub fn evidence(&self) -> Evidence {
        self.by.as_ref().map_or_else(|| of_entry(self.entry.as_deref()), RuleRef::evidence)
    }
}

/// What stands behind an event that no rule made.
pub(crate) fn of_entry(entry: Option<&str>) -> Evidence {
    Evidence::new("conntrack", entry.unwrap_or("the flow's entry in the connection table"))
}

fn endpoint(address: std::net::IpAddr, port: Option<skoop_model::Port>) -> String {
    match (address, port) {
        (address, None) => address.to_string(),
        (std::net::IpAddr::V4(address), Some(port)) => format!("{address}:{port}"),
        (std::net::IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
    }
}
