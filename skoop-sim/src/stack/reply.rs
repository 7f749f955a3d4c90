//! Making answers, and sending them: ICMP errors (`net/ipv4/icmp.c`, `net/ipv6/icmp.c`) and TCP resets
//! (`net/ipv4/netfilter/nf_reject_ipv4.c`, `net/ipv6/netfilter/nf_reject_ipv6.c`; `tcp_v4_send_reset`, `net/ipv4/tcp_ipv4.c`).
//!
//! An answer is a packet like any other: it is routed, passes OUTPUT and POSTROUTING and may be dropped there. Rate limits
//! (`icmp_ratelimit`, `icmp_msgs_per_sec`, `net/ipv6/icmp/ratelimit`) are taken to have room.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use skoop_model::{
    Details, Family, Frame, IfIndex, Link, Mark, Packet, Protocol, RouteKind, RouteScope, Socket, TcpFlags, Transport,
};

use super::output::Sending;
use super::walker::{Skb, Walker};
use super::{Answer, AnswerKind, Ending, Errno};
use crate::conntrack::{Direction, Info, Maker, Tracking};
use crate::{Flow, Lookup, PacketState, Receiver, RejectWith, receiver};

/// What an ICMP error says.
#[derive(Debug, Clone, Copy)]
pub(super) struct IcmpError {
    pub kind: u8,
    pub code: u8,
    pub mtu_bytes: Option<u32>,
    pub delay_ms: u32,
}

/// Milliseconds until a neighbour counts as unreachable: `mcast_solicit` requests, `retrans_time_ms` apart (`net/ipv4/arp.c`).
const RESOLUTION_MS: u32 = 3000;
/// `INADDR_DUMMY` (RFC 7600), for a router without addresses.
const DUMMY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 0, 8));

impl IcmpError {
    fn new(kind: u8, code: u8) -> Self {
        Self { kind, code, mtu_bytes: None, delay_ms: 0 }
    }

    pub fn ttl_expired(family: Family) -> Self {
        Self::new(by_family(family, 11, 3), 0)
    }

    pub fn too_big(family: Family, mtu_bytes: u32) -> Self {
        let (kind, code) = by_family(family, (3, 4), (2, 0));
        // `ip6_pkt_too_big` never tells less than IPv6 demands.
        let mtu_bytes = by_family(family, mtu_bytes, mtu_bytes.max(1280));
        Self { mtu_bytes: Some(mtu_bytes), ..Self::new(kind, code) }
    }

    pub fn no_neighbour(family: Family) -> Self {
        let (kind, code) = by_family(family, (3, 1), (1, 3));
        Self { delay_ms: RESOLUTION_MS, ..Self::new(kind, code) }
    }

    fn port_unreachable(family: Family) -> Self {
        let (kind, code) = by_family(family, (3, 3), (1, 4));
        Self::new(kind, code)
    }

    /// `icmpv6_param_prob(.., ICMPV6_UNK_NEXTHDR, ..)` of `ip6_protocol_deliver_rcu`, `ip_protocol_deliver_rcu`.
    fn protocol_unreachable(family: Family) -> Self {
        let (kind, code) = by_family(family, (3, 2), (4, 1));
        Self::new(kind, code)
    }

    /// A link-local source does not get beyond its link (`ip6_forward`: `ICMPV6_NOT_NEIGHBOUR`).
    pub fn beyond_scope() -> Self {
        Self::new(1, 2)
    }

    /// What a forwarder says about a destination without way: `ip_error`, `net/ipv4/route.c`; `ip6_pkt_discard` and
    /// `ip6_pkt_prohibit`, `net/ipv6/route.c`. `by_rule`: no route, but a rule refuses. None: nothing.
    pub fn no_way(family: Family, kind: Option<RouteKind>, by_rule: bool) -> Option<Self> {
        Some(match (family, kind) {
            (_, Some(RouteKind::Blackhole)) => return None,
            (Family::V4, Some(RouteKind::Prohibit)) => Self::new(3, 13),
            (Family::V4, Some(RouteKind::Unreachable)) if !by_rule => Self::new(3, 1),
            (Family::V4, _) => Self::new(3, 0),
            (Family::V6, Some(RouteKind::Prohibit)) => Self::new(1, 1),
            (Family::V6, _) => Self::new(1, 0),
        })
    }
}

