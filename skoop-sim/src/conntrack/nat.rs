//! NAT of flows: decided once, then applied to every packet of the flow.

use std::net::IpAddr;

use skoop_model::Packet;

use super::{Conntrack, Direction, Info, NatSide, PacketState, Tracking, Tuple};
use crate::netfilter::RuleId;

/// Which end of a packet is translated (`enum nf_nat_manip_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manip {
    /// POSTROUTING and INPUT.
    Source,
    /// PREROUTING and OUTPUT.
    Destination,
}

/// What NAT may choose from (`struct nf_nat_range2`). Of several addresses the caller has chosen one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NatRange {
    /// Address; none leaves it as it is.
    pub address: Option<IpAddr>,
    /// First and last port.
    pub ports: Option<(u16, u16)>,
    /// Port that the first of `ports` stands for (`NF_NAT_RANGE_PROTO_OFFSET`).
    pub base: Option<u16>,
    /// `--random`, `--random-fully`.
    pub random: bool,
}

impl Conntrack {
    /// Whether NAT of this end was decided (`nf_nat_initialized`).
    pub(crate) fn is_nat_done(&self, id: usize, manip: Manip) -> bool {
        self.connection(id).is_none_or(|connection| match manip {
            Manip::Source => connection.source.done,
            Manip::Destination => connection.destination.done,
        })
    }

    /// Decides NAT of one end (`nf_nat_setup_info`, `net/netfilter/nf_nat_core.c`).
    pub(crate) fn set_up_nat(&mut self, id: usize, manip: Manip, range: NatRange, rule: Option<RuleId>) {
        let Some(current) = self.connection(id).map(|connection| connection.reply.inverted()) else {
            return;
        };
        let (new, random_port) = match manip {
            Manip::Source => self.unique_source(id, current, range),
            Manip::Destination => self.unique_destination(id, current, range),
        };
        if let Some(connection) = self.connection_mut(id) {
            let side = NatSide { done: true, active: new != current, random_port, rule };
            match manip {
                Manip::Source => connection.source = side,
                Manip::Destination => connection.destination = side,
            }
            connection.reply = new.inverted();
        }
    }

    /// Translates one end of a packet as its flow demands (`nf_nat_packet`). True if there was something to translate.
    pub(crate) fn translate(&self, state: &PacketState, manip: Manip, packet: &mut Packet) -> bool {
        let Tracking::Tracked { id, info, direction } = state.tracking else {
            return false;
        };
        let Some(connection) = self.connection(id) else {
            return false;
        };
        let (side, other) = match direction {
            Direction::Original => (manip, connection.reply),
            Direction::Reply => (manip.opposite(), connection.original),
        };
        let active = match side {
            Manip::Source => connection.source.active,
            Manip::Destination => connection.destination.active,
        };
        if !active {
            return false;
        }
        let target = other.inverted();
        match (info, manip) {
            // The header that an ICMP error cites is translated too; it is not modelled (`nf_nat_icmp_reply_translation`).
            (Info::Related, Manip::Source) => packet.src = target.src,
            (Info::Related, Manip::Destination) => packet.dst = target.dst,
            (_, Manip::Source) => target.write_source(packet),
            (_, Manip::Destination) => target.write_destination(packet),
        }
        true
    }

    /// `get_unique_tuple` for a source: ports stay unless the range, chance or a clash says otherwise.
    fn unique_source(&self, id: usize, current: Tuple, range: NatRange) -> (Tuple, bool) {
        let mut new = current;
        new.src = range.address.unwrap_or(current.src);
        let Some(port) = current.sport() else {
            return (new, false);
        };
        let mut random = range.random;
        if let Some((first, last)) = range.ports
            && (range.random || !(first..=last).contains(&port))
        {
            new.set_sport(first);
            random |= first != last;
        }
        let (first, last) = range.ports.unwrap_or((1024, u16::MAX));
        random |= self.step_to_unused(id, &mut new, (first, last), Tuple::set_sport);
        (new, random)
    }

    /// `get_unique_tuple` for a destination: its port changes only if a range was given.
    fn unique_destination(&self, id: usize, current: Tuple, range: NatRange) -> (Tuple, bool) {
        let mut new = current;
        new.dst = range.address.unwrap_or(current.dst);
        if let (Some((first, last)), Some(port)) = (range.ports, current.dport())
            && (range.random || range.base.is_some() || !(first..=last).contains(&port))
        {
            let size = u32::from(last.saturating_sub(first)) + 1;
            let offset = range.base.map_or(0, |base| u32::from(port.wrapping_sub(base)) % size);
            new.set_dport(u16::try_from(u32::from(first) + offset).unwrap_or(last));
            self.step_to_unused(id, &mut new, (first, last), Tuple::set_dport);
            return (new, range.random && first != last);
        }
        (new, false)
    }

    /// Takes the next port of the range while the reply's tuple belongs to another flow. True if the port changed.
    fn step_to_unused(
        &self,
        id: usize,
        new: &mut Tuple,
        (first, last): (u16, u16),
        set: impl Fn(&mut Tuple, u16),
    ) -> bool {
        if !self.is_used(id, new) {
            return false;
        }
        for port in (first..=last).take(self.connections.len() + 1) {
            set(new, port);
            if !self.is_used(id, new) {
                break;
            }
        }
        true
    }

    /// Whether the flow of a packet could keep its source without being taken for another flow.
    pub(crate) fn may_keep_source(&self, state: &PacketState) -> bool {
        match state.tracking {
            Tracking::Tracked { id, .. } => {
                self.connection(id).is_none_or(|connection| !self.is_used(id, &connection.reply.inverted()))
            }
            _ => true,
        }
    }

    /// `nf_nat_used_tuple`: whether the answer to `tuple` would be taken for one of another flow.
    fn is_used(&self, id: usize, tuple: &Tuple) -> bool {
        let reply = tuple.inverted();
        let mut others = self.connections.iter().enumerate().filter(|(other, flow)| *other != id && flow.confirmed);
        others.any(|(_, flow)| flow.original == reply || flow.reply == reply)
    }
}

impl Manip {
    fn opposite(self) -> Self {
        match self {
            Self::Source => Self::Destination,
            Self::Destination => Self::Source,
        }
    }
}
