//! Header fields by name: where they stand, and what a packet must be to have them.
//!
//! `nft` puts a test for the protocol before a field of it (`payload_gen_dependency`, `src/payload.c` of nftables) and does not
//! print it again.

use skoop_model::Family;

use crate::netfilter::image::Base;

/// What a rule demands of a packet before it looks at a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Demands {
    pub family: Option<Family>,
    pub protocol: Option<u8>,
    /// The device it came in by is of type Ethernet.
    pub ether: bool,
    /// No IP packet that is modelled has such a field: ARP, VLAN tags.
    pub never: bool,
    /// Two demands that exclude each other.
    pub conflict: bool,
}

impl Demands {
    /// Adds the demands of fields of `protocol`.
    pub(super) fn add(&mut self, protocol: &str) {
        let other = match protocol {
            "ip" => Self { family: Some(Family::V4), ..Self::default() },
            "ip6" => Self { family: Some(Family::V6), ..Self::default() },
            "ether" => Self { ether: true, ..Self::default() },
            "arp" | "vlan" => Self { never: true, ..Self::default() },
            other => {
                let number = PROTOCOLS.iter().find(|(name, _)| *name == other).map(|(_, number)| *number);
                Self { protocol: number, ..Self::default() }
            }
        };
        self.merge(other);
    }

    fn merge(&mut self, other: Self) {
        let differ = |one: Option<u8>, other: Option<u8>| one.zip(other).is_some_and(|(one, other)| one != other);
        let families = self.family.zip(other.family).is_some_and(|(one, other)| one != other);
        self.conflict |= families || differ(self.protocol, other.protocol);
        self.family = self.family.or(other.family);
        self.protocol = self.protocol.or(other.protocol);
        self.ether |= other.ether;
        self.never |= other.never;
    }
}

const PROTOCOLS: [(&str, u8); 11] = [
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("sctp", 132),
    ("dccp", 33),
    ("icmp", 1),
    ("icmpv6", 58),
    ("igmp", 2),
    ("esp", 50),
    ("ah", 51),
    ("comp", 108),
];

/// Base, offset and length in bits (`src/proto.c` of nftables).
pub(super) fn place(protocol: &str, field: &str) -> Option<(Base, u32, u32)> {
    let base = match protocol {
        "ip" | "ip6" => Base::Network,
        "ether" => Base::Link,
        _ => Base::Transport,
    };
    let found = FIELDS.iter().find(|(of, name, ..)| (*of == protocol || of.is_empty()) && *name == field);
    // Ports stand at the same place in all protocols that have them.
    let has_ports = ["tcp", "udp", "udplite", "sctp", "dccp", "th"].contains(&protocol);
    found.filter(|(of, ..)| !of.is_empty() || has_ports).map(|(.., offset, length)| (base, *offset, *length))
}

const FIELDS: &[(&str, &str, u32, u32)] = &[
    ("", "sport", 0, 16),
    ("", "dport", 16, 16),
    ("ip", "version", 0, 4),
    ("ip", "hdrlength", 4, 4),
    ("ip", "dscp", 8, 6),
    ("ip", "ecn", 14, 2),
    ("ip", "length", 16, 16),
    ("ip", "id", 32, 16),
    ("ip", "frag-off", 48, 16),
    ("ip", "ttl", 64, 8),
    ("ip", "protocol", 72, 8),
    ("ip", "checksum", 80, 16),
    ("ip", "saddr", 96, 32),
    ("ip", "daddr", 128, 32),
    ("ip6", "version", 0, 4),
    ("ip6", "dscp", 4, 6),
    ("ip6", "ecn", 10, 2),
    ("ip6", "flowlabel", 12, 20),
    ("ip6", "length", 32, 16),
    ("ip6", "nexthdr", 48, 8),
    ("ip6", "hoplimit", 56, 8),
    ("ip6", "saddr", 64, 128),
    ("ip6", "daddr", 192, 128),
    ("tcp", "sequence", 32, 32),
    ("tcp", "ackseq", 64, 32),
    ("tcp", "doff", 96, 4),
    ("tcp", "reserved", 100, 4),
    ("tcp", "flags", 104, 8),
    ("tcp", "window", 112, 16),
    ("tcp", "checksum", 128, 16),
    ("tcp", "urgptr", 144, 16),
    ("udp", "length", 32, 16),
    ("udp", "checksum", 48, 16),
    ("udplite", "csumcov", 32, 16),
    ("udplite", "checksum", 48, 16),
    ("sctp", "vtag", 32, 32),
    ("sctp", "checksum", 64, 32),
    ("dccp", "type", 67, 4),
    ("icmp", "type", 0, 8),
    ("icmp", "code", 8, 8),
    ("icmp", "checksum", 16, 16),
    ("icmp", "id", 32, 16),
    ("icmp", "sequence", 48, 16),
    ("icmp", "gateway", 32, 32),
    ("icmp", "mtu", 48, 16),
    ("icmpv6", "type", 0, 8),
    ("icmpv6", "code", 8, 8),
    ("icmpv6", "checksum", 16, 16),
    ("icmpv6", "parameter-problem", 32, 32),
    ("icmpv6", "packet-too-big", 32, 32),
    ("icmpv6", "mtu", 32, 32),
    ("icmpv6", "id", 32, 16),
    ("icmpv6", "sequence", 48, 16),
    ("icmpv6", "max-delay", 32, 16),
    ("icmpv6", "taddr", 64, 128),
    ("icmpv6", "daddr", 192, 128),
    ("igmp", "type", 0, 8),
    ("igmp", "mrt", 8, 8),
    ("igmp", "checksum", 16, 16),
    ("igmp", "group", 32, 32),
    ("esp", "spi", 0, 32),
    ("esp", "sequence", 32, 32),
    ("ah", "nexthdr", 0, 8),
    ("ah", "hdrlength", 8, 8),
    ("ah", "reserved", 16, 16),
    ("ah", "spi", 32, 32),
    ("ah", "sequence", 64, 32),
    ("comp", "nexthdr", 0, 8),
    ("comp", "flags", 8, 8),
    ("comp", "cpi", 16, 16),
    ("ether", "daddr", 0, 48),
    ("ether", "saddr", 48, 48),
    ("ether", "type", 96, 16),
];
