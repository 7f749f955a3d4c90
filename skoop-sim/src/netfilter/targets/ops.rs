//! What targets of iptables and statements of nftables do to a packet and its flow. Both kinds of rules call these.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use skoop_model::{Family, IfIndex, Mark, Packet, Port, Protocol, RouteKind, TcpFlags, Transport};

use super::Effect;
use crate::Tri;
use crate::conntrack::{Direction, Info, Manip, NatRange, Template, Tracked, Tracking, Zone, of_direction};
use crate::netfilter::Hook;
use crate::netfilter::common::{Net, PacketKey, bits};
use crate::netfilter::event::Event;
use crate::netfilter::result::{NfEventKind, NfVerdict, RejectWith, RuleRef, RuleSource};
use crate::netfilter::run::{RuleDoubt, Run};
use crate::netfilter::table::RuleId;

/// How the nat rules are to be run for a packet at a hook, by [`Run::nat_turn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NatTurn {
    /// Not at all: the packet has no flow.
    Leave,
    /// The rules decide, chain by chain until [`Run::nat_decided`]; then [`Run::nat_finish`].
    Rules,
    /// It was decided before: [`Run::nat_finish`] only.
    Translate,
}

/// Directions that a zone holds for (`--zone`, `--zone-orig`, `--zone-reply`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ZoneSide {
    Both,
    Original,
    Reply,
}

/// Packet marks, headers.
impl Run<'_> {
    /// Sets the mark of the packet.
    pub(crate) fn set_mark(&mut self, mark: Mark, rule: RuleId) {
        if mark != self.packet.mark {
            self.event(NfEventKind::Mark, rule, |packet| packet.mark = mark);
        }
    }

    /// Sets the TOS byte of the packet.
    pub(crate) fn set_tos(&mut self, tos: u8, rule: RuleId) {
        if tos != self.packet.tos {
            self.event(NfEventKind::Header, rule, |packet| packet.tos = tos);
        }
    }

    /// Sets TTL or hop limit.
    pub(crate) fn set_ttl(&mut self, ttl: u8, rule: RuleId) {
        if ttl != self.packet.ttl {
            self.event(NfEventKind::Header, rule, |packet| packet.ttl = ttl);
        }
    }

    /// Sets the TCP flags; without effect on other protocols.
    pub(crate) fn set_tcp_flags(&mut self, flags: TcpFlags, rule: RuleId) {
        if self.packet.tcp_flags().is_some_and(|old| old != flags) {
            self.event(NfEventKind::Header, rule, |packet| {
                if let Transport::Tcp { flags: own, .. } = &mut packet.transport {
                    *own = flags;
                }
            });
        }
    }

    /// Gives the packet other addresses or ports without NAT (nftables `ip daddr set`, SNPT, DNPT).
    pub(crate) fn rewrite(&mut self, rule: RuleId, change: impl FnOnce(&mut Packet)) {
        self.event(NfEventKind::Header, rule, change);
        self.key = PacketKey::of(self.packet);
    }
}

/// Connection tracking.
impl Run<'_> {
    /// The conntrack hook.
    pub(crate) fn track(&mut self) {
        match self.conntrack.track(self.packet, self.state, self.env, self.forks) {
            Tracked::Passed => {}
            Tracked::Dropped(reason) => self.block_by_conntrack(reason),
            Tracked::Known(entry) => {
                let (before, after) = (self.packet.clone(), self.packet.clone());
                let kind = NfEventKind::KnownFlow;
                self.events.push(Event { kind, rule: None, entry: Some(entry), before, after });
            }
        }
    }

    /// The last thing at INPUT and POSTROUTING: the flow gets known to later packets.
    pub(crate) fn confirm(&mut self) {
        if let Err(reason) = self.conntrack.confirm(self.state) {
            self.block_by_conntrack(&reason);
        }
    }

    /// Sets the mark of the packet's flow.
    pub(crate) fn set_connection_mark(&mut self, mark: Mark, rule: RuleId) {
        if let Tracking::Tracked { id, .. } = self.state.tracking
            && let Some(connection) = self.conntrack.connection_mut(id)
            && connection.mark != mark
        {
            connection.mark = mark;
            self.event(NfEventKind::ConnectionMark(mark), rule, |_| {});
        }
    }

    /// Sets some labels of the packet's flow, bit 0 first (`nf_connlabels_replace`).
    pub(crate) fn add_connection_labels(&mut self, labels: u128) {
        if let Tracking::Tracked { id, .. } = self.state.tracking
            && let Some(connection) = self.conntrack.connection_mut(id)
        {
            connection.labels |= labels;
        }
    }

    /// Exempts the packet from tracking, unless its flow or how to track it is known already.
    pub(crate) fn notrack(&mut self, rule: RuleId) {
        if self.is_unseen() {
            self.state.tracking = Tracking::Untracked;
            self.event(NfEventKind::NoTrack, rule, |_| {});
        }
    }

    /// Says how the packet is to be tracked; what an earlier rule said stays ("Previously seen? Ignore.", `net/netfilter/xt_CT.c`,
    /// net/netfilter/nft_ct.c).
    pub(crate) fn set_template(&mut self, zone: Zone, zone_of_mark: bool, helper: Option<&Arc<str>>) {
        if self.is_unseen() {
            self.state.template = Some(Template { zone, zone_of_mark, helper: helper.cloned() });
        }
    }

    /// "skb->_nfct == 0": tracking may also have looked and found it invalid, before it was looped back.
    fn is_unseen(&self) -> bool {
        let untold = self.state.template.is_none() && !self.state.claimed;
        untold && matches!(self.state.tracking, Tracking::Unseen | Tracking::Invalid)
    }

    /// Has the packet tracked in a zone.
    pub(crate) fn set_zone(&mut self, id: u16, side: ZoneSide) {
        self.set_template(side.zone(id), false, None);
    }

    /// Gives a flow that begins with this packet a helper (nftables `ct helper set`), which works only on a flow that is not
    /// confirmed yet.
    pub(crate) fn set_helper(&mut self, helper: &Arc<str>) {
        if let Tracking::Tracked { id, .. } = self.state.tracking
            && let Some(connection) = self.conntrack.connection_mut(id)
            && !connection.confirmed
        {
            connection.helper = Some(Arc::clone(helper));
        }
    }
}

