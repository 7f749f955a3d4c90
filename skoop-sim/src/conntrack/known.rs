//! The connection table of a snapshot: found by hash, and shared by all walks.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use skoop_model::{ConntrackEntry, ConntrackStatus, ConntrackTable, Protocol};

use super::sctp::SctpState;
use super::tcp::{Tcp, TcpState};
use super::tuple::Zone;
use super::{Connection, Direction, NatSide, Tuple};
use crate::Tri;

/// End of a chain of entries with one hash key.
const END: u32 = u32::MAX;

/// What a source is found by (`hash_by_src`, `net/netfilter/nf_nat_core.c`).
pub(super) type Source = (Protocol, IpAddr, Option<u16>);

/// Entries of a snapshot.
#[derive(Debug, Default)]
pub(super) struct Known {
    entries: Vec<ConntrackEntry>,
    /// Newest entry of each tuple, as twice its place plus one for the reply's tuple.
    by_tuple: HashMap<Tuple, u32>,
    /// The one before it, by that number.
    next: Vec<u32>,
    by_source: HashMap<Source, u32>,
    next_source: Vec<u32>,
    /// Entries with a helper, which may expect other flows.
    pub helped: Vec<u32>,
    /// The table holds no more.
    pub full: bool,
}

impl Known {
    pub(super) fn new(table: &ConntrackTable) -> Self {
        let mut known = Self {
            by_tuple: HashMap::with_capacity(table.entries.len() * 2),
            next: Vec::with_capacity(table.entries.len() * 2),
            full: table.count.zip(table.max).is_some_and(|(count, max)| max > 0 && count >= max),
            ..Self::default()
        };
        let alive = table.entries.iter().filter(|entry| !entry.status.contains(ConntrackStatus::DYING));
        for (place, entry) in (0_u32..END / 2).zip(alive) {
            for (side, tuple) in [original(entry), reply(entry)].into_iter().enumerate() {
                let number = place * 2 + u32::from(side == 1);
                known.next.push(known.by_tuple.insert(tuple, number).unwrap_or(END));
            }
            let source = source(&original(entry));
            known.next_source.push(known.by_source.insert(source, place).unwrap_or(END));
            if entry.helper.is_some() {
                known.helped.push(place);
            }
            known.entries.push(entry.clone());
        }
        known
    }

    pub(super) fn entry(&self, place: u32) -> Option<&ConntrackEntry> {
        self.entries.get(usize::try_from(place).ok()?)
    }

    /// Entries with this tuple, with the direction that has it.
    pub(super) fn with_tuple(&self, tuple: &Tuple) -> impl Iterator<Item = (u32, Direction)> {
        let first = self.by_tuple.get(tuple).copied();
        std::iter::successors(first, |number| self.next.get(usize::try_from(*number).ok()?).copied())
            .take_while(|number| *number != END)
            .map(|number| (number / 2, if number % 2 == 0 { Direction::Original } else { Direction::Reply }))
    }

    /// Entries whose original packets have this source.
    pub(super) fn with_source(&self, source: &Source) -> impl Iterator<Item = u32> {
        let first = self.by_source.get(source).copied();
        std::iter::successors(first, |place| self.next_source.get(usize::try_from(*place).ok()?).copied())
            .take_while(|place| *place != END)
    }
}

/// The key of [`Known::with_source`].
pub(super) fn source(original: &Tuple) -> Source {
    (original.protocol, original.src, original.sport())
}

pub(super) fn original(entry: &ConntrackEntry) -> Tuple {
    Tuple::of_entry(entry.protocol, &entry.original)
}

pub(super) fn reply(entry: &ConntrackEntry) -> Tuple {
    Tuple::of_entry(entry.protocol, &entry.reply)
}

/// The flow that an entry tells of. NAT is what the two tuples say, since not every dump has the bits for it.
pub(super) fn connection(place: u32, entry: &ConntrackEntry) -> Connection {
    let (original, reply) = (original(entry), reply(entry));
    let wanted = reply.inverted();
    let has = |bit| entry.status.contains(bit);
    let source_changed = (wanted.src, wanted.sport()) != (original.src, original.sport());
    let destination_changed = (wanted.dst, wanted.dport()) != (original.dst, original.dport());
    let side = |active| NatSide { done: true, active, ..NatSide::default() };
    let state = TcpState::from_name(entry.state.as_deref().unwrap_or_default());
    Connection {
        zone: Zone { id: entry.zone, ..Zone::default() },
        original,
        reply,
        mark: entry.mark,
        labels: entry.labels,
        confirmed: true,
        seen_reply: has(ConntrackStatus::SEEN_REPLY),
        assured: Tri::from(has(ConntrackStatus::ASSURED)),
        expected: has(ConntrackStatus::EXPECTED),
        tcp: Tcp::known(state),
        sctp: SctpState::from_name(entry.state.as_deref().unwrap_or_default()),
        source: side(source_changed || has(ConntrackStatus::SRC_NAT)),
        destination: side(destination_changed || has(ConntrackStatus::DST_NAT)),
        helper: entry.helper.as_deref().map(Arc::from),
        entry: Some(place),
        ..Connection::new(original, Zone::default())
    }
}

/// The entry as `conntrack -L` prints it.
pub(super) fn text(entry: &ConntrackEntry) -> String {
    use std::fmt::Write as _;
    let name = entry.protocol.to_string();
    let mut text = format!("{name:<8} {} ", entry.protocol.0);
    // Writing to a string never fails.
    let _ = entry.timeout_s.map(|seconds| write!(text, "{seconds} "));
    let _ = entry.state.as_deref().map(|state| write!(text, "{state} "));
    let tuple = |tuple: &Tuple| {
        let addresses = format!("src={} dst={} ", tuple.src, tuple.dst);
        match tuple.key {
            super::tuple::TupleKey::Ports(sport, dport) => format!("{addresses}sport={sport} dport={dport} "),
            super::tuple::TupleKey::Icmp { id, kind, code } => format!("{addresses}type={kind} code={code} id={id} "),
            super::tuple::TupleKey::Nothing => addresses,
        }
    };
    text += &tuple(&original(entry));
    if !entry.status.contains(ConntrackStatus::SEEN_REPLY) {
        text += "[UNREPLIED] ";
    }
    text += &tuple(&reply(entry));
    if entry.status.contains(ConntrackStatus::ASSURED) {
        text += "[ASSURED] ";
    }
    let _ = write!(text, "mark={}", entry.mark.0);
    if entry.zone != 0 {
        let _ = write!(text, " zone={}", entry.zone);
    }
    let _ = entry.helper.as_deref().map(|helper| write!(text, " helper={helper}"));
    text
}
