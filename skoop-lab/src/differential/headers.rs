//! A packet as the harness writes and reads it. Shares nothing with the simulator's.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// TCP flags.
pub(super) mod flag {
    pub const SYN: u8 = 2;
    pub const RST: u8 = 4;
    pub const ACK: u8 = 16;
}

/// The header above IP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Body {
    /// `server`: numbered as the side that answers would.
    Tcp {
        sport: u16,
        dport: u16,
        flags: u8,
        #[serde(default)]
        server: bool,
    },
    Udp {
        sport: u16,
        dport: u16,
    },
    /// One chunk of this type.
    Sctp {
        sport: u16,
        dport: u16,
        chunk: u8,
    },
    /// Of this type: 0 request, 2 data.
    Dccp {
        sport: u16,
        dport: u16,
        kind: u8,
    },
    Icmp {
        kind: u8,
        code: u8,
        id: u16,
    },
    Other,
}

/// A packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Headers {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub protocol: u8,
    pub body: Body,
    pub ttl: u8,
    #[serde(default)]
    pub tos: u8,
    /// "Don't fragment".
    #[serde(default)]
    pub df: bool,
    /// Bytes above the transport header, 8 at least: the tag is among them.
    pub payload: u16,
    /// Options of TCP as they stand there, a multiple of four bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<u8>,
    /// Extension headers of IPv6, the outermost first: hop-by-hop (0), routing (43) and destination options (60).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<u8>,
    /// Only this fragment of the packet: its offset in bytes, and whether more follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment: Option<(u16, bool)>,
    /// The packet that an ICMP error is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cited: Option<Box<Headers>>,
}

/// Protocol numbers.
pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const DCCP: u8 = 33;
pub(super) const ICMP6: u8 = 58;
pub(super) const SCTP: u8 = 132;

/// Bytes of payload of most packets.
pub(super) const PAYLOAD: u16 = 8;

/// Whether an ICMP message of this type has an identifier (RFC 792, RFC 950, RFC 4443).
pub(super) fn has_id(protocol: u8, kind: u8) -> bool {
    if protocol == ICMP { matches!(kind, 0 | 8 | 13..=18) } else { matches!(kind, 128 | 129) }
}

impl Headers {
    pub fn new(src: IpAddr, dst: IpAddr, protocol: u8, body: Body) -> Self {
        let (options, extensions) = (Vec::new(), Vec::new());
        let (df, payload, fragment, cited) = (false, PAYLOAD, None, None);
        Self { src, dst, protocol, body, ttl: 64, tos: 0, df, payload, options, extensions, fragment, cited }
    }

    pub fn v6(&self) -> bool {
        self.dst.is_ipv6()
    }

    pub fn ports(&self) -> Option<(u16, u16)> {
        match self.body {
            Body::Tcp { sport, dport, .. }
            | Body::Udp { sport, dport }
            | Body::Sctp { sport, dport, .. }
            | Body::Dccp { sport, dport, .. } => Some((sport, dport)),
            _ => None,
        }
    }

    /// What a healthy receiver answers. None where nothing is to answer.
    pub fn answer(&self) -> Option<Self> {
        let body = match self.body {
            Body::Tcp { sport, dport, flags, server } => {
                let flags =
                    if flags & flag::SYN != 0 && flags & flag::ACK == 0 { flag::SYN | flag::ACK } else { flag::ACK };
                Body::Tcp { sport: dport, dport: sport, flags, server: !server }
            }
            Body::Udp { sport, dport } => Body::Udp { sport: dport, dport: sport },
            Body::Sctp { sport, dport, chunk } => {
                Body::Sctp { sport: dport, dport: sport, chunk: chunk.saturating_add(1) }
            }
            // Echo, timestamp (RFC 792), echo of IPv6 (RFC 4443).
            Body::Icmp { kind: 8, id, .. } if !self.v6() => Body::Icmp { kind: 0, code: 0, id },
            Body::Icmp { kind: 13, id, .. } if !self.v6() => Body::Icmp { kind: 14, code: 0, id },
            Body::Icmp { kind: 17, id, .. } if !self.v6() => Body::Icmp { kind: 18, code: 0, id },
            Body::Icmp { kind: 128, id, .. } if self.v6() => Body::Icmp { kind: 129, code: 0, id },
            Body::Icmp { .. } | Body::Dccp { .. } => return None,
            Body::Other => Body::Other,
        };
        // Nobody answers from a broadcast address.
        let broadcast = matches!(self.dst, IpAddr::V4(dst) if dst.octets().first() == Some(&10) && dst.octets().last() == Some(&255));
        if broadcast || self.fragment.is_some() || self.dst.is_multicast() || self.dst == IpAddr::from([255; 4]) {
            return None;
        }
        // What was cut on its way is answered in one piece.
        Some(Self {
            payload: self.payload.min(1300),
            df: self.df,
            ..Self::new(self.dst, self.src, self.protocol, body)
        })
    }

    /// An ICMP error about this packet, from `sender`.
    pub fn error(&self, sender: IpAddr, kind: u8, code: u8) -> Self {
        let protocol = if self.v6() { ICMP6 } else { ICMP };
        let body = Body::Icmp { kind, code, id: 0 };
        let cited = Some(Box::new(Self { cited: None, payload: self.payload.min(1000), ..self.clone() }));
        Self { cited, ..Self::new(sender, self.src, protocol, body) }
    }

    /// Whether this is an ICMP error.
    pub fn is_error(&self) -> bool {
        match self.body {
            Body::Icmp { kind, .. } if self.protocol == ICMP => matches!(kind, 3 | 4 | 5 | 11 | 12),
            Body::Icmp { kind, .. } => kind < 128,
            _ => false,
        }
    }
}

/// One line.
impl fmt::Display for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { src, dst, protocol, ttl, tos, payload, .. } = self;
        match &self.body {
            Body::Tcp { sport, dport, flags, server } => {
                write!(
                    f,
                    "tcp {src}:{sport} > {dst}:{dport} flags={flags:#04x}{}",
                    if *server { " server" } else { "" }
                )?;
            }
            Body::Udp { sport, dport } => write!(f, "udp {src}:{sport} > {dst}:{dport}")?,
            Body::Sctp { sport, dport, chunk } => write!(f, "sctp {src}:{sport} > {dst}:{dport} chunk={chunk}")?,
            Body::Dccp { sport, dport, kind } => write!(f, "dccp {src}:{sport} > {dst}:{dport} type={kind}")?,
            Body::Icmp { kind, code, id } => write!(f, "icmp{protocol} {src} > {dst} {kind}/{code} id={id}")?,
            Body::Other => write!(f, "proto{protocol} {src} > {dst}")?,
        }
        write!(f, " ttl={ttl} tos={tos:#x} payload={payload}{}", if self.df { " df" } else { "" })?;
        if !self.options.is_empty() {
            write!(f, " options={:02x?}", self.options)?;
        }
        if !self.extensions.is_empty() {
            write!(f, " extensions={:?}", self.extensions)?;
        }
        if let Some((offset, more)) = self.fragment {
            write!(f, " fragment at {offset}{}", if more { ", more follow" } else { "" })?;
        }
        match &self.cited {
            Some(cited) => write!(f, " ({cited})"),
            None => Ok(()),
        }
    }
}
