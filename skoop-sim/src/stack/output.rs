//! A process of the namespace sends.

use std::net::IpAddr;

use skoop_model::{Evidence, Family, IfIndex, Packet, Protocol, RouteKind, Stage};

use super::walker::{Devices, Skb, Walker, link_evidence};
use super::{Ending, Errno, Stop};
use crate::{Flow, Found, Hook, Lookup, Sender};

/// How something is sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sending {
    /// Routing chooses the source address.
    pub choose_source: bool,
    /// Device that the socket is bound to.
    pub bound: Option<IfIndex>,
    /// Source where routing has none to offer.
    pub fallback: Option<IpAddr>,
    /// User id that routing rules see.
    pub uid: Option<u32>,
}

impl Walker<'_, '_> {
    /// Sends a packet from this namespace (`ip_queue_xmit` and `ip_local_out`, `net/ipv4/ip_output.c`).
    pub fn output(&mut self, mut packet: Packet, choose_source: bool, sender: Sender) -> Ending {
        packet.ttl = self.said.ttl.or_else(|| self.default_ttl(packet.family())).unwrap_or(packet.ttl);
        let mut skb = Skb::local(packet);
        self.assume(&mut skb);
        skb.state.set_sender(sender);
        skb.process = true;
        let sending = Sending { choose_source, uid: sender.uid, ..Sending::default() };
        self.output_skb(skb, sending).unwrap_or_else(|ending| ending)
    }

    /// TTL of what this namespace sends, unless a socket or tunnel says otherwise. That of IPv6 is not collected.
    pub(super) fn default_ttl(&self, family: Family) -> Option<u8> {
        let value = self.namespace.sysctl("net/ipv4/ip_default_ttl").filter(|_| family == Family::V4)?;
        u8::try_from(value).ok()
    }

    /// Routes and sends.
    pub(super) fn output_skb(&mut self, mut skb: Skb, sending: Sending) -> Result<Ending, Ending> {
        self.enter(&skb, None)?;
        let namespace = self.namespace;
        let mut flow = Flow { oif: sending.bound, uid: sending.uid, ..Flow::of(&skb.packet) };
        if sending.choose_source {
            flow.src = None;
        }
        let mut found = match namespace.fib().lookup(&flow, self.forks) {
            Lookup::Found(found) => found,
            other => return Err(self.refused(None, &skb, other)),
        };
        if sending.choose_source {
            let Some(source) = namespace.fib().source_address(&flow, &found).or(sending.fallback) else {
                self.fail(&skb, Errno::Eaddrnotavail);
                let evidence = Evidence::new("missing", "no address with a fitting scope");
                return Err(self.stop(Stage::Routing, None, &skb.packet, Stop::NoSourceAddress, evidence));
            };
            skb.packet.src = source;
        }
        // Later stages send too: the outer packets of tunnels.
        if self.is_first_stage() {
            self.origin = Some(skb.packet.clone());
        }
        skb.route = Some(found.kind());
        let mut out = self.out_device_of(&skb.packet, &found)?;
        self.pass(Stage::Routing, Some(out), &skb.packet, |walker| {
            (walker.output_decision(out, &found), walker.route_evidence(found.route))
        });
        self.leaves_loopback(out, &skb)?;
        self.sender_fits(out, &found, &skb)?;
        // Only mangle and NAT ask for it (`ip_route_me_harder`, net/ipv4/netfilter.c): a mark set in raw changes no route.
        let again = self.hook(Hook::Output, Devices { output: Some(out), ..Devices::default() }, &mut skb);
        if let Some((mark, tos)) = again {
            let flow = Flow { oif: sending.bound, uid: sending.uid, mark, tos, ..Flow::of(&skb.packet) };
            found = match namespace.fib().lookup(&flow, self.forks) {
                Lookup::Found(found) => found,
                other => return Err(self.refused(None, &skb, other)),
            };
            skb.route = Some(found.kind());
            out = self.out_device_of(&skb.packet, &found)?;
            self.leaves_loopback(out, &skb)?;
            self.pass(Stage::Routing, Some(out), &skb.packet, |walker| {
                let decision = format!("{}, routed anew", walker.output_decision(out, &found));
                (decision, walker.route_evidence(found.route))
            });
        }
        if self.loops_back(&found) {
            return self.loopback(out, skb);
        }
        self.ip_output(out, &found, skb)
    }

