//! Forwarding: from the routing decision to the way out.

use std::net::IpAddr;

use crate::mutation::{Mutation, is};
use skoop_model::{Evidence, Family, IfIndex, Link, Packet, Protocol, RouteKind, Stage};

use super::reply::IcmpError;
use super::walker::{Devices, Skb, Walker, link_evidence};
use super::{Ending, Errno, Stop};
use crate::conntrack::Maker;
use crate::{Found, Hook};

impl Walker<'_, '_> {
    /// `ip_forward` (`net/ipv4/ip_forward.c`), `ip6_forward` (`net/ipv6/ip6_output.c`).
    pub(super) fn forward(&mut self, link: &Link, mut skb: Skb, found: &Found<'_>) -> Result<Ending, Ending> {
        self.enter(&skb, Some(link.index))?;
        let out = self.out_device(&skb.packet, found)?;
        self.pass(Stage::Routing, Some(out), &skb.packet, |walker| {
            (walker.forward_decision(out, found), walker.route_evidence(found.route))
        });
        if skb.dst_mac.is_group() {
            // `ip_forward` and `ip6_forward` want PACKET_HOST.
            let evidence = Evidence::new("packet", format!("frame for {}", skb.dst_mac));
            let stop = Stop::WrongMac { mac: skb.dst_mac };
            return Err(self.stop(Stage::Forward, Some(link.index), &skb.packet, stop, evidence));
        }
        if let Some(socket) = skb.state.tproxy() {
            // "if (unlikely(skb->sk)) goto drop;"
            let evidence = self.route_evidence(found.route);
            let stop = Stop::TproxyForwarded { socket };
            return Err(self.stop(Stage::Forward, Some(link.index), &skb.packet, stop, evidence));
        }
        if skb.packet.ttl <= 1 {
            self.icmp_error(&skb, IcmpError::ttl_expired(skb.packet.family()));
            let evidence = Evidence::new("packet", format!("ttl {}", skb.packet.ttl));
            return Err(self.stop(Stage::Forward, Some(link.index), &skb.packet, Stop::TtlExpired, evidence));
        }
        self.stays_in_scope(link, out, &skb)?;
        self.fits(out, found, &skb)?;
        skb.packet.ttl -= u8::from(!is(Mutation::TtlStays));
        let devices = Devices { input: Some(link.index), output: Some(out), in_port: skb.in_port, out_port: None };
        self.hook(Hook::Forward, devices, &mut skb);
        skb.in_port = None;
        self.ip_output(out, found, skb)
    }

    /// `ip6_forward`: what would go back by the device that it came in by is not looked at.
    fn stays_in_scope(&mut self, link: &Link, out: IfIndex, skb: &Skb) -> Result<(), Ending> {
        let IpAddr::V6(src) = skb.packet.src else { return Ok(()) };
        let device = Some(link.index);
        if out == link.index {
            return Ok(());
        }
        let evidence = Evidence::new("packet", format!("source {src}"));
        if src.is_unspecified() || src.is_loopback() {
            return Err(self.stop(Stage::Forward, device, &skb.packet, Stop::Martian, evidence));
        }
        if src.is_unicast_link_local() {
            self.icmp_error(skb, IcmpError::beyond_scope());
            return Err(self.stop(Stage::Forward, device, &skb.packet, Stop::BeyondScope, evidence));
        }
        Ok(())
    }

    fn forward_decision(&self, out: IfIndex, found: &Found<'_>) -> String {
        let device = self.namespace.device_name(out);
        match found.nexthop.and_then(|hop| hop.gateway) {
            Some(gateway) => format!("forward to {gateway} by {device}"),
            None => format!("forward by {device}"),
        }
    }

    pub(super) fn out_device(&mut self, packet: &Packet, found: &Found<'_>) -> Result<IfIndex, Ending> {
        found.nexthop.and_then(|hop| hop.link).ok_or_else(|| {
            let text = self.route_evidence(found.route).text;
            self.unknown(format!("route `{text}` for {}", packet.dst), "the route names no device")
        })
    }

    /// The MTU check: before FORWARD (`ip_exceeds_mtu`, net/ipv4/ip_forward.c), and of what is sent (`ip_fragment`,
    /// net/ipv4/ip_output.c).
    pub(super) fn fits(&mut self, out: IfIndex, found: &Found<'_>, skb: &Skb) -> Result<(), Ending> {
        let packet = &skb.packet;
        let Some(mtu_bytes) = self.mtu(out, found) else { return Ok(()) };
        let rigid = match packet.family() {
            Family::V4 => packet.dont_fragment,
            Family::V6 => !is_cut_by_sender(skb),
        };
        if packet.wire_bytes() > mtu_bytes && rigid {
            let evidence = match self.namespace.link(out) {
                Some(link) if link.mtu_bytes <= mtu_bytes => link_evidence(link),
                _ => self.route_evidence(found.route),
            };
            if skb.process {
                self.fail(skb, Errno::Emsgsize);
            } else {
                self.icmp_error(skb, IcmpError::too_big(packet.family(), mtu_bytes));
            }
            return Err(self.stop(Stage::Forward, Some(out), packet, Stop::TooLarge { mtu_bytes }, evidence));
        }
        Ok(())
    }

