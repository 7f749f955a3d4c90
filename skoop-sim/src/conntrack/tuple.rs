//! Tuples: what makes packets belong to one flow (`nf_ct_get_tuple`, `net/netfilter/nf_conntrack_core.c`).

use std::net::IpAddr;

use skoop_model::{ConntrackTuple, Packet, Port, Protocol, Transport};

use super::Direction;

/// Addresses and identifiers of one direction of a flow (`struct nf_conntrack_tuple`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tuple {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub protocol: Protocol,
    pub key: TupleKey,
}

/// What tells flows between the same addresses apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TupleKey {
    /// Source and destination port.
    Ports(u16, u16),
    /// Identifier, type and code.
    Icmp { id: u16, kind: u8, code: u8 },
    /// Nothing.
    Nothing,
}

/// ICMP types that ask, with the type that answers (`invmap`, `nf_conntrack_invert_icmp_tuple`,
/// `net/netfilter/nf_conntrack_proto_icmp.c`).
const ICMP_PAIRS: [(u8, u8); 4] = [(8, 0), (13, 14), (15, 16), (17, 18)];

/// The same for ICMPv6 (`invmap`, `net/netfilter/nf_conntrack_proto_icmpv6.c`): echo and node information.
const ICMPV6_PAIRS: [(u8, u8); 2] = [(128, 129), (139, 140)];

/// Protocols whose tuples hold ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

fn icmp_pairs(protocol: Protocol) -> &'static [(u8, u8)] {
    if protocol == Protocol::ICMPV6 { &ICMPV6_PAIRS } else { &ICMP_PAIRS }
}

/// Whether an ICMP type may begin a flow (`valid_new`, `net/netfilter/nf_conntrack_proto_icmp.c` and …_icmpv6.c).
pub(super) fn icmp_may_begin(protocol: Protocol, kind: u8) -> bool {
    icmp_pairs(protocol).iter().any(|(ask, _)| *ask == kind)
}

/// A zone of the connection table, and the directions that it holds for; the other direction is in zone 0
/// (`struct nf_conntrack_zone`, `include/net/netfilter/nf_conntrack_zones.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Zone {
    pub id: u16,
    pub original: bool,
    pub reply: bool,
}

impl Default for Zone {
    fn default() -> Self {
        Self { id: 0, original: true, reply: true }
    }
}

impl Zone {
    /// `nf_ct_zone_id`.
    pub(crate) fn of(self, direction: Direction) -> u16 {
        let held = match direction {
            Direction::Original => self.original,
            Direction::Reply => self.reply,
        };
        if held { self.id } else { 0 }
    }
}

impl Tuple {
    /// The tuple of a packet; none if its kind has none that could be turned round (`nf_ct_get_tuple`, `nf_ct_invert_tuple`).
    pub(crate) fn of(packet: &Packet) -> Option<Self> {
        let key = match packet.transport {
            Transport::Icmp { kind, code, id } => {
                let known = |(ask, answer): &(u8, u8)| *ask == kind || *answer == kind;
                icmp_pairs(packet.protocol).iter().any(known).then_some(())?;
                TupleKey::Icmp { id, kind, code }
            }
            _ => match (packet.sport(), packet.dport()) {
                (Some(sport), Some(dport)) => TupleKey::Ports(sport.0, dport.0),
                _ => TupleKey::Nothing,
            },
        };
        Some(Self { src: packet.src, dst: packet.dst, protocol: packet.protocol, key })
    }

    /// The tuple of an entry of a snapshot.
    pub(super) fn of_entry(protocol: Protocol, tuple: &ConntrackTuple) -> Self {
        let [kind, code] = tuple.dport.0.to_be_bytes();
        let key = if protocol.is_icmp() {
            TupleKey::Icmp { id: tuple.sport.0, kind, code }
        } else if WITH_PORTS.contains(&protocol.0) {
            TupleKey::Ports(tuple.sport.0, tuple.dport.0)
        } else {
            TupleKey::Nothing
        };
        Self { src: tuple.src, dst: tuple.dst, protocol, key }
    }

    /// The tuple of the answer (`nf_ct_invert_tuple`).
    pub(crate) fn inverted(self) -> Self {
        let key = match self.key {
            TupleKey::Ports(sport, dport) => TupleKey::Ports(dport, sport),
            TupleKey::Icmp { id, kind, code } => {
                let pairs = icmp_pairs(self.protocol).iter();
                let turned = pairs.flat_map(|(ask, answer)| [(*ask, *answer), (*answer, *ask)]);
                let kind = turned.into_iter().find(|(from, _)| *from == kind).map_or(kind, |(_, to)| to);
                TupleKey::Icmp { id, kind, code }
            }
            TupleKey::Nothing => TupleKey::Nothing,
        };
        Self { src: self.dst, dst: self.src, protocol: self.protocol, key }
    }

    /// Source port or ICMP identifier.
    pub(crate) fn sport(&self) -> Option<u16> {
        match self.key {
            TupleKey::Ports(sport, _) => Some(sport),
            TupleKey::Icmp { id, .. } => Some(id),
            TupleKey::Nothing => None,
        }
    }

    /// Destination port.
    pub(crate) fn dport(&self) -> Option<u16> {
        match self.key {
            TupleKey::Ports(_, dport) => Some(dport),
            TupleKey::Icmp { .. } | TupleKey::Nothing => None,
        }
    }

    pub(super) fn set_sport(&mut self, port: u16) {
        match &mut self.key {
            TupleKey::Ports(sport, _) => *sport = port,
            TupleKey::Icmp { id, .. } => *id = port,
            TupleKey::Nothing => {}
        }
    }

    pub(super) fn set_dport(&mut self, port: u16) {
        if let TupleKey::Ports(_, dport) = &mut self.key {
            *dport = port;
        }
    }

    /// Gives `packet` the source of this tuple (`nf_nat_manip_pkt`, `net/netfilter/nf_nat_proto.c`).
    pub(super) fn write_source(&self, packet: &mut Packet) {
        packet.src = self.src;
        match (self.key, &mut packet.transport) {
            (TupleKey::Icmp { id, .. }, Transport::Icmp { id: own, .. }) => *own = id,
            (TupleKey::Ports(sport, _), _) => packet.set_sport(Port(sport)),
            _ => {}
        }
    }

    /// Gives `packet` the destination of this tuple.
    pub(super) fn write_destination(&self, packet: &mut Packet) {
        packet.dst = self.dst;
        match (self.key, &mut packet.transport) {
            (TupleKey::Icmp { id, .. }, Transport::Icmp { id: own, .. }) => *own = id,
            (TupleKey::Ports(_, dport), _) => packet.set_dport(Port(dport)),
            _ => {}
        }
    }
}
