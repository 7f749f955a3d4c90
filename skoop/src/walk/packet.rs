//! The packet that is asked about: its JSON form, which is a contract, and what it leaves out.

mod flags;
mod lenient;
mod text;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use skoop_model::{Family, MacAddr, Port, Protocol, TcpFlags};
use thiserror::Error;

/// A packet to walk. One line of `skoop walk --packets`.
///
/// In JSON numbers may also be texts (`"mark": "0x10"`), and a field that is missing or null is as a Linux sender would set it.
///
/// ```
/// use skoop::walk::WalkPacket;
///
/// let text: WalkPacket = "eth0: tcp 10.0.0.1:4000 > 10.96.0.1:443 [syn ttl=64 mark=0x10]".parse()?;
/// let json: WalkPacket = serde_json::from_str(
///     r#"{"in":"eth0","src":"10.0.0.1","dst":"10.96.0.1","proto":"tcp","sport":4000,"dport":443,"tcp_flags":"syn","ttl":64,"mark":16}"#,
/// )?;
/// assert_eq!(text, json);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalkPacket {
    /// Device that it comes in by, which may be a bridge port. None: a process of the namespace sends it.
    #[serde(rename = "in", default)]
    pub device: Option<String>,
    /// Source address. None, for a packet that is sent here: routing chooses it.
    #[serde(default)]
    pub src: Option<IpAddr>,
    /// Destination address.
    pub dst: IpAddr,
    /// Protocol: `tcp`, `udp`, `sctp`, `icmp`, `icmp6`, or a number.
    #[serde(with = "lenient::protocol")]
    pub proto: Protocol,
    /// Source port.
    #[serde(default, with = "lenient::number")]
    pub sport: Option<u16>,
    /// Destination port.
    #[serde(default, with = "lenient::number")]
    pub dport: Option<u16>,
    /// ICMP type. None: an echo request.
    #[serde(default, with = "lenient::number")]
    pub icmp_type: Option<u8>,
    /// ICMP code.
    #[serde(default, with = "lenient::number")]
    pub icmp_code: Option<u8>,
    /// Identifier of an ICMP echo.
    #[serde(default, with = "lenient::number")]
    pub icmp_id: Option<u16>,
    /// TCP flags: `"syn,ack"`, `["syn", "ack"]`, or the byte. None: SYN.
    #[serde(default, with = "flags")]
    pub tcp_flags: Option<TcpFlags>,
    /// TTL or hop limit.
    #[serde(default, with = "lenient::number")]
    pub ttl: Option<u8>,
    /// Length of the IP packet in bytes, header included.
    #[serde(default, with = "lenient::number")]
    pub length: Option<u32>,
    /// Don't fragment.
    #[serde(default)]
    pub df: Option<bool>,
    /// TOS byte or traffic class.
    #[serde(default, with = "lenient::number")]
    pub tos: Option<u8>,
    /// Mark that it bears already: the sender's `SO_MARK`.
    #[serde(default, with = "lenient::number")]
    pub mark: Option<u32>,
    /// User of the process that sends it.
    #[serde(default, with = "lenient::number")]
    pub uid: Option<u32>,
    /// Group of the process that sends it.
    #[serde(default, with = "lenient::number")]
    pub gid: Option<u32>,
    /// Source MAC address of the frame that brings it.
    #[serde(default)]
    pub src_mac: Option<MacAddr>,
    /// Destination MAC address of the frame that brings it. None: as a neighbour would address it.
    #[serde(default)]
    pub dst_mac: Option<MacAddr>,
    /// What connection tracking takes it for. None: what its table says.
    #[serde(default)]
    pub state: Option<WalkState>,
    /// Walk the answer too.
    #[serde(default)]
    pub reply: bool,
    /// The tunnel that it comes in by: the rest of the packet is then what is inside.
    #[serde(default)]
    pub encap: Option<WalkEncap>,
}

/// What connection tracking takes a packet for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WalkState {
    /// The first one of a connection.
    New,
    /// One of a connection that went both ways.
    Established,
    /// One that belongs to another connection: an ICMP error, a data connection.
    Related,
    /// It fits no connection and may not begin one.
    Invalid,
    /// It is not tracked.
    Untracked,
}