fn by_family<T>(family: Family, v4: T, v6: T) -> T {
    match family {
        Family::V4 => v4,
        Family::V6 => v6,
    }
}

impl Errno {
    /// What a sender is told about a destination without way (`fib_props`, `net/ipv4/fib_semantics.c`; `fib6_prop`,
    /// `net/ipv6/route.c`; rules: `fib4_rule_action`).
    pub(super) fn no_way(family: Family, kind: Option<RouteKind>, by_rule: bool) -> Self {
        match (family, kind) {
            (_, Some(RouteKind::Blackhole)) => Self::Einval,
            (_, Some(RouteKind::Prohibit)) => Self::Eacces,
            (_, Some(RouteKind::Unreachable)) if !by_rule => Self::Ehostunreach,
            _ => Self::Enetunreach,
        }
    }
}

impl Walker<'_, '_> {
    /// Whether what happens now really happens: nothing stopped the packet before.
    pub(super) fn is_live(&self) -> bool {
        !self.is_blocked() && self.answer.is_none() && !self.is_answer
    }

    /// Tells the sending process.
    pub(super) fn fail(&mut self, skb: &Skb, errno: Errno) {
        if skb.process && !self.is_blocked() {
            self.errno.get_or_insert(errno);
        }
    }

    /// What REJECT answers. `packet` and `tracking` are those that the rule met.
    pub(super) fn reject(&mut self, skb: &Skb, with: RejectWith) {
        match with {
            RejectWith::Icmp { kind, code } => self.icmp_error(skb, IcmpError::new(kind, code)),
            RejectWith::TcpReset => self.reset_for(skb),
        }
    }

    /// `__icmp_send`, `icmp6_send`.
    pub(super) fn icmp_error(&mut self, skb: &Skb, error: IcmpError) {
        self.icmp_error_of(skb, error, skb.state.tracking);
    }

    /// `tracking`: what is still known of the flow of the packet that it is about.
    fn icmp_error_of(&mut self, skb: &Skb, error: IcmpError, tracking: Tracking) {
        if !self.is_live() || !deserves_error(skb, error) {
            return;
        }
        let about = &skb.packet;
        let family = about.family();
        let (source, bound) = self.error_source(skb);
        let transport = Transport::Icmp { kind: error.kind, code: error.code, id: 0 };
        let unspecified = by_family(family, Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into());
        let (header, most) = by_family(family, (28, 576), (48, 1280));
        let length = about.length_bytes.saturating_add(header).min(most);
        let mut packet =
            Packet::new(source.unwrap_or(unspecified), about.src, Protocol::icmp(family), transport, length);
        packet.mark = self.reflected_mark(about);
        if family == Family::V4 {
            // `IPTOS_PREC_INTERNETCONTROL`; `ip_sock_set_mtu_discover(.., IP_PMTUDISC_DONT)` of `icmp_init`.
            packet.tos = (about.tos & 0x1e) | 0xc0;
            packet.dont_fragment = false;
        }
        packet.details = Some(cite(about));
        let sending = Sending {
            choose_source: source.is_none(),
            bound,
            fallback: by_family(family, Some(DUMMY), None),
            uid: Some(0),
        };
        let kind = AnswerKind::Icmp { family, kind: error.kind, code: error.code };
        if let Some(answer) = self.send(packet, PacketState::of_answer(tracking, Maker::KernelSocket), sending, kind) {
            self.answer = Some(Answer { mtu_bytes: error.mtu_bytes, delay_ms: error.delay_ms, ..answer });
        }
    }

