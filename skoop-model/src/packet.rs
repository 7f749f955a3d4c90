//! The packet that is walked, and the frame that carries it.

mod details;

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Family, MacAddr, Mark, Port, Protocol, Vni};

pub use details::{Bytes, Details, ExtensionHeader, Fragment, SctpChunk};

/// The header fields of one IP packet that Linux forwarding decisions read, with the metadata of its `sk_buff`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Packet {
    /// Source address.
    pub src: IpAddr,
    /// Destination address, of the same family.
    pub dst: IpAddr,
    /// Protocol above IP.
    pub protocol: Protocol,
    /// Header above IP.
    pub transport: Transport,
    /// TTL or hop limit.
    pub ttl: u8,
    /// TOS byte or traffic class.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tos: u8,
    /// IPv4 "don't fragment"; always true for IPv6.
    pub dont_fragment: bool,
    /// Length of the IP packet in bytes, header included.
    pub length_bytes: u32,
    /// Length of its longest fragment in bytes, IP header included, while it travels in fragments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment_bytes: Option<u32>,
    /// `skb->mark`.
    #[serde(default, skip_serializing_if = "is_unmarked")]
    pub mark: Mark,
    /// The frame inside, if this is the outer packet of a tunnel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encap: Option<Box<Encap>>,
    /// What few rules ask for; none where nothing of the kind is there or known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<Details>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(tos: &u8) -> bool {
    *tos == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_unmarked(mark: &Mark) -> bool {
    mark.0 == 0
}

/// What a tunnel packet carries.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Encap {
    /// VXLAN network identifier.
    pub vni: Vni,
    /// The Ethernet frame inside.
    pub frame: Frame,
}

/// A packet on a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Frame {
    /// Source MAC address.
    pub src_mac: MacAddr,
    /// Destination MAC address.
    pub dst_mac: MacAddr,
    /// The packet carried.
    pub packet: Packet,
}

/// The header above IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP.
    Tcp {
        /// Source port.
        sport: Port,
        /// Destination port.
        dport: Port,
        /// Flags.
        flags: TcpFlags,
    },
    /// UDP or UDP-Lite, told apart by [`Packet::protocol`].
    Udp {
        /// Source port.
        sport: Port,
        /// Destination port.
        dport: Port,
    },
    /// SCTP.
    Sctp {
        /// Source port.
        sport: Port,
        /// Destination port.
        dport: Port,
    },
    /// DCCP.
    Dccp {
        /// Source port.
        sport: Port,
        /// Destination port.
        dport: Port,
        /// Type of the packet: 0 request, 1 response, 2 data, …
        kind: u8,
    },
    /// ICMP or ICMPv6, told apart by [`Packet::protocol`].
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Identifier of an echo; 0 for other types.
        id: u16,
    },
    /// Any other protocol.
    Other,
}

/// TCP flags as in the header's thirteenth byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// FIN.
    pub const FIN: Self = Self(0x01);
    /// SYN.
    pub const SYN: Self = Self(0x02);
    /// RST.
    pub const RST: Self = Self(0x04);
    /// ACK.
    pub const ACK: Self = Self(0x10);
    /// SYN and ACK.
    pub const SYN_ACK: Self = Self(0x12);

    /// Whether all of `flags` are set.
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// Bytes of an IPv4 header without options plus a TCP header with the options of a Linux SYN.
const SYN_LENGTH: u32 = 60;

impl Packet {
    /// A packet with the defaults of a Linux sender: TTL 64, no mark; DF as Linux sets it for `protocol`.
    pub fn new(src: IpAddr, dst: IpAddr, protocol: Protocol, transport: Transport, length_bytes: u32) -> Self {
        Self {
            src,
            dst,
            protocol,
            transport,
            ttl: 64,
            tos: 0,
            dont_fragment: true,
            length_bytes,
            fragment_bytes: None,
            mark: Mark(0),
            encap: None,
            details: None,
        }
    }

    /// The first packet of a TCP connection.
    pub fn tcp_syn(src: IpAddr, sport: Port, dst: IpAddr, dport: Port) -> Self {
        Self::new(src, dst, Protocol::TCP, Transport::Tcp { sport, dport, flags: TcpFlags::SYN }, SYN_LENGTH)
    }

    /// A UDP datagram of `length_bytes`, IP header included.
    pub fn udp(src: IpAddr, sport: Port, dst: IpAddr, dport: Port, length_bytes: u32) -> Self {
        Self::new(src, dst, Protocol::UDP, Transport::Udp { sport, dport }, length_bytes)
    }

    /// An ICMP echo request of `length_bytes`, IP header included.
    pub fn echo_request(src: IpAddr, dst: IpAddr, id: u16, length_bytes: u32) -> Self {
        let family = Family::of(dst);
        let kind = match family {
            Family::V4 => 8,
            Family::V6 => 128,
        };
        Self::new(src, dst, Protocol::icmp(family), Transport::Icmp { kind, code: 0, id }, length_bytes)
    }