    /// Bytes that a packet may have that leaves by a route.
    fn mtu(&self, out: IfIndex, found: &Found<'_>) -> Option<u32> {
        let own = self.namespace.link(out)?.mtu_bytes;
        Some(found.route.mtu_bytes.filter(|mtu| *mtu > 0).unwrap_or(own))
    }

    /// Cuts what is too long for the way out, if it may (`ip_fragment`).
    fn fragment(&mut self, out: IfIndex, found: &Found<'_>, skb: &mut Skb) -> Result<(), Ending> {
        self.fits(out, found, skb)?;
        let (Some(mtu), Some(link)) = (self.mtu(out, found), self.namespace.link(out)) else { return Ok(()) };
        if skb.packet.wire_bytes() > mtu && !link.loopback {
            self.cut(link, mtu, skb);
        }
        Ok(())
    }

    /// Cuts a packet (`ip_do_fragment`): each fragment but the last carries a multiple of eight bytes.
    pub(super) fn cut(&mut self, link: &Link, mtu: u32, skb: &mut Skb) {
        // `ip6_fragment` adds a header to that of IPv6.
        let headers = if skb.packet.family() == Family::V6 { 48 } else { 20 };
        let before = skb.packet.clone();
        skb.packet.fragment_bytes = Some(mtu.saturating_sub(headers) / 8 * 8 + headers);
        let change = (before, skb.packet.clone());
        self.change(Stage::Egress, Some(link.index), change, |_| {
            (format!("cut into fragments: longer than the MTU of {mtu} bytes"), link_evidence(link))
        });
    }

    /// Whether a copy of what is sent comes in again (`ip_mc_output`, `net/ipv4/ip_output.c`): of broadcasts, and of what goes to a
    /// group that the device is in.
    fn is_copied(&self, out: IfIndex, found: &Found<'_>, skb: &Skb) -> bool {
        let IpAddr::V4(dst) = skb.packet.dst else { return false };
        let Some(link) = self.namespace.link(out).filter(|link| skb.input.is_none() && !link.loopback) else {
            return false;
        };
        let group = dst.is_multicast() && self.always_joined(link, skb.packet.dst);
        dst.is_broadcast() || group || found.kind() == RouteKind::Broadcast
    }

    /// That copy passes POSTROUTING first, and without a socket (`skb_clone`): what its rules say about NAT holds for the flow. Then it
    /// comes in by the device that the packet leaves by (`dev_loopback_xmit`).
    fn copy_passes(&mut self, out: IfIndex, skb: &Skb) {
        let mut state = skb.state.clone();
        (state.maker, state.copy) = (Maker::NoSocket, true);
        let mut copy = Skb { packet: skb.packet.clone(), state, ..*skb };
        let leaves = Devices { output: Some(out), ..Devices::default() };
        let enters = Devices { input: Some(out), ..Devices::default() };
        let _passed = self.copy_hook(Hook::Postrouting, leaves, &mut copy)
            && self.copy_hook(Hook::Prerouting, enters, &mut copy)
            && self.copy_hook(Hook::Input, enters, &mut copy);
    }

    /// `ip_output`: POSTROUTING, then the neighbour, then the device (`net/ipv4/ip_output.c`).
    pub(super) fn ip_output(&mut self, out: IfIndex, found: &Found<'_>, mut skb: Skb) -> Result<Ending, Ending> {
        // "indev = skb->dev" of `ip_output` and `ip6_output`.
        let devices = Devices { input: skb.input, output: Some(out), ..Devices::default() };
        if self.is_copied(out, found, &skb) {
            self.copy_passes(out, &skb);
        }
        self.hook(Hook::Postrouting, devices, &mut skb);
        self.fragment(out, found, &mut skb)?;
        let next_hop = found.nexthop.and_then(|hop| hop.gateway).unwrap_or(skb.packet.dst);
        let Some(link) = self.namespace.link(out) else {
            return Err(self.unknown(format!("device {out}"), "the device is not in the snapshot"));
        };
        if link.loopback {
            let evidence = self.route_evidence(found.route);
            let stop = Stop::LoopbackRoute { route: Box::new(found.route.clone()) };
            return Err(self.stop(Stage::Egress, Some(out), &skb.packet, stop, evidence));
        }
        if !link.up {
            return Err(self.stop(Stage::Egress, Some(out), &skb.packet, Stop::LinkDown, link_evidence(link)));
        }
        skb.src_mac = link.mac.unwrap_or_default();
        skb.dst_mac = self.neighbour(link, next_hop, found, &skb)?;
        self.transmit(link, skb, Some(next_hop))
    }
}

/// IPv6 cuts only what a socket of this host sends, TCP apart (`ip6_sk_ignore_df`, `ip6_fragment`, net/ipv6/ip6_output.c).
fn is_cut_by_sender(skb: &Skb) -> bool {
    skb.process && skb.packet.protocol != Protocol::TCP
}
