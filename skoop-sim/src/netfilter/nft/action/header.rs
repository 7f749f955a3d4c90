//! Header fields that rules set (`nft_payload_set_eval`, `net/netfilter/nft_payload.c`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use skoop_model::{Family, Port};

use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

/// A header field that is modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderField {
    Source(Family),
    Destination(Family),
    SourcePort,
    DestinationPort,
    Ttl,
    Dscp,
    Ecn,
}

impl HeaderField {
    pub(crate) fn parse(protocol: &str, field: &str) -> Option<Self> {
        Some(match (protocol, field) {
            ("ip", "saddr") => Self::Source(Family::V4),
            ("ip", "daddr") => Self::Destination(Family::V4),
            ("ip6", "saddr") => Self::Source(Family::V6),
            ("ip6", "daddr") => Self::Destination(Family::V6),
            ("ip", "ttl") | ("ip6", "hoplimit") => Self::Ttl,
            ("ip" | "ip6", "dscp") => Self::Dscp,
            ("ip" | "ip6", "ecn") => Self::Ecn,
            ("tcp" | "udp" | "udplite" | "sctp" | "dccp" | "th", "sport") => Self::SourcePort,
            ("tcp" | "udp" | "udplite" | "sctp" | "dccp" | "th", "dport") => Self::DestinationPort,
            _ => return None,
        })
    }

    /// Writes the field; none if the value does not fit.
    pub(super) fn write(self, run: &mut Run<'_>, value: u128, rule: RuleId) -> Option<()> {
        let mut after = run.packet.clone();
        match self {
            Self::Source(family) => after.src = address(family, value)?,
            Self::Destination(family) => after.dst = address(family, value)?,
            Self::SourcePort => after.set_sport(Port(u16::try_from(value).ok()?)),
            Self::DestinationPort => after.set_dport(Port(u16::try_from(value).ok()?)),
            Self::Ttl => after.ttl = u8::try_from(value).ok()?,
            Self::Dscp => after.tos = (after.tos & 3) | (u8::try_from(value).ok()? << 2),
            Self::Ecn => after.tos = (after.tos & !3) | (u8::try_from(value).ok()? & 3),
        }
        if after != *run.packet {
            run.rewrite(rule, |packet| *packet = after);
        }
        Some(())
    }
}

/// A number as an address.
pub(super) fn address(family: Family, bits: u128) -> Option<IpAddr> {
    Some(match family {
        Family::V4 => Ipv4Addr::from_bits(u32::try_from(bits).ok()?).into(),
        Family::V6 => Ipv6Addr::from_bits(bits).into(),
    })
}