    /// Whether this is a fragment other than the first of its datagram: it has no header above IP.
    pub fn is_later_fragment(&self) -> bool {
        let fragment = self.details.as_ref().and_then(|details| details.fragment);
        fragment.is_some_and(|fragment| fragment.offset_bytes != 0)
    }

    /// Address family.
    pub fn family(&self) -> Family {
        Family::of(self.dst)
    }

    /// Length of what is on the wire: of the whole packet, or of its longest fragment.
    pub fn wire_bytes(&self) -> u32 {
        self.fragment_bytes.unwrap_or(self.length_bytes)
    }

    /// Source port, where the protocol has ports.
    pub fn sport(&self) -> Option<Port> {
        match self.transport {
            Transport::Tcp { sport, .. }
            | Transport::Udp { sport, .. }
            | Transport::Sctp { sport, .. }
            | Transport::Dccp { sport, .. } => Some(sport),
            Transport::Icmp { .. } | Transport::Other => None,
        }
    }

    /// Destination port, where the protocol has ports.
    pub fn dport(&self) -> Option<Port> {
        match self.transport {
            Transport::Tcp { dport, .. }
            | Transport::Udp { dport, .. }
            | Transport::Sctp { dport, .. }
            | Transport::Dccp { dport, .. } => Some(dport),
            Transport::Icmp { .. } | Transport::Other => None,
        }
    }

    /// Sets the source port; without effect where the protocol has none.
    pub fn set_sport(&mut self, port: Port) {
        match &mut self.transport {
            Transport::Tcp { sport, .. }
            | Transport::Udp { sport, .. }
            | Transport::Sctp { sport, .. }
            | Transport::Dccp { sport, .. } => *sport = port,
            Transport::Icmp { .. } | Transport::Other => {}
        }
    }

    /// Sets the destination port; without effect where the protocol has none.
    pub fn set_dport(&mut self, port: Port) {
        match &mut self.transport {
            Transport::Tcp { dport, .. }
            | Transport::Udp { dport, .. }
            | Transport::Sctp { dport, .. }
            | Transport::Dccp { dport, .. } => *dport = port,
            Transport::Icmp { .. } | Transport::Other => {}
        }
    }

    /// TCP flags, if this is TCP.
    pub fn tcp_flags(&self) -> Option<TcpFlags> {
        match self.transport {
            Transport::Tcp { flags, .. } => Some(flags),
            _ => None,
        }
    }

    /// The packet that a healthy receiver answers with: SYN+ACK, a datagram back, an echo reply; of the same size.
    /// A fresh packet of the receiver: no mark, TTL 64.
    #[must_use]
    pub fn reply(&self) -> Self {
        let transport = match self.transport {
            Transport::Tcp { sport, dport, .. } => {
                Transport::Tcp { sport: dport, dport: sport, flags: TcpFlags::SYN_ACK }
            }
            Transport::Udp { sport, dport } => Transport::Udp { sport: dport, dport: sport },
            Transport::Sctp { sport, dport } => Transport::Sctp { sport: dport, dport: sport },
            Transport::Dccp { sport, dport, kind } => {
                Transport::Dccp { sport: dport, dport: sport, kind: if kind == 0 { 1 } else { kind } }
            }
            Transport::Icmp { kind: 8, id, .. } => Transport::Icmp { kind: 0, code: 0, id },
            Transport::Icmp { kind: 128, id, .. } => Transport::Icmp { kind: 129, code: 0, id },
            other => other,
        };
        Self {
            dont_fragment: self.dont_fragment,
            ..Self::new(self.dst, self.src, self.protocol, transport, self.length_bytes)
        }
    }
}

/// One line: `tcp 10.0.0.1:4000 > 10.96.0.1:443`, `icmp 10.0.0.1 > 10.0.0.2`, and the frame inside a tunnel in brackets.
impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.protocol)?;
        write_endpoint(f, self.src, self.sport())?;
        f.write_str(" > ")?;
        write_endpoint(f, self.dst, self.dport())?;
        if let Some(encap) = &self.encap {
            write!(f, " [vni {} {}]", encap.vni, encap.frame.packet)?;
        }
        Ok(())
    }
}

fn write_endpoint(f: &mut fmt::Formatter<'_>, address: IpAddr, port: Option<Port>) -> fmt::Result {
    match (address, port) {
        (_, None) => write!(f, "{address}"),
        (IpAddr::V4(address), Some(port)) => write!(f, "{address}:{port}"),
        (IpAddr::V6(address), Some(port)) => write!(f, "[{address}]:{port}"),
    }
}