    /// Source of an ICMP error, where the routes do not choose it, and the device that it must leave by.
    fn error_source(&self, skb: &Skb) -> (Option<IpAddr>, Option<IfIndex>) {
        let (src, dst) = (skb.packet.src, skb.packet.dst);
        let fib = self.namespace.fib();
        match dst {
            IpAddr::V4(_) if skb.route == Some(RouteKind::Local) => (Some(dst), None),
            IpAddr::V4(_) => {
                let inbound = self.namespace.sysctl("net/ipv4/icmp_errors_use_inbound_ifaddr") == Some(1);
                let device = skb.input.filter(|_| inbound && skb.route.is_some());
                let source = device.and_then(|device| fib.select_address(Some(device), Some(src), RouteScope::LINK.0));
                (source, None)
            }
            IpAddr::V6(address) => {
                let bound = skb.input.filter(|_| is_link_local(src));
                let own = self.namespace.device_of_address(dst);
                let is_own = own.is_some_and(|device| {
                    // `ipv6_chk_addr`: addresses of link or host scope belong to their device alone.
                    let scoped = address.is_unicast_link_local() || address.is_loopback();
                    // `nf_send_unreach6`: what leaves counts as the loopback device's.
                    let lo = || self.namespace.link(device).is_some_and(|link| link.loopback);
                    !scoped || skb.input.map_or_else(lo, |input| input == device)
                });
                if is_own {
                    return (Some(dst), bound);
                }
                // "select a more meaningful saddr from input if", unless the route names one.
                let flow = Flow { src: None, oif: bound, uid: Some(0), ..Flow::of(&skb.packet) };
                let back = Flow { dst: src, ..flow };
                let named = match fib.lookup(&back, &mut crate::Forks::first()) {
                    Lookup::Found(found) => found.route.prefsrc.is_some(),
                    _ => false,
                };
                let input = skb.routed.and_then(|routed| routed.device).or(skb.input);
                (input.filter(|_| !named).and_then(|device| fib.select_address_v6(Some(device), src)), bound)
            }
        }
    }

    /// `IP4_REPLY_MARK`, `IP6_REPLY_MARK`.
    fn reflected_mark(&self, about: &Packet) -> Mark {
        let sysctl = format!("net/{}/fwmark_reflect", about.family().sysctl_name());
        if self.namespace.sysctl(&sysctl).is_some_and(|value| value != 0) { about.mark } else { Mark(0) }
    }

    /// `nf_send_reset`, `nf_send_reset6`.
    fn reset_for(&mut self, skb: &Skb) {
        let Some(packet) = self.reset_of(skb).filter(|_| self.is_live()) else { return };
        let state = PacketState::of_answer(skb.state.tracking, Maker::NoSocket);
        let Some(port) = skb.in_port else {
            let sending = Sending { uid: Some(0), ..Sending::default() };
            self.answer = self.send(packet, state, sending, AnswerKind::TcpReset);
            return;
        };
        // What came in by a bridge port with br_netfilter gets its reset there, past all hooks, in the name of the destination.
        let flow = Flow { uid: Some(0), ..Flow::of(&packet) };
        let routed = matches!(self.namespace.fib().lookup(&flow, self.forks), Lookup::Found(_));
        if let (true, Some(link)) = (routed, self.namespace.link(port)) {
            self.send_back(skb, link, packet, AnswerKind::TcpReset);
        }
    }

    /// What REJECT answers at the hooks of devices and bridges: by where the frame came from, in the name of its destination, and
    /// past IP (`net/netfilter/nft_reject_netdev.c`, `net/bridge/netfilter/nft_reject_bridge.c`).
    pub(super) fn reject_there(&mut self, skb: &Skb, with: RejectWith, device: Option<IfIndex>) {
        let Some(link) = device.and_then(|device| self.namespace.link(device)) else { return };
        let about = &skb.packet;
        let family = about.family();
        let (packet, kind) = match with {
            RejectWith::TcpReset => {
                let Some(packet) = self.reset_of(skb) else { return };
                (packet, AnswerKind::TcpReset)
            }
            RejectWith::Icmp { kind, code } => {
                let about_unreachable = matches!(
                    (about.protocol, about.transport),
                    (Protocol::ICMP, Transport::Icmp { kind: 3, .. })
                        | (Protocol::ICMPV6, Transport::Icmp { kind: 1, .. })
                );
                if about_unreachable {
                    return;
                }
                // `nf_reject_skb_v4_unreach`, `nf_reject_skb_v6_unreach`.
                let (header, most) = by_family(family, (28, 536), (48, 1232));
                let length = about.length_bytes.min(most) + header;
                let transport = Transport::Icmp { kind, code, id: 0 };
                let mut packet = Packet::new(about.dst, about.src, Protocol::icmp(family), transport, length);
                packet.details = Some(cite(about));
                (packet, AnswerKind::Icmp { family, kind, code })
            }
        };
        self.send_back(skb, link, packet, kind);
    }

