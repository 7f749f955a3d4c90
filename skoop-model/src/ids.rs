//! Small identifiers with their units and text forms.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A text that is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseError {
    /// The offending text.
    pub text: String,
    /// What was expected, with its article: "a MAC address".
    pub expected: &'static str,
}

impl ParseError {
    /// An error for `text`, which should have been `expected` (with its article).
    pub fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.to_owned(), expected }
    }
}

/// Address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both families, IPv4 first.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Name of the family's directory under `/proc/sys/net`: `ipv4` or `ipv6`.
    pub fn sysctl_name(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }

    /// Address length in bits.
    pub fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

macro_rules! number_newtype {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }
    };
}

number_newtype! {
    /// Index of a network device within its namespace (`ifindex`).
    IfIndex(u32)
}
number_newtype! {
    /// Inode number of a network namespace (`stat -Lc %i /proc/PID/ns/net`): unique on one node, and only there.
    NetnsId(u64)
}
number_newtype! {
    /// Transport port.
    Port(u16)
}
number_newtype! {
    /// Routing table.
    TableId(u32)
}
number_newtype! {
    /// VXLAN network identifier, 24 bits.
    Vni(u32)
}

impl TableId {
    /// `RT_TABLE_LOCAL`.
    pub const LOCAL: Self = Self(255);
    /// `RT_TABLE_MAIN`.
    pub const MAIN: Self = Self(254);
    /// `RT_TABLE_DEFAULT`.
    pub const DEFAULT: Self = Self(253);

    /// The table as iproute2 names it: `main`, `local`, `default` or its number.
    pub fn name(self) -> String {
        match self {
            Self::LOCAL => "local".to_owned(),
            Self::MAIN => "main".to_owned(),
            Self::DEFAULT => "default".to_owned(),
            Self(number) => number.to_string(),
        }
    }
}

/// Packet mark (`fwmark`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(pub u32);

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mark({self})")
    }
}

/// Inclusive range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortRange {
    /// First port.
    pub first: Port,
    /// Last port, not below `first`.
    pub last: Port,
}

impl PortRange {
    /// Whether `port` lies in the range.
    pub fn contains(self, port: Port) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// IP protocol number, with the names of `/etc/protocols` in text form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Protocol(pub u8);

/// Names that iptables and iproute2 use.
const PROTOCOL_NAMES: [(&str, Protocol); 12] = [
    ("icmp", Protocol::ICMP),
    ("igmp", Protocol(2)),
    ("ipencap", Protocol(4)),
    ("tcp", Protocol::TCP),
    ("udp", Protocol::UDP),
    ("dccp", Protocol(33)),
    ("gre", Protocol(47)),
    ("esp", Protocol(50)),
    ("ah", Protocol(51)),
    ("icmp6", Protocol::ICMPV6),
    ("sctp", Protocol::SCTP),
    ("udplite", Protocol(136)),
];

impl Protocol {
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
    /// SCTP.
    pub const SCTP: Self = Self(132);

    /// The ICMP of a family.
    pub fn icmp(family: Family) -> Self {
        match family {
            Family::V4 => Self::ICMP,
            Family::V6 => Self::ICMPV6,
        }
    }

    /// Whether this is ICMP or ICMPv6.
    pub fn is_icmp(self) -> bool {
        self == Self::ICMP || self == Self::ICMPV6
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PROTOCOL_NAMES.iter().find(|(_, protocol)| protocol == self) {
            Some((name, _)) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

impl FromStr for Protocol {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let lower = text.to_ascii_lowercase();
        if let Some((_, protocol)) = PROTOCOL_NAMES.iter().find(|(name, _)| *name == lower) {
            return Ok(*protocol);
        }
        match lower.as_str() {
            "ipv6-icmp" | "icmpv6" => Ok(Self::ICMPV6),
            "ipip" => Ok(Self(4)),
            // `/etc/protocols`, and `xtables_chain_protos` of iptables.
            "hopopt" => Ok(Self(0)),
            "ipv6" => Ok(Self(41)),
            "ipv6-route" => Ok(Self(43)),
            "ipv6-frag" => Ok(Self(44)),
            "ipv6-crypt" => Ok(Self(50)),
            "ipv6-auth" => Ok(Self(51)),
            "ipv6-nonxt" => Ok(Self(59)),
            "ipv6-opts" => Ok(Self(60)),
            "ospf" => Ok(Self(89)),
            "pim" => Ok(Self(103)),
            "ipcomp" => Ok(Self(108)),
            "vrrp" => Ok(Self(112)),
            "l2tp" => Ok(Self(115)),
            "mobility-header" | "ipv6-mh" | "mh" => Ok(Self(135)),
            _ => lower.parse().map(Self).map_err(|_| ParseError::new(text, "an IP protocol")),
        }
    }
}

/// Link-layer address of six bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// `00:00:00:00:00:00`, the default destination of a VXLAN FDB.
    pub const ZERO: Self = Self([0; 6]);

    /// Whether the group bit is set: broadcast or multicast.
    pub fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every step of a trace names some: not worth six calls of the formatter.
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
        let mut text = [b':'; 17];
        for (place, byte) in text.chunks_mut(3).zip(self.0) {
            if let [high, low, ..] = place {
                (*high, *low) = (digit(byte >> 4), digit(byte & 0xf));
            }
        }
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

impl FromStr for MacAddr {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new(text, "a MAC address");
        let mut bytes = [0u8; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() <= 2).ok_or_else(error)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| error())?;
        }
        if parts.next().is_some() { Err(error()) } else { Ok(Self(bytes)) }
    }
}

macro_rules! serde_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
serde_as_text!(MacAddr);
serde_as_text!(Protocol);

/// Name of a node as the cluster knows it, or of a host outside a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeName(pub String);

impl NodeName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn protocols_have_names_and_numbers() {
        assert_eq!("tcp".parse(), Ok(Protocol::TCP));
        assert_eq!("ipv6-icmp".parse(), Ok(Protocol::ICMPV6));
        assert_eq!("99".parse(), Ok(Protocol(99)));
        assert_eq!(Protocol(99).to_string(), "99");
        assert!("300".parse::<Protocol>().is_err());
    }

    proptest! {
        #[test]
        fn mac_text_round_trips(bytes: [u8; 6]) {
            let mac = MacAddr(bytes);
            prop_assert_eq!(mac.to_string().parse(), Ok(mac));
        }

        #[test]
        fn any_text_is_a_mac_or_an_error(text in ".{0,24}") {
            if let Ok(mac) = text.parse::<MacAddr>() {
                prop_assert_eq!(mac.to_string().len(), 17);
            }
        }
    }
}