    /// From a loopback address nothing is sent by another device without `route_localnet` (`__mkroute_output`, net/ipv4/route.c).
    fn leaves_loopback(&mut self, out: IfIndex, skb: &Skb) -> Result<(), Ending> {
        let IpAddr::V4(src) = skb.packet.src else { return Ok(()) };
        let Some(link) = self.namespace.link(out).filter(|link| src.is_loopback() && !link.loopback) else {
            return Ok(());
        };
        if self.namespace.fib().routes_localnet(out) {
            return Ok(());
        }
        self.fail(skb, Errno::Einval);
        let evidence = Evidence::new("address", format!("source {src}; route_localnet of {} is 0", link.name));
        Err(self.stop(Stage::Routing, Some(out), &skb.packet, Stop::Martian, evidence))
    }

    /// Datagrams that are too long are refused before any rule sees them (`ip_append_data`, `raw_send_hdrinc`), and so is TCP over
    /// IPv6 (`ip6_xmit`); TCP over IPv4 only on its way out (`ip_fragment`).
    fn sender_fits(&mut self, out: IfIndex, found: &Found<'_>, skb: &Skb) -> Result<(), Ending> {
        let late = skb.packet.family() == Family::V4 && skb.packet.protocol == Protocol::TCP;
        if skb.process && !late { self.fits(out, found, skb) } else { Ok(()) }
    }

    /// Whether what is sent along a route comes in again. A broadcast does, but leaves by its device as well (`ip_mc_output`), and
    /// that one counts.
    fn loops_back(&self, found: &Found<'_>) -> bool {
        let leaves = |device: IfIndex| self.namespace.link(device).is_some_and(|link| !link.loopback);
        found.is_local() && !(found.kind() == RouteKind::Broadcast && found.device().is_some_and(leaves))
    }

    /// The device that a route leaves by: the loopback device for what is local.
    fn out_device_of(&mut self, packet: &Packet, found: &Found<'_>) -> Result<IfIndex, Ending> {
        if self.loops_back(found) {
            let lo = self.namespace.snapshot().links.elements().iter().find(|link| link.loopback);
            return lo.map(|link| link.index).ok_or_else(|| self.unknown("loopback device", "not in the snapshot"));
        }
        self.out_device(packet, found)
    }

    fn output_decision(&self, out: IfIndex, found: &Found<'_>) -> String {
        let device = self.namespace.device_name(out);
        match found.nexthop.and_then(|hop| hop.gateway) {
            _ if self.loops_back(found) => "for this host itself".to_owned(),
            Some(gateway) => format!("send to {gateway} by {device}"),
            None => format!("send by {device}"),
        }
    }

    /// What a host sends to itself passes POSTROUTING, then comes in by the loopback device (`drivers/net/loopback.c`).
    fn loopback(&mut self, lo: IfIndex, mut skb: Skb) -> Result<Ending, Ending> {
        self.hook(Hook::Postrouting, Devices { output: Some(lo), ..Devices::default() }, &mut skb);
        let Some(link) = self.namespace.link(lo) else {
            return Err(self.unknown("loopback device", "not in the snapshot"));
        };
        if !link.up {
            return Err(self.stop(Stage::Egress, Some(lo), &skb.packet, Stop::LinkDown, link_evidence(link)));
        }
        skb.process = false;
        skb.input = Some(lo);
        self.pass(Stage::Egress, Some(lo), &skb.packet, |_| {
            (format!("looped back by {}", link.name), link_evidence(link))
        });
        self.ip_input_looped(link, skb)
    }

    /// Loopback input keeps the route of the output side: no source check (`ip_rcv_finish_core`: the dst is already
    /// set).
    fn ip_input_looped(&mut self, link: &skoop_model::Link, mut skb: Skb) -> Result<Ending, Ending> {
        self.enter(&skb, Some(link.index))?;
        let before = skb.packet.dst;
        let devices = Devices { input: Some(link.index), ..Devices::default() };
        self.hook(Hook::Prerouting, devices, &mut skb);
        if skb.packet.dst != before {
            skb.prerouted = true;
            return self.ip_input(link, skb);
        }
        self.local_input(link, skb)
    }
}
