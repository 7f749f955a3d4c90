//! The conntrack hook: finds or makes the flow of a packet (`nf_conntrack_in`, `net/netfilter/nf_conntrack_core.c`).

use skoop_model::{Packet, Protocol, SctpChunk, TcpFlags, Unseen};

use super::protocol::{is_icmp_error, is_never_tracked, is_sane, may_begin};
use super::sctp::SctpState;
use super::tcp::{Segment, Tcp, TcpState};
use super::tuple::{TupleKey, Zone};
use super::{Assumed, Connection, Conntrack, Direction, Info, PacketState, Template, Tracking, Tuple, known};
use crate::netfilter::NetfilterEnv;
use crate::{Forks, Tri};

/// What the conntrack hook does with a packet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tracked {
    /// It goes on.
    Passed,
    /// It belongs to a flow that only the snapshot's table knew until now: the entry.
    Known(String),
    /// It is dropped, for this reason.
    Dropped(&'static str),
}

/// How a packet of a known flow fares.
enum Joined {
    As(Tracking),
    /// The flow is over; the packet begins another one (`NF_REPEAT`).
    Anew,
}

impl Conntrack {
    /// Finds the flow of a packet or makes one.
    pub(crate) fn track(
        &mut self,
        packet: &Packet,
        state: &mut PacketState,
        env: &dyn NetfilterEnv,
        forks: &mut Forks,
    ) -> Tracked {
        if matches!(state.tracking, Tracking::Tracked { .. } | Tracking::Untracked) {
            return Tracked::Passed;
        }
        // Untouched by any rule it is the usual case: nothing to take, nothing to free.
        let template = state.template.take().unwrap_or_default();
        let mut zone = template.zone;
        if template.zone_of_mark {
            zone.id = u16::try_from(packet.mark.0 & 0xffff).unwrap_or(0);
        }
        let before = self.flows.len();
        state.tracking = if state.assumed == Some(Assumed::Invalid) {
            Tracking::Invalid
        } else if is_never_tracked(packet) {
            Tracking::Untracked
        } else if is_icmp_error(packet) {
            self.related(packet, zone, state.assumed, forks)
        } else {
            match self.resolve(packet, zone, &template, state.assumed, env, forks) {
                Ok(tracking) => tracking,
                Err(reason) => return Tracked::Dropped(reason),
            }
        };
        let known = self.flows.len() > before;
        if state.untraced || !known {
            return Tracked::Passed;
        }
        self.entry_text(state).map_or(Tracked::Passed, Tracked::Known)
    }

    /// Makes the flow of a packet known to later packets (`__nf_conntrack_confirm`). An error if another flow would get its
    /// answers: the packet is dropped (`nf_ct_resolve_clash`). An answer to the first packet of a flow, which was rejected, makes it
    /// not known.
    pub(crate) fn confirm(&mut self, state: &PacketState) -> Result<(), String> {
        let Tracking::Tracked { id, direction: Direction::Original, .. } = state.tracking else { return Ok(()) };
        let Some(connection) = self.connection(id).filter(|connection| !connection.confirmed) else { return Ok(()) };
        if let Some(other) = self.clash(id, &connection.reply, connection.original) {
            let entry = match other {
                Ok(other) => self.connection(other).and_then(|other| self.text_of(other)),
                Err(place) => self.known().and_then(|known| known.entry(place)).map(known::text),
            };
            let entry = entry.map(|entry| format!(": {entry}")).unwrap_or_default();
            return Err(format!("another flow gets the same answers{entry}"));
        }
        if let Some(connection) = self.connection_mut(id) {
            connection.confirmed = true;
        }
        self.flows.file(id);
        Ok(())
    }