    /// Sends a frame to the sender of another, by a device and in the name of its receiver.
    fn send_back(&mut self, skb: &Skb, link: &Link, mut packet: Packet, kind: AnswerKind) {
        if !self.is_live() {
            return;
        }
        packet.ttl = self.default_ttl(packet.family()).unwrap_or(packet.ttl);
        let frame = Frame { src_mac: skb.dst_mac, dst_mac: skb.src_mac, packet: packet.clone() };
        let mut walker = self.for_answer();
        let ending = walker.transmit(link, Skb::new(frame), None).unwrap_or_else(|ending| ending);
        self.answer = Some(finished(walker.finish(ending), packet, kind));
    }

    /// The reset that answers a packet; none if it is itself a reset, no TCP, or not from one host to one other.
    fn reset_of(&self, skb: &Skb) -> Option<Packet> {
        let about = &skb.packet;
        let Transport::Tcp { sport, dport, flags } = about.transport else { return None };
        let broadcast = matches!(skb.route, Some(RouteKind::Broadcast | RouteKind::Multicast));
        if flags.contains(TcpFlags::RST) || broadcast || about.dst.is_multicast() || about.src.is_multicast() {
            return None;
        }
        let flags =
            if flags.contains(TcpFlags::ACK) { TcpFlags::RST } else { TcpFlags(TcpFlags::RST.0 | TcpFlags::ACK.0) };
        let transport = Transport::Tcp { sport: dport, dport: sport, flags };
        let length = by_family(about.family(), 40, 60);
        let mut packet = Packet::new(about.dst, about.src, Protocol::TCP, transport, length);
        packet.mark = self.reflected_mark(about);
        Some(packet)
    }

    /// What the transport layer answers where no socket takes the packet: `udp_rcv`, `tcp_v4_rcv`, `ip_protocol_deliver_rcu`.
    pub(super) fn no_socket(&mut self, skb: &Skb, device: IfIndex) {
        let packet = &skb.packet;
        let is_reply = matches!(skb.state.tracking, Tracking::Tracked { direction: Direction::Reply, .. });
        if !self.is_live() || is_reply || skb.state.tproxy().is_some() {
            return;
        }
        let is_new = matches!(skb.state.tracking, Tracking::Tracked { info: Info::New, .. });
        let sockets = &self.namespace.snapshot().sockets;
        let Ok(known) = sockets.get() else { return };
        let family = packet.family();
        match packet.transport {
            Transport::Udp { .. } if matches!(receiver(sockets, packet, device), Receiver::NoListener { .. }) => {
                // "nf_reset_ct(skb)" of `__udp4_lib_rcv`, `__udp6_lib_rcv`.
                self.icmp_error_of(skb, IcmpError::port_unreachable(family), Tracking::Unseen);
            }
            // Connected sockets are not collected: only what begins a flow has certainly none.
            Transport::Tcp { flags, .. } if flags.0 & TcpFlags::SYN_ACK.0 == TcpFlags::SYN.0 || is_new => {
                if matches!(receiver(sockets, packet, device), Receiver::NoListener { .. }) {
                    self.socket_reset(skb);
                }
            }
            Transport::Other if !is_handled(packet.protocol) && !has_protocol(known, packet.protocol) => {
                self.icmp_error(skb, IcmpError::protocol_unreachable(family));
            }
            _ => {}
        }
    }

