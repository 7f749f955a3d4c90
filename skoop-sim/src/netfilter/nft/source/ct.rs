//! `ct` (`net/netfilter/nft_ct.c`).

use skoop_model::Family;

use super::{Seen, TEXT, text_bits, width};
use crate::Tri;
use crate::conntrack::{Connection, Direction, Info, Tracking, Tuple};
use crate::netfilter::common::bits;
use crate::netfilter::nft::ast;
use crate::netfilter::run::Run;

/// What `ct` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CtKey {
    State,
    Direction,
    Status,
    Mark,
    Zone(Option<Direction>),
    Labels,
    Helper,
    L3Proto,
    Protocol,
    /// Tuple of this direction, that end, and the family if it was named.
    Address(Direction, End, Option<Family>),
    Port(Direction, End),
    /// Not known.
    Other,
}

/// Ends of a tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Source,
    Destination,
}

impl CtKey {
    pub(in crate::netfilter::nft) fn parse(
        key: &str,
        direction: Option<ast::Direction>,
        family: Option<ast::TableFamily>,
    ) -> Self {
        let direction = direction.map(|direction| match direction {
            ast::Direction::Original => Direction::Original,
            ast::Direction::Reply => Direction::Reply,
        });
        let (end, family) = (End::parse(key), family.and_then(ast::TableFamily::only));
        match (key, direction, end) {
            ("state", ..) => Self::State,
            ("direction", ..) => Self::Direction,
            ("status", ..) => Self::Status,
            ("mark", ..) => Self::Mark,
            ("zone", direction, _) => Self::Zone(direction),
            ("label", ..) => Self::Labels,
            ("helper", ..) => Self::Helper,
            ("l3proto", ..) => Self::L3Proto,
            ("protocol", ..) => Self::Protocol,
            (key, Some(direction), Some(end)) if key.ends_with("addr") => Self::Address(direction, end, family),
            (_, Some(direction), Some(end)) => Self::Port(direction, end),
            _ => Self::Other,
        }
    }

    pub(super) fn eval(self, run: &Run<'_>) -> Option<Seen> {
        let flow = run.conntrack.of_packet(run.state);
        if self == Self::State {
            return Some(Seen::whole(state(run.state.tracking, flow.as_ref().map(|(_, info, _)| *info)), 32));
        }
        let (connection, _, own) = flow?;
        let tuple = |direction| match direction {
            Direction::Original => &connection.original,
            Direction::Reply => &connection.reply,
        };
        match self {
            Self::State | Self::Other => Some(Seen::unknown(TEXT)),
            Self::Direction => Some(Seen::whole(u128::from(own == Direction::Reply), 8)),
            Self::Status => Some(status(connection)),
            Self::Mark => Some(Seen::whole(connection.mark.0.into(), 32)),
            Self::Zone(direction) => Some(Seen::whole(zone(connection, direction), 16)),
            Self::Labels => Some(Seen::whole(connection.labels, 128)),
            // Of the flow that foretold this one.
            Self::Helper => Some(Seen::whole(text_bits(connection.master_helper.as_ref()?), TEXT)),
            Self::L3Proto => Some(Seen::whole(if connection.original.src.is_ipv4() { 2 } else { 10 }, 8)),
            Self::Protocol => Some(Seen::whole(connection.original.protocol.0.into(), 8)),
            Self::Address(direction, end, family) => address(tuple(direction), end, family),
            Self::Port(direction, end) => {
                let port = match end {
                    End::Source => tuple(direction).sport(),
                    End::Destination => tuple(direction).dport(),
                };
                Some(port.map_or(Seen::unknown(16), |port| Seen::whole(port.into(), 16)))
            }
        }
    }
}

impl End {
    fn parse(key: &str) -> Option<Self> {
        match key {
            "saddr" | "proto-src" => Some(Self::Source),
            "daddr" | "proto-dst" => Some(Self::Destination),
            _ => None,
        }
    }
}

/// `NF_CT_STATE_BIT` (`include/uapi/linux/netfilter/nf_conntrack_common.h`).
fn state(tracking: Tracking, info: Option<Info>) -> u128 {
    match (info, tracking) {
        (Some(Info::Established), _) => 2,
        (Some(Info::Related), _) => 4,
        (Some(Info::New), _) => 8,
        (None, Tracking::Untracked) => 64,
        (None, _) => 1,
    }
}

/// `IPS_…` (`enum ip_conntrack_status`).
fn status(connection: &Connection) -> Seen {
    const ASSURED: u128 = 1 << 2;
    let bits = [
        (connection.expected, 1),
        (connection.seen_reply, 1 << 1),
        (connection.assured == Tri::Yes, ASSURED),
        (connection.confirmed, 1 << 3),
        (connection.source.active, 1 << 4),
        (connection.destination.active, 1 << 5),
        (connection.source.done, 1 << 7),
        (connection.destination.done, 1 << 8),
    ];
    let value = bits.into_iter().filter(|(set, _)| *set).fold(0, |all, (_, bit)| all | bit);
    let mut seen = Seen::whole(value, 32);
    if connection.assured == Tri::Maybe {
        seen.known &= !ASSURED;
    }
    seen
}

/// `nf_ct_zone_id`: a zone that does not hold for a direction is 0 there.
fn zone(connection: &Connection, direction: Option<Direction>) -> u128 {
    let zone = connection.zone;
    let holds = match direction {
        None => true,
        Some(Direction::Original) => zone.original,
        Some(Direction::Reply) => zone.reply,
    };
    if holds { zone.id.into() } else { 0 }
}

fn address(tuple: &Tuple, end: End, family: Option<Family>) -> Option<Seen> {
    let address = match end {
        End::Source => tuple.src,
        End::Destination => tuple.dst,
    };
    let own = Family::of(address);
    family.is_none_or(|family| family == own).then(|| Seen::whole(bits(address), width(own)))
}
