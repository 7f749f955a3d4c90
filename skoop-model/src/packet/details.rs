//! Parts of a packet that few rules look at.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Packet;
use crate::{MacAddr, Protocol};

/// Parts of a packet that few rules look at. What is none is not known, unless its field says otherwise: a rule that asks for it then
/// matches "maybe".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Details {
    /// The packet that an ICMP error is about, as the sender of the error saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cited: Option<Packet>,
    /// Destination address of the frame that brought the packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dst_mac: Option<MacAddr>,
    /// Identification of the IPv4 header, or of the fragment header of IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_id: Option<u32>,
    /// The packet is this fragment of a datagram. None: it is whole, or travels in fragments that are seen together
    /// ([`Packet::fragment_bytes`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment: Option<Fragment>,
    /// Options of the IPv4 header, a multiple of 4 bytes. Empty: there are none.
    #[serde(default, skip_serializing_if = "Bytes::is_empty")]
    pub ip_options: Bytes,
    /// Flow label of IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_label: Option<u32>,
    /// Extension headers of IPv6 before the protocol of the packet, the outermost first. Empty: there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<ExtensionHeader>,
    /// Security parameter index of ESP and AH; the CPI of IPComp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spi: Option<u32>,
    /// Sequence number of TCP, or of an ICMP echo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u32>,
    /// Acknowledgement number of TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<u32>,
    /// Window of TCP, not scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u16>,
    /// Options of the TCP header as they stand there, a multiple of 4 bytes; no bytes: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_options: Option<Bytes>,
    /// The second word of an ICMP header that is no echo: the MTU of "too big", the gateway of a redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_word: Option<u32>,
    /// Chunks of SCTP, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sctp_chunks: Option<Vec<SctpChunk>>,
    /// What follows the header above IP: all of it, or its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Bytes>,
}

/// Place of a fragment in its datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fragment {
    /// Where it begins, in bytes; a multiple of 8. Only at 0 there is a header above IP.
    pub offset_bytes: u32,
    /// Further fragments follow.
    pub more: bool,
}

/// One extension header of IPv6.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExtensionHeader {
    /// Its own number: 0 hop-by-hop, 43 routing, 51 AH, 60 destination options, 135 mobility.
    pub protocol: Protocol,
    /// The whole header, a multiple of 8 bytes (AH: of 4). Its first byte, the number of the next one, follows from what comes after.
    pub bytes: Bytes,
}

/// One chunk of an SCTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SctpChunk {
    /// Type.
    pub kind: u8,
    /// Flags.
    #[serde(default)]
    pub flags: u8,
    /// Length in bytes, its header of 4 included, padding not. None: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length_bytes: Option<u16>,
}

/// Bytes, written as hexadecimal digits: `"0204ffd7"`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads hexadecimal digits, two a byte. None for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if !digits.len().is_multiple_of(2) {
            return None;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let byte = |pair: &[u8]| match pair {
            [high, low] => Some((digit(*high)? << 4) | digit(*low)?),
            _ => None,
        };
        digits.chunks(2).map(byte).collect::<Option<_>>().map(Self)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("bytes are pairs of hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_hexadecimal() {
        assert_eq!(Bytes::parse("00fF10"), Some(Bytes(vec![0, 255, 16])));
        assert_eq!((Bytes::parse("0"), Bytes::parse("+1"), Bytes::parse("é")), (None, None, None));
        let details = Details { payload: Some(vec![1, 0xab].into()), ..Details::default() };
        let text = serde_json::to_string(&details).expect("text");
        assert_eq!(text, r#"{"payload":"01ab"}"#);
        assert_eq!(serde_json::from_str::<Details>(&text).expect("details"), details);
    }
}