    /// `resolve_normal_ct`, then what the protocol says.
    fn resolve(
        &mut self,
        packet: &Packet,
        zone: Zone,
        template: &Template,
        assumed: Option<Assumed>,
        env: &dyn NetfilterEnv,
        forks: &mut Forks,
    ) -> Result<Tracking, &'static str> {
        let Some(tuple) = Tuple::of(packet).filter(|_| is_sane(packet)) else {
            return Ok(Tracking::Invalid);
        };
        if let Some((id, direction)) = self.find(&tuple, zone) {
            match self.join(id, direction, packet, forks) {
                Joined::As(tracking) => return Ok(tracking),
                Joined::Anew => self.kill(id),
            }
        }
        match assumed {
            Some(Assumed::Established | Assumed::Related) => return Ok(self.assume(packet, tuple, zone, assumed)),
            Some(Assumed::New) => {}
            _ if !may_begin(packet, || env.sysctl("net/netfilter/nf_conntrack_tcp_loose") != Some(0)) => {
                return Ok(Tracking::Invalid);
            }
            _ => {}
        }
        self.begin(packet, tuple, zone, template, forks)
    }

    /// `init_conntrack`.
    fn begin(
        &mut self,
        packet: &Packet,
        tuple: Tuple,
        zone: Zone,
        template: &Template,
        forks: &mut Forks,
    ) -> Result<Tracking, &'static str> {
        if self.known().is_some_and(|known| known.full) && !self.has_room(forks) {
            return Err("the connection table is full");
        }
        let mut connection = Connection { helper: template.helper.clone(), ..Connection::new(tuple, zone) };
        let master = self.expecting(&tuple, forks);
        connection.expected = master.is_some();
        connection.master_helper = master;
        if !connection.begin(packet) {
            return Ok(Tracking::Invalid);
        }
        let info = if connection.expected { Info::Related } else { Info::New };
        let id = self.flows.push(connection);
        Ok(Tracking::Tracked { id, info, direction: Direction::Original })
    }

    /// Whether an unused entry can be dropped early to make room (`early_drop`).
    fn has_room(&self, forks: &mut Forks) -> bool {
        let what = format!("whether the connection table takes another flow{}", self.on_place());
        let why = "it is full, and whether an entry without answers can be dropped for the new one is up to a hash"
            .to_owned();
        forks.unknown(Unseen { what, why, matters: true })
    }

    /// The helper of a flow between the same hosts that may have foretold this one (`nf_ct_find_expectation`).
    fn expecting(&self, tuple: &Tuple, forks: &mut Forks) -> Option<std::sync::Arc<str>> {
        let known = self.known()?;
        let between = |other: Tuple| {
            let same = [(other.src, other.dst), (other.dst, other.src)];
            same.contains(&(tuple.src, tuple.dst))
        };
        let entries = known.helped.iter().filter_map(|place| known.entry(*place));
        let mut masters = entries.filter(|entry| between(known::original(entry)) || between(known::reply(entry)));
        let master = masters.next()?;
        let helper = master.helper.as_deref()?;
        let what =
            format!("whether helper {helper} of a flow between the same hosts expects this one{}", self.on_place());
        let why = format!("expectations are not collected; the flow is {}", known::text(master));
        forks.unknown(Unseen { what, why, matters: true }).then(|| helper.into())
    }

    /// A flow of which the caller says that packets went both ways, or that another one foretold it.
    fn assume(&mut self, packet: &Packet, tuple: Tuple, zone: Zone, assumed: Option<Assumed>) -> Tracking {
        if assumed == Some(Assumed::Related) {
            let connection = Connection { expected: true, assumed: true, ..Connection::new(tuple, zone) };
            let id = self.flows.push(connection);
            return Tracking::Tracked { id, info: Info::Related, direction: Direction::Original };
        }
        let answers = match tuple.key {
            TupleKey::Icmp { kind, .. } => !super::tuple::icmp_may_begin(packet.protocol, kind),
            _ => packet.tcp_flags().is_some_and(|flags| flags.contains(TcpFlags::SYN_ACK)),
        };
        let (original, direction) =
            if answers { (tuple.inverted(), Direction::Reply) } else { (tuple, Direction::Original) };
        let mut connection = Connection {
            confirmed: true,
            seen_reply: true,
            assured: Tri::Maybe,
            assumed: true,
            tcp: Tcp::known(TcpState::Established),
            sctp: SctpState::from_name("ESTABLISHED"),
            ..Connection::new(original, zone)
        };
        (connection.source.done, connection.destination.done) = (true, true);
        let id = self.flows.push(connection);
        Tracking::Tracked { id, info: Info::Established, direction }
    }

    /// A packet of a known flow. Before the first reply even the second packet is NEW.
    fn join(&mut self, id: usize, direction: Direction, packet: &Packet, forks: &mut Forks) -> Joined {
        let on_place = self.on_place();
        let Some(connection) = self.connection_mut(id) else {
            return Joined::As(Tracking::Invalid);
        };
        let reply = direction == Direction::Reply;
        let info = match (reply || connection.seen_reply, connection.expected) {
            (true, _) => Info::Established,
            (false, true) => Info::Related,
            (false, false) => Info::New,
        };
        match connection.packet(direction, packet) {
            Segment::Invalid => return Joined::As(Tracking::Invalid),
            Segment::Reopens => return Joined::Anew,
            Segment::MayReopen => {
                let what = format!("whether a closed flow is opened anew{on_place}");
                let why = "the dump does not tell which side reset it".to_owned();
                if forks.unknown(Unseen { what, why, matters: true }) {
                    return Joined::Anew;
                }
                connection.tcp.ignore_syn(direction);
            }
            Segment::Taken { .. } | Segment::Ignored => {}
        }
        connection.seen_reply |= reply;
        Joined::As(Tracking::Tracked { id, info, direction })
    }

    fn kill(&mut self, id: usize) {
        if let Some(connection) = self.connection_mut(id) {
            connection.dead = true;
        }
    }

    /// The flow with this tuple, looked for in the zone that it has for its direction (`__nf_conntrack_find_get`). An entry of the
    /// snapshot becomes a flow of the walk.
    fn find(&mut self, tuple: &Tuple, zone: Zone) -> Option<(usize, Direction)> {
        let walked = self.flows.with_tuple(tuple).find(|(id, direction)| {
            self.connection(*id).is_some_and(|flow| !flow.dead && flow.zone.of(*direction) == zone.of(*direction))
        });
        if walked.is_some() {
            return walked;
        }
        let known = self.known()?;
        let (place, direction) = known.with_tuple(tuple).find(|(place, direction)| {
            self.flows.of_entry(*place).is_none()
                && known.entry(*place).is_some_and(|entry| entry.zone == zone.of(*direction))
        })?;
        let connection = known::connection(place, known.entry(place)?);
        Some((self.flows.push(connection), direction))
    }

    /// The flow that an ICMP error is about (`nf_conntrack_inet_error`): that of the packet which it cites, if the error goes to
    /// where that came from.
    fn related(&mut self, packet: &Packet, zone: Zone, assumed: Option<Assumed>, forks: &mut Forks) -> Tracking {
        let cited = packet.details.as_ref().and_then(|details| details.cited.as_ref());
        let found = match cited {
            Some(cited) => Tuple::of(cited).and_then(|tuple| {
                let (id, direction) = self.find(&tuple.inverted(), zone)?;
                let goes_there = self.connection(id)?.tuple(direction).dst == packet.dst;
                goes_there.then_some((id, direction))
            }),
            None => self.guessed(packet, zone, forks),
        };
        match found {
            Some((id, direction)) => Tracking::Tracked { id, info: Info::Related, direction },
            None if assumed == Some(Assumed::Related) => {
                let tuple =
                    Tuple { src: packet.dst, dst: packet.src, protocol: packet.protocol, key: TupleKey::Nothing };
                let mut connection = Connection { assumed: true, confirmed: true, ..Connection::new(tuple, zone) };
                (connection.source.done, connection.destination.done) = (true, true);
                let id = self.flows.push(connection);
                Tracking::Tracked { id, info: Info::Related, direction: Direction::Reply }
            }
            None => Tracking::Invalid,
        }
    }

    /// Which flow an error is about that cites nothing known: perhaps the newest one of the walk whose sender it goes to.
    fn guessed(&self, packet: &Packet, zone: Zone, forks: &mut Forks) -> Option<(usize, Direction)> {
        let fits = |(id, flow): (usize, &Connection)| {
            let sides = [Direction::Reply, Direction::Original];
            let goes = |direction: &Direction| {
                flow.tuple(*direction).dst == packet.dst && flow.zone.of(*direction) == zone.of(*direction)
            };
            let direction = sides.into_iter().find(goes).filter(|_| flow.confirmed && !flow.dead)?;
            Some((id, direction))
        };
        let found = self.flows.newest().find_map(fits)?;
        let what =
            format!("whether the ICMP error to {} is about the flow walked before{}", packet.dst, self.on_place());
        let why = "the packet that it cites is not known".to_owned();
        forks.unknown(Unseen { what, why, matters: true }).then_some(found)
    }
}

