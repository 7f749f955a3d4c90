//! NAT of flows: decided once, then applied to every packet of the flow (`net/netfilter/nf_nat_core.c`, nf_nat_proto.c).

use skoop_model::{IfIndex, Packet};

use super::protocol::is_icmp_error;
use super::{Connection, Conntrack, Direction, Info, NatRange, NatSide, PacketState, Tracking, Tuple};
use crate::Forks;
use crate::netfilter::RuleId;

/// Which end of a packet is translated (`enum nf_nat_manip_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manip {
    /// POSTROUTING and INPUT.
    Source,
    /// PREROUTING and OUTPUT.
    Destination,
}

impl Manip {
    fn opposite(self) -> Self {
        match self {
            Self::Source => Self::Destination,
            Self::Destination => Self::Source,
        }
    }
}

impl Conntrack {
    /// Whether NAT of this end was decided (`nf_nat_initialized`).
    pub(crate) fn is_nat_done(&self, id: usize, manip: Manip) -> bool {
        self.connection(id).is_none_or(|connection| connection.side(manip).done)
    }

    /// Whether the nat rules are to be asked for this packet: only for the first packets of a flow, and never for ICMP errors
    /// (`nf_nat_inet_fn`, `nf_nat_ipv4_fn`).
    pub(crate) fn wants_nat(&self, state: &PacketState, packet: &Packet, manip: Manip) -> bool {
        match state.tracking {
            Tracking::Tracked { id, info, .. } => {
                info != Info::Established && !is_icmp_error(packet) && !self.is_nat_done(id, manip)
            }
            _ => false,
        }
    }

    /// Decides NAT of one end (`nf_nat_setup_info`).
    pub(crate) fn set_up_nat(
        &mut self,
        id: usize,
        manip: Manip,
        range: NatRange,
        rule: Option<RuleId>,
        forks: &mut Forks,
    ) {
        let Some(connection) = self.connection(id) else { return };
        if connection.side(manip).done {
            return;
        }
        // "Can't setup nat info for confirmed ct."
        if connection.confirmed {
            if let Some(connection) = self.connection_mut(id) {
                connection.side_mut(manip).done = true;
            }
            return;
        }
        let current = connection.reply.inverted();
        let (new, random_port) = self.unique(id, current, range, manip, forks);
        if let Some(connection) = self.connection_mut(id) {
            *connection.side_mut(manip) =
                NatSide { done: true, active: random_port || new != current, random_port, rule };
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
        if !connection.side(of_direction(manip, direction)).active {
            return false;
        }
        let other = connection.tuple(direction.opposite());
        if info == Info::Related && is_icmp_error(packet) {
            translate_error(packet, manip, &other);
        } else {
            match manip {
                Manip::Source => other.inverted().write_source(packet),
                Manip::Destination => other.inverted().write_destination(packet),
            }
        }
        true
    }

    /// Why NAT drops the packet, if it does: an ICMP redirect about a translated flow is never passed on
    /// (`nf_nat_icmp_reply_translation`), and a flow that was masqueraded for one device dies when it leaves by another
    /// (`nf_nat_oif_changed`).
    pub(crate) fn nat_refuses(
        &mut self,
        state: &PacketState,
        packet: &Packet,
        leaves_by: Option<IfIndex>,
    ) -> Option<&'static str> {
        let Tracking::Tracked { id, info, direction } = state.tracking else { return None };
        let connection = self.connection_mut(id)?;
        if info == Info::Related && is_icmp_error(packet) {
            let redirect = matches!(packet.transport, skoop_model::Transport::Icmp { kind: 5 | 137, .. });
            let translated = connection.source.active || connection.destination.active;
            let undecided = !(connection.source.done && connection.destination.done);
            return (redirect && (translated || undecided)).then_some("an ICMP redirect about a translated flow");
        }
        let masqueraded_for = connection.masqueraded_for.filter(|_| direction == Direction::Original)?;
        if leaves_by.is_some_and(|device| device != masqueraded_for) && connection.confirmed {
            connection.dead = true;
            return Some("the flow was masqueraded for another device");
        }
        None
    }

    /// Remembers the device that a flow's source was masqueraded for.
    pub(crate) fn set_masqueraded_for(&mut self, id: usize, device: IfIndex) {
        if let Some(connection) = self.connection_mut(id) {
            connection.masqueraded_for = Some(device);
        }
    }
}

/// The side of the flow's NAT that decides about this end of a packet in this direction.
pub(crate) fn of_direction(manip: Manip, direction: Direction) -> Manip {
    match direction {
        Direction::Original => manip,
        Direction::Reply => manip.opposite(),
    }
}

/// An ICMP error is translated at its own end, and what it cites at the other one (`nf_nat_icmp_reply_translation`,
/// `nf_nat_icmpv6_reply_translation`). `other` is the tuple of the other direction.
fn translate_error(packet: &mut Packet, manip: Manip, other: &Tuple) {
    let outer = other.inverted();
    match manip {
        Manip::Source => packet.src = outer.src,
        Manip::Destination => packet.dst = outer.dst,
    }
    if let Some(cited) = packet.details.as_mut().and_then(|details| details.cited.as_mut()) {
        match manip {
            Manip::Source => other.write_destination(cited),
            Manip::Destination => other.write_source(cited),
        }
    }
}

impl Connection {
    pub(crate) fn side(&self, manip: Manip) -> &NatSide {
        match manip {
            Manip::Source => &self.source,
            Manip::Destination => &self.destination,
        }
    }

    fn side_mut(&mut self, manip: Manip) -> &mut NatSide {
        match manip {
            Manip::Source => &mut self.source,
            Manip::Destination => &mut self.destination,
        }
    }
}