/// The outer packet of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalkEncap {
    /// Kind: `vxlan`.
    pub kind: WalkTunnel,
    /// VXLAN network identifier.
    #[serde(with = "lenient::required")]
    pub vni: u32,
    /// Outer source address.
    pub src: IpAddr,
    /// Outer destination address.
    pub dst: IpAddr,
    /// Outer source port; null in a result, where it is a hash of what is inside.
    #[serde(default, with = "lenient::number")]
    pub sport: Option<u16>,
    /// Outer destination port.
    #[serde(default, with = "lenient::number")]
    pub dport: Option<u16>,
    /// Source MAC address of the frame inside.
    #[serde(default)]
    pub inner_src_mac: Option<MacAddr>,
    /// Destination MAC address of the frame inside.
    #[serde(default)]
    pub inner_dst_mac: Option<MacAddr>,
}

/// Kinds of tunnels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WalkTunnel {
    /// VXLAN.
    Vxlan,
}

/// A text that is no packet.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}")]
pub struct PacketError {
    what: String,
}

impl PacketError {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

impl WalkPacket {
    /// A packet with nothing but its ends: a base to build on.
    pub fn new(device: Option<&str>, src: Option<IpAddr>, dst: IpAddr, proto: Protocol) -> Self {
        Self {
            device: device.map(str::to_owned),
            src,
            dst,
            proto,
            sport: None,
            dport: None,
            icmp_type: None,
            icmp_code: None,
            icmp_id: None,
            tcp_flags: None,
            ttl: None,
            length: None,
            df: None,
            tos: None,
            mark: None,
            uid: None,
            gid: None,
            src_mac: None,
            dst_mac: None,
            state: None,
            reply: false,
            encap: None,
        }
    }

    /// One line of JSON, and the names of its fields that are not known and were passed over.
    ///
    /// # Errors
    ///
    /// The line is no packet.
    pub fn from_json(line: &str) -> Result<(Self, Vec<String>), PacketError> {
        let error = match serde_json::from_str::<Self>(line) {
            Ok(packet) => return packet.checked().map(|packet| (packet, Vec::new())),
            Err(error) => PacketError::new(error.to_string()),
        };
        // A second look, without what the first did not know.
        let Ok(serde_json::Value::Object(mut fields)) = serde_json::from_str(line) else { return Err(error) };
        let unknown: Vec<String> = fields.keys().filter(|name| !FIELDS.contains(&name.as_str())).cloned().collect();
        if unknown.is_empty() {
            return Err(error);
        }
        fields.retain(|name, _| FIELDS.contains(&name.as_str()));
        let packet: Self =
            serde_json::from_value(fields.into()).map_err(|error| PacketError::new(error.to_string()))?;
        packet.checked().map(|packet| (packet, unknown))
    }

    /// Address family.
    pub fn family(&self) -> Family {
        Family::of(self.dst)
    }

    /// Whether it can be a packet at all.
    pub(super) fn checked(self) -> Result<Self, PacketError> {
        let wrong = |what: &str| Err(PacketError::new(what));
        match self.src {
            None if self.device.is_some() => return wrong("a packet that comes in by a device needs `src`"),
            Some(src) if Family::of(src) != self.family() => return wrong("`src` and `dst` are of different families"),
            _ => {}
        }
        if let Some(encap) = &self.encap {
            if encap.src.is_ipv4() != encap.dst.is_ipv4() {
                return wrong("`encap`: `src` and `dst` are of different families");
            }
            if self.device.is_none() {
                return wrong("a packet in a tunnel comes in by a device: `in` is missing");
            }
        }
        if self.proto.is_icmp() && self.proto != Protocol::icmp(self.family()) {
            return wrong("icmp is for IPv4, and icmp6 for IPv6");
        }
        if has_ports(self.proto) && self.dport.is_none() {
            return wrong("`dport` is missing");
        }
        Ok(self)
    }
}

/// Names of the fields in JSON.
const FIELDS: [&str; 22] = [
    "in",
    "src",
    "dst",
    "proto",
    "sport",
    "dport",
    "icmp_type",
    "icmp_code",
    "icmp_id",
    "tcp_flags",
    "ttl",
    "length",
    "df",
    "tos",
    "mark",
    "uid",
    "gid",
    "src_mac",
    "dst_mac",
    "state",
    "reply",
    "encap",
];

/// Whether the model knows ports of a protocol.
fn has_ports(protocol: Protocol) -> bool {
    [Protocol::TCP, Protocol::UDP, Protocol::SCTP].contains(&protocol)
}

/// Source port of packets that do not say theirs: one of the ephemeral range.
pub(super) const DEFAULT_SPORT: Port = Port(40_000);

#[cfg(test)]
mod tests;
