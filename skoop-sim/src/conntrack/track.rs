//! The conntrack hook: finds or makes the flow of a packet.

use skoop_model::{Mark, Packet};

use super::protocol::{is_icmp_error, is_never_tracked, is_sane, may_begin};
use super::{Connection, Conntrack, Direction, Info, NatSide, PacketState, Tracking, Tuple};

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

    /// `resolve_normal_ct`.
    fn resolve(&mut self, packet: &Packet, zone: u16, tcp_loose: impl FnOnce() -> bool) -> Tracking {
        let Some(tuple) = Tuple::of(packet).filter(|_| is_sane(packet)) else {
            return Tracking::Invalid;
        };
        if let Some((id, direction)) = self.find(&tuple, zone) {
            return self.join(id, direction);
        }
        if !may_begin(packet, tcp_loose) {
            return Tracking::Invalid;
        }
        self.connections.push(Connection {
            zone,
            original: tuple,
            reply: tuple.inverted(),
            mark: Mark(0),
            confirmed: false,
            seen_reply: false,
            packets: 1,
            source: NatSide::default(),
            destination: NatSide::default(),
        });
        Tracking::Tracked { id: self.connections.len() - 1, info: Info::New, direction: Direction::Original }
    }

    /// A packet of a known flow. Before the first reply even the second packet is NEW.
    fn join(&mut self, id: usize, direction: Direction) -> Tracking {
        let Some(connection) = self.connections.get_mut(id) else {
            return Tracking::Invalid;
        };
        connection.packets += 1;
        connection.seen_reply |= direction == Direction::Reply;
        let info = if connection.seen_reply { Info::Established } else { Info::New };
        Tracking::Tracked { id, info, direction }
    }

    fn find(&self, tuple: &Tuple, zone: u16) -> Option<(usize, Direction)> {
        let confirmed = self.connections.iter().enumerate().rev();
        confirmed.filter(|(_, connection)| connection.confirmed && connection.zone == zone).find_map(
            |(id, connection)| {
                if connection.original == *tuple {
                    Some((id, Direction::Original))
                } else if connection.reply == *tuple {
                    Some((id, Direction::Reply))
                } else {
                    None
                }
            },
        )
    }

    /// The flow that an ICMP error is about (`nf_conntrack_inet_error`). The packet that it cites is not modelled, so the newest flow
    /// with a packet that the receiver of the error may have sent is taken.
    fn related(&self, packet: &Packet, zone: u16) -> Tracking {
        let confirmed = self.connections.iter().enumerate().rev();
        let found = confirmed.filter(|(_, flow)| flow.confirmed && flow.zone == zone).find_map(|(id, flow)| {
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
