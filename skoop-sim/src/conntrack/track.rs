//! The conntrack hook: finds or makes the flow of a packet.

use skoop_model::{Mark, Packet, TcpFlags};

use super::protocol::{is_icmp_error, is_never_tracked, is_sane, may_begin};
use super::tcp::Transition;
use super::{Connection, Conntrack, Direction, Info, NatSide, PacketState, TcpState, Tracking, Tuple};
use crate::Tri;

impl Conntrack {
    /// Finds the flow of a packet or makes one (`nf_conntrack_in`, `net/netfilter/nf_conntrack_core.c`).
    pub(crate) fn track(&mut self, packet: &Packet, state: &mut PacketState, tcp_loose: impl FnOnce() -> bool) {
        if matches!(state.tracking, Tracking::Tracked { .. } | Tracking::Untracked) {
            return;
        }
        state.tracking = if is_never_tracked(packet) {
            Tracking::Untracked
        } else if is_icmp_error(packet) {
            self.related(packet, state.zone)
        } else {
            self.resolve(packet, state.zone, tcp_loose)
        };
    }

    /// Makes the flow of a packet known to later packets (`__nf_conntrack_confirm`).
    pub(crate) fn confirm(&mut self, state: &PacketState) {
        if let Tracking::Tracked { id, .. } = state.tracking
            && let Some(connection) = self.connections.get_mut(id)
        {
            connection.confirmed = true;
        }
    }

    /// `resolve_normal_ct`, then what the protocol says.
    fn resolve(&mut self, packet: &Packet, zone: u16, tcp_loose: impl FnOnce() -> bool) -> Tracking {
        let Some(tuple) = Tuple::of(packet).filter(|_| is_sane(packet)) else {
            return Tracking::Invalid;
        };
        if let Some((id, direction)) = self.find(&tuple, zone) {
            return self.join(id, direction, packet);
        }
        if !may_begin(packet, tcp_loose) {
            return Tracking::Invalid;
        }
        let mut connection = Connection {
            zone,
            original: tuple,
            reply: tuple.inverted(),
            mark: Mark(0),
            confirmed: false,
            dead: false,
            seen_reply: false,
            assured: Tri::No,
            tcp: TcpState::None,
            source: NatSide::default(),
            destination: NatSide::default(),
        };
        if let Some(flags) = packet.tcp_flags() {
            connection.segment(Direction::Original, flags);
        }
        self.connections.push(connection);
        Tracking::Tracked { id: self.connections.len() - 1, info: Info::New, direction: Direction::Original }
    }

    /// A packet of a known flow. Before the first reply even the second packet is NEW.
    fn join(&mut self, id: usize, direction: Direction, packet: &Packet) -> Tracking {
        let Some(connection) = self.connections.get_mut(id) else {
            return Tracking::Invalid;
        };
        let reply = direction == Direction::Reply;
        let info = if reply || connection.seen_reply { Info::Established } else { Info::New };
        match packet.tcp_flags() {
            Some(flags) if !connection.segment(direction, flags) => return Tracking::Invalid,
            // `nf_conntrack_udp_packet`: once both ways were seen, and not before two seconds have passed.
            None if connection.seen_reply => connection.assured = Tri::Maybe,
            _ => {}
        }
        connection.seen_reply |= reply;
        Tracking::Tracked { id, info, direction }
    }

    fn find(&self, tuple: &Tuple, zone: u16) -> Option<(usize, Direction)> {
        self.confirmed(zone).find_map(|(id, connection)| {
            if connection.original == *tuple {
                Some((id, Direction::Original))
            } else if connection.reply == *tuple {
                Some((id, Direction::Reply))
            } else {
                None
            }
        })
    }

    /// Flows that packets of a zone find, the newest first.
    fn confirmed(&self, zone: u16) -> impl Iterator<Item = (usize, &Connection)> {
        let all = self.connections.iter().enumerate().rev();
        all.filter(move |(_, connection)| connection.confirmed && !connection.dead && connection.zone == zone)
    }

    /// The flow that an ICMP error is about (`nf_conntrack_inet_error`). The packet that it cites is not modelled, so the newest flow
    /// with a packet that the receiver of the error may have sent is taken.
    fn related(&self, packet: &Packet, zone: u16) -> Tracking {
        let found = self.confirmed(zone).find_map(|(id, flow)| {
            if flow.reply.dst == packet.dst {
                Some((id, Direction::Reply))
            } else if flow.original.dst == packet.dst {
                Some((id, Direction::Original))
            } else {
                None
            }
        });
        found.map_or(Tracking::Invalid, |(id, direction)| Tracking::Tracked { id, info: Info::Related, direction })
    }
}

impl Connection {
    /// Takes a TCP segment in (`nf_conntrack_tcp_packet`). False if it belongs to no flow.
    fn segment(&mut self, direction: Direction, flags: TcpFlags) -> bool {
        let old = self.tcp;
        let new = match old.step(direction, flags) {
            Transition::Invalid => return false,
            Transition::Ignore => return true,
            Transition::To(state) => state,
        };
        self.tcp = new;
        // A reset instead of the first answer: the flow is over.
        self.dead |= !self.seen_reply && flags.contains(TcpFlags::RST);
        let opened = matches!(old, TcpState::SynReceived | TcpState::Established) && new == TcpState::Established;
        if self.seen_reply && opened {
            self.assured = Tri::Yes;
        }
        true
    }
}