    /// `tcp_v4_send_reset`, `tcp_v6_send_reset`: a packet of its own, that conntrack takes for a reply.
    fn socket_reset(&mut self, skb: &Skb) {
        if skb.route != Some(RouteKind::Local) {
            return;
        }
        let Some(mut packet) = self.reset_of(skb) else { return };
        packet.tos = skb.packet.tos & !3;
        let bound = skb.input.filter(|_| is_link_local(packet.dst));
        let sending = Sending { bound, uid: Some(0), ..Sending::default() };
        // `tcp_v6_send_response` gives it no socket.
        let maker = by_family(packet.family(), Maker::KernelSocket, Maker::NoSocket);
        self.answer = self.send(packet, PacketState::of_answer(Tracking::Unseen, maker), sending, AnswerKind::TcpReset);
    }

    fn send(&mut self, mut packet: Packet, state: PacketState, sending: Sending, kind: AnswerKind) -> Option<Answer> {
        packet.ttl = self.default_ttl(packet.family()).unwrap_or(packet.ttl);
        let skb = Skb { state, ..Skb::local(packet.clone()) };
        let mut walker = self.for_answer();
        let ending = walker.output_skb(skb, sending).unwrap_or_else(|ending| ending);
        let outcome = walker.finish(ending);
        match (&outcome.origin, &outcome.ending) {
            (Some(made), _) => {
                let made = made.clone();
                Some(finished(outcome, made, kind))
            }
            (None, Ending::Unknown(_)) => Some(finished(outcome, packet, kind)),
            // No way back: it is not even made.
            (None, _) => None,
        }
    }
}

fn cite(about: &Packet) -> Box<Details> {
    let cited = Packet { mark: Mark(0), details: None, ..about.clone() };
    Box::new(Details { cited: Some(cited), ..Details::default() })
}

fn finished(outcome: super::Outcome, packet: Packet, kind: AnswerKind) -> Answer {
    let super::Outcome { steps, blockers, ending, .. } = outcome;
    Answer { kind, packet, mtu_bytes: None, delay_ms: 0, steps, blockers, ending }
}

/// Whether an error about the packet may be sent at all.
fn deserves_error(skb: &Skb, error: IcmpError) -> bool {
    let packet = &skb.packet;
    let Some(route) = skb.route else { return false };
    // Bound to a port of a bridge, to which no route leads.
    let from_port = skb.input.is_none() && skb.in_port.is_some() && is_link_local(packet.src);
    let to_all = skb.dst_mac.is_group();
    match packet.family() {
        Family::V4 => {
            let is_group = matches!(route, RouteKind::Broadcast | RouteKind::Multicast);
            !to_all && !is_group && !is_icmp_error(packet)
        }
        Family::V6 => {
            let too_big = error.kind == 2;
            let one_sender = !packet.src.is_unspecified() && !packet.src.is_multicast();
            one_sender && !from_port && (too_big || (!to_all && !packet.dst.is_multicast())) && !is_icmp_error(packet)
        }
    }
}

/// `icmp_pointers[..].error` and what is above `NR_ICMP_TYPES`; `is_ineligible` of `net/ipv6/icmp.c`.
fn is_icmp_error(packet: &Packet) -> bool {
    match (packet.protocol, packet.transport) {
        (Protocol::ICMP, Transport::Icmp { kind, .. }) => matches!(kind, 3..=5 | 11 | 12 | 19..),
        (Protocol::ICMPV6, Transport::Icmp { kind, .. }) => kind < 128,
        _ => false,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Protocols that have a handler in the kernel, or have one as soon as some module is loaded, which no snapshot tells.
fn is_handled(protocol: Protocol) -> bool {
    matches!(
        protocol.0,
        1 | 2 | 4 | 6 | 17 | 33 | 41 | 46 | 47 | 50 | 51 | 58 | 94 | 103 | 108 | 112 | 115 | 132 | 136 | 137 | 255
    )
}

fn has_protocol(sockets: &[Socket], protocol: Protocol) -> bool {
    sockets.iter().any(|socket| socket.protocol == protocol)
}