impl ZoneSide {
    /// The zone `id` for these directions.
    pub(crate) fn zone(self, id: u16) -> Zone {
        Zone { id, original: self != Self::Reply, reply: self != Self::Original }
    }
}

/// NAT.
impl Run<'_> {
    /// What the nat rules of this hook have to do for the packet (`nf_nat_inet_fn`).
    pub(crate) fn nat_turn(&self, manip: Manip) -> NatTurn {
        match self.state.tracking {
            Tracking::Tracked { .. } if self.conntrack.wants_nat(self.state, self.packet, manip) => NatTurn::Rules,
            Tracking::Tracked { .. } => NatTurn::Translate,
            _ => NatTurn::Leave,
        }
    }

    /// Whether a rule has decided, so that no other chain is asked.
    pub(crate) fn nat_decided(&self, manip: Manip) -> bool {
        match self.state.tracking {
            Tracking::Tracked { id, .. } => self.conntrack.is_nat_done(id, manip),
            _ => true,
        }
    }

    /// After the nat chains of a hook: "no change" where no rule decided (`nf_nat_alloc_null_binding`), then translation.
    pub(crate) fn nat_finish(&mut self, manip: Manip, turn: NatTurn) {
        let Tracking::Tracked { id, .. } = self.state.tracking else { return };
        if turn == NatTurn::Rules && !self.nat_decided(manip) {
            self.conntrack.set_up_nat(id, manip, NatRange::default(), None, self.forks);
        }
        let leaves_by = self.at.out_device.filter(|_| self.at.hook == Hook::Postrouting).map(|link| link.index);
        if let Some(reason) = self.conntrack.nat_refuses(self.state, self.packet, leaves_by) {
            self.block_by_conntrack(reason);
            return;
        }
        let destination = self.packet.dst;
        self.translate(manip, turn == NatTurn::Rules);
        self.result.reroute |= self.at.hook == Hook::Output && self.packet.dst != destination;
    }

    /// Decides NAT of the packet's flow; the packet itself is translated once the chains were left. The end is the one that the hook
    /// translates if a rule of `iptables` or nftables is where it may stand.
    pub(crate) fn nat(&mut self, manip: Manip, range: NatRange, rule: RuleId) -> Effect {
        if let Tracking::Tracked { id, .. } = self.state.tracking {
            self.conntrack.set_up_nat(id, manip, range, Some(rule), self.forks);
        }
        Effect::Accept
    }

    /// The address of the device that the packet leaves by as the flow's source (`net/netfilter/nf_nat_masquerade.c`). `range` says
    /// which ports, and no address.
    pub(crate) fn masquerade(&mut self, range: NatRange, rule: RuleId) -> Effect {
        // "Source address is 0.0.0.0 - locally generated packet that is probably not supposed to be masqueraded."
        if self.packet.src == IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
            return Effect::Accept;
        }
        let Some(out) = self.at.out_device else {
            return Effect::Opaque("target `MASQUERADE`: the device that the packet leaves by was not seen".into());
        };
        let Some(address) = self.env.masquerade_address(out.index, self.packet) else {
            return Effect::Drop("the device has no address to masquerade with");
        };
        if let Tracking::Tracked { id, .. } = self.state.tracking {
            self.conntrack.set_masqueraded_for(id, out.index);
        }
        self.nat(Manip::Source, NatRange { addresses: Some((address, address)), ..range }, rule)
    }

    /// This host as the flow's destination (`net/netfilter/nf_nat_redirect.c`): the loopback address for what is sent from here, else
    /// the first primary address of the device that it came in by. `range` says which ports, and no address.
    pub(crate) fn redirect(&mut self, range: NatRange, rule: RuleId) -> Effect {
        let family = self.packet.family();
        let address = match (self.at.hook, family, self.at.in_device) {
            (Hook::Output, Family::V4, _) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            (Hook::Output, Family::V6, _) => Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            (_, _, Some(device)) => self.env.primary_address(device.index, family),
            (_, _, None) => None,
        };
        let Some(address) = address else {
            return Effect::Opaque("target `REDIRECT`: the address of the device is not known".into());
        };
        self.nat(Manip::Destination, NatRange { addresses: Some((address, address)), ..range }, rule)
    }

    /// Another prefix, host bits kept (`net/netfilter/xt_NETMAP.c`, `nft_nat` with `NF_NAT_RANGE_NETMAP`).
    pub(crate) fn netmap(&mut self, manip: Manip, net: Net, rule: RuleId) -> Effect {
        let address = match manip {
            Manip::Destination => self.packet.dst,
            Manip::Source => self.packet.src,
        };
        let mapped = (bits(address) & !net.mask) | net.address;
        let mapped = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(mapped & 0xffff_ffff).unwrap_or(0))),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(mapped)),
        };
        self.nat(manip, NatRange::to(mapped), rule)
    }

    /// Translates the packet as its flow demands.
    pub(crate) fn translate(&mut self, manip: Manip, fresh: bool) {
        let Some((kind, rule)) = self.nat_kind(manip, fresh) else { return };
        if self.state.untraced {
            if self.conntrack.translate(self.state, manip, self.packet) {
                self.key = PacketKey::of(self.packet);
            }
            return;
        }
        let mut after = self.packet.clone();
        // A port drawn at random may be the one that it has.
        let drawn = kind == NfEventKind::SourceNat { random_port: true };
        if !self.conntrack.translate(self.state, manip, &mut after) || (after == *self.packet && !drawn) {
            return;
        }
        self.event_by(kind, rule, |packet| *packet = after);
        self.key = PacketKey::of(self.packet);
    }

    /// The kind of event that translation would be; none if there is nothing to translate.
    fn nat_kind(&self, manip: Manip, fresh: bool) -> Option<(NfEventKind, Option<RuleId>)> {
        let (connection, info, direction) = self.conntrack.of_packet(self.state)?;
        let side = *connection.side(of_direction(manip, direction));
        if !side.active {
            return None;
        }
        let kind = match (direction, manip) {
            (Direction::Reply, _) => NfEventKind::NatReverse,
            (Direction::Original, _) if !fresh || info == Info::Established => NfEventKind::NatAgain,
            (Direction::Original, Manip::Source) => NfEventKind::SourceNat { random_port: side.random_port },
            (Direction::Original, Manip::Destination) => NfEventKind::DestinationNat,
        };
        Some((kind, side.rule))
    }
}

