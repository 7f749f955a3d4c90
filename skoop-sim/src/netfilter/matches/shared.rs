//! What several matches need.

use skoop_model::{Fragment, Packet};

use crate::Tri;
use crate::conntrack::Tracking;
use crate::netfilter::args::number;
use crate::netfilter::run::Run;

/// How a packet is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pieces {
    /// It is whole, or was put together before connection tracking (`nf_defrag_ipv4.c`, `nf_defrag_ipv6_hooks.c`).
    Whole,
    /// It is this fragment.
    One(Fragment),
    /// It travels in fragments, of which rules see each one, or all together.
    Several,
}

/// How the packet is cut where it meets the rule.
pub(super) fn pieces(run: &Run<'_>) -> Pieces {
    let packet = &*run.packet;
    match packet.details.as_ref().and_then(|details| details.fragment) {
        Some(fragment) => Pieces::One(fragment),
        None if packet.fragment_bytes.is_some() && run.state.tracking == Tracking::Unseen => Pieces::Several,
        None => Pieces::Whole,
    }
}

/// `FIRST[:LAST]` of numbers; a missing end is the end of all.
pub(super) fn range(text: &str) -> Option<(u32, u32)> {
    let (first, last) = match text.split_once(':') {
        None => (number(text)?, number(text)?),
        Some((first, last)) => {
            (if first.is_empty() { 0 } else { number(first)? }, if last.is_empty() { u32::MAX } else { number(last)? })
        }
    };
    Some((first, last))
}

/// Whether something lies in a range, inverted or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Within {
    pub first: u32,
    pub last: u32,
    pub negated: bool,
}

impl Within {
    /// Any number.
    pub(super) const ANY: Self = Self { first: 0, last: u32::MAX, negated: false };

    pub(super) fn parse(text: &str, negated: bool) -> Option<Self> {
        range(text).map(|(first, last)| Self { first, last, negated })
    }

    pub(super) fn holds(self, number: u32) -> bool {
        (self.first..=self.last).contains(&number) != self.negated
    }

    /// The same of a number that may not be known. Any number fits a range of all.
    pub(super) fn of(self, number: Option<u32>) -> Tri {
        match number {
            Some(number) => self.holds(number).into(),
            None if self.first == 0 && self.last == u32::MAX => Tri::from(!self.negated),
            None => Tri::Maybe,
        }
    }
}

/// What the headers of the packet say of an IPv6 extension header.
#[derive(Debug)]
pub(super) enum Header<'p> {
    /// There is none.
    Absent,
    /// Its bytes, and the number of the header behind it.
    Known(&'p [u8], u8),
    /// It is there; what it holds is not known.
    Opaque,
}

/// The first extension header of a kind (`ipv6_find_hdr`, `net/ipv6/exthdrs_core.c`).
pub(super) fn extension(packet: &Packet, kind: u8) -> Header<'_> {
    let headers = packet.details.as_ref().map_or(&[][..], |details| &details.extensions);
    let Some(place) = headers.iter().position(|header| header.protocol.0 == kind) else {
        return if packet.protocol.0 == kind { Header::Opaque } else { Header::Absent };
    };
    let fragmented = packet.details.as_ref().is_some_and(|details| details.fragment.is_some());
    let behind = if fragmented { 44 } else { packet.protocol.0 };
    let next = headers.get(place + 1).map_or(behind, |header| header.protocol.0);
    headers.get(place).map_or(Header::Absent, |header| Header::Known(&header.bytes.0, next))
}

/// Length of an extension header by its own length field (`ipv6_optlen`), if its bytes are all there.
pub(super) fn extension_length(bytes: &[u8]) -> Option<usize> {
    let length = (usize::from(*bytes.get(1)?) + 1) * 8;
    (bytes.len() >= length).then_some(length)
}