impl Connection {
    /// The first packet; false if it may not begin a flow.
    fn begin(&mut self, packet: &Packet) -> bool {
        if let Some(flags) = packet.tcp_flags() {
            self.tcp.take(Direction::Original, flags);
        } else if packet.protocol == Protocol::SCTP {
            match chunks(packet) {
                Some(chunks) => return self.sctp.take(Direction::Original, chunks, true).is_some(),
                None => self.sctp.take_unknown(Direction::Original, true),
            }
        }
        true
    }

    /// A later packet (`nf_conntrack_handle_packet`).
    fn packet(&mut self, direction: Direction, packet: &Packet) -> Segment {
        const GRE: Protocol = Protocol(47);
        const UDP_LITE: Protocol = Protocol(136);
        if let Some(flags) = packet.tcp_flags() {
            return self.segment(direction, flags);
        }
        match packet.protocol {
            // Both ways were seen, and not before two seconds have passed (`nf_conntrack_udp_packet`).
            Protocol::UDP | UDP_LITE if self.seen_reply => self.assured = self.assured.or(Tri::Maybe),
            GRE if self.seen_reply => self.assured = Tri::Yes,
            Protocol::SCTP => {
                let assured = if let Some(chunks) = chunks(packet) {
                    self.sctp.take(direction, chunks, false).map(Tri::from)
                } else {
                    self.sctp.take_unknown(direction, false);
                    Some(Tri::Maybe)
                };
                let Some(assured) = assured else { return Segment::Invalid };
                self.assured = self.assured.or(assured);
            }
            _ => {}
        }
        Segment::Ignored
    }

    /// Takes a TCP segment in (`nf_conntrack_tcp_packet`).
    fn segment(&mut self, direction: Direction, flags: TcpFlags) -> Segment {
        let segment = self.tcp.take(direction, flags);
        if let Segment::Taken { old, new } = segment {
            // A reset instead of the first answer: the flow is over.
            self.dead |= !self.seen_reply && flags.contains(TcpFlags::RST);
            let opened = matches!(old, TcpState::SynReceived | TcpState::Established) && new == TcpState::Established;
            if self.seen_reply && opened {
                self.assured = Tri::Yes;
            }
        }
        segment
    }
}

/// The chunks of an SCTP packet, where they are known.
fn chunks(packet: &Packet) -> Option<&[SctpChunk]> {
    packet.details.as_ref()?.sctp_chunks.as_deref()
}