/// Verdicts.
impl Run<'_> {
    /// Drops the packet and answers as the kernel does, which answers not everything (`net/ipv4/netfilter/nf_reject_ipv4.c`,
    /// net/ipv6/netfilter/nf_reject_ipv6.c, `icmp_send`, `icmp6_send`).
    pub(crate) fn reject(&self, with: RejectWith) -> Effect {
        match self.unanswered(with) {
            Some(reason) => Effect::Drop(reason),
            None => Effect::Reject(with),
        }
    }

    fn unanswered(&self, with: RejectWith) -> Option<&'static str> {
        let packet = &*self.packet;
        let fragment = packet.details.as_ref().and_then(|details| details.fragment);
        if fragment.is_some_and(|fragment| fragment.offset_bytes > 0) {
            return Some("only the first fragment of a packet is answered");
        }
        let to = self.env.address_kind(packet.dst, None);
        let to_many = match packet.family() {
            // What is forwarded or bridged has a route like that of any packet, even if its destination is a broadcast address.
            Family::V4 => {
                self.at.hook != Hook::Forward && matches!(to, Some(RouteKind::Broadcast | RouteKind::Multicast))
            }
            Family::V6 => packet.dst.is_multicast(),
        };
        if to_many {
            return Some("what is sent to many is never answered");
        }
        if packet.src.is_multicast() || packet.src.is_unspecified() {
            return Some("a packet without a sender of its own is never answered");
        }
        match (with, packet.transport) {
            (RejectWith::TcpReset, Transport::Tcp { flags, .. }) => {
                flags.contains(TcpFlags::RST).then_some("a reset is never answered with a reset")
            }
            (RejectWith::TcpReset, _) => Some("only TCP is answered with a reset"),
            (RejectWith::Icmp { .. }, Transport::Icmp { kind, .. }) => {
                let error = match packet.family() {
                    // "No replies to packets of type above NR_ICMP_TYPES or to errors."
                    Family::V4 => matches!(kind, 3 | 4 | 5 | 11 | 12) || kind > 18,
                    Family::V6 => kind < 128,
                };
                error.then_some("an ICMP error is never answered with another")
            }
            (RejectWith::Icmp { .. }, _) => {
                (!self.has_right_sum()).then_some("what REJECT finds no right checksum in is not answered")
            }
        }
    }

    /// The checksum that REJECT looks for (`nf_reject_verify_csum`; `nf_ip_checksum`, `nf_ip6_checksum`, net/netfilter/utils.c): of
    /// protocols that have one of their own kind or none it is not asked, of all others it is taken to be that of TCP. Few have it, and
    /// NAT does not mend it.
    fn has_right_sum(&self) -> bool {
        const IGMP: u8 = 2;
        const RSVP: u8 = 46;
        const EIGRP: u8 = 88;
        const OSPF: u8 = 89;
        const PIM: u8 = 103;
        const VRRP: u8 = 112;
        match (self.packet.family(), self.packet.protocol.0) {
            // ICMP, TCP, UDP, DCCP, GRE, ESP, AH, ICMPv6, SCTP, UDP-Lite.
            (_, 1 | 6 | 17 | 33 | 47 | 50 | 51 | 58 | 132 | 136)
            | (Family::V4, IGMP | RSVP | EIGRP | OSPF | PIM | VRRP) => true,
            // The sum is over the addresses, too.
            (Family::V6, OSPF | PIM | VRRP) => {
                self.conntrack.of_packet(self.state).is_none_or(|(flow, _, direction)| {
                    let sent = flow.tuple(direction);
                    (sent.src, sent.dst) == (self.packet.src, self.packet.dst)
                })
            }
            _ => false,
        }
    }

    /// Hands the packet to a local socket and changes its mark (`net/netfilter/xt_TPROXY.c`, net/netfilter/nft_tproxy.c). The address
    /// defaults to the first of the device, the port to the packet's.
    pub(crate) fn tproxy(
        &mut self,
        address: Option<IpAddr>,
        port: Option<u16>,
        mark: impl FnOnce(u32) -> u32,
        rule: RuleId,
    ) -> Effect {
        let (Some(own_port), true) =
            (self.packet.dport(), matches!(self.packet.protocol, Protocol::TCP | Protocol::UDP))
        else {
            return Effect::Drop("only TCP and UDP have sockets to hand over to");
        };
        let family = self.packet.family();
        let of_device = || self.at.in_device.and_then(|device| self.env.primary_address(device.index, family));
        let address = address.filter(|address| !address.is_unspecified()).or_else(of_device).unwrap_or(self.packet.dst);
        let socket = SocketAddr::new(address, port.filter(|port| *port != 0).unwrap_or(own_port.0));
        let device = self.at.in_device.map_or(IfIndex(0), |link| link.index);
        let socket_there = self.env.transparent_socket(self.packet, device, socket.ip(), Port(socket.port()));
        let takes = if socket_there == Tri::Maybe {
            let why = format!("whether a transparent socket listens on {socket} is not known");
            self.ask(rule, RuleDoubt::Target, why)
        } else {
            socket_there == Tri::Yes
        };
        if !takes {
            return Effect::Drop("no transparent socket listens where TPROXY leads to");
        }
        self.set_mark(Mark(mark(self.packet.mark.0)), rule);
        self.state.tproxy = Some(socket);
        self.result.tproxy = Some(socket);
        Effect::Accept
    }

    /// A program decides about the packet (`net/netfilter/xt_NFQUEUE.c`, net/netfilter/nft_queue.c).
    pub(crate) fn queue(bypass: bool) -> Effect {
        let missing = if bypass { "pass" } else { "be dropped" };
        Effect::Opaque(format!("a program decides; without one the packet would {missing}").into())
    }

    /// Notes that a copy of the packet is sent to `gateway` (`net/ipv4/netfilter/nf_dup_ipv4.c`). The packet itself goes on.
    pub(crate) fn duplicate(&mut self, gateway: IpAddr, rule: RuleId) {
        self.event(NfEventKind::Copied(gateway), rule, |_| {});
    }

    /// Connection tracking drops the packet.
    pub(crate) fn block_by_conntrack(&mut self, reason: &str) {
        let by = RuleRef {
            source: RuleSource::Conntrack,
            family: self.packet.family(),
            table: String::new(),
            chain: String::new(),
            line: 0,
            handle: None,
            text: format!("connection tracking: {reason}"),
            comment: None,
        };
        self.block(NfVerdict::Drop, by, Some(reason));
    }
}
