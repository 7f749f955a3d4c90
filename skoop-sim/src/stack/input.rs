//! A frame comes in: device, IP input, local delivery.

use std::net::{IpAddr, Ipv6Addr};

use skoop_model::{
    Evidence, Family, Frame, IfIndex, Link, LinkKind, Packet, Protocol, RouteKind, Stage, Sysctls, Transport, Unseen,
};

use super::reply::IcmpError;
use super::walker::{Devices, Skb, Walker, link_evidence};
use super::{Ending, Errno, Stop};
use crate::{DeviceHook, Flow, Hook, Lookup, SourceCheck};

impl Walker<'_, '_> {
    /// A frame comes in by `device` (`__netif_receive_skb_core`, `net/core/dev.c`).
    pub fn ingress(&mut self, device: IfIndex, frame: Frame) -> Ending {
        let mut skb = Skb::new(frame);
        self.assume(&mut skb);
        let received = self.is_taken(device, &skb);
        received.and_then(|()| self.ingress_skb(device, skb)).unwrap_or_else(|ending| ending)
    }

    /// A veth drops what is longer than its own MTU with a VLAN tag (`____dev_forward_skb`, include/linux/netdevice.h). What a NIC does
    /// with longer frames is its own affair: many drop them, virtual ones mostly do not.
    fn is_taken(&mut self, device: IfIndex, skb: &Skb) -> Result<(), Ending> {
        let Some(link) = self.namespace.link(device) else { return Ok(()) };
        if exceeds(link, &skb.packet) {
            let unseen = Unseen {
                what: format!(
                    "{} of {} {} takes frames longer than its MTU",
                    link.name, self.site.node, self.site.label
                ),
                why: "that is up to the NIC".to_owned(),
                matters: true,
            };
            if matches!(link.kind, LinkKind::Veth { .. }) || !self.forks.unknown(unseen) {
                return Err(self.too_long_for(Stage::Ingress, link, skb));
            }
        }
        Ok(())
    }

    pub(super) fn too_long_for(&mut self, stage: Stage, link: &Link, skb: &Skb) -> Ending {
        let stop = Stop::TooLarge { mtu_bytes: link.mtu_bytes };
        self.stop(stage, Some(link.index), &skb.packet, stop, link_evidence(link))
    }

    pub(super) fn ingress_skb(&mut self, device: IfIndex, mut skb: Skb) -> Result<Ending, Ending> {
        self.enter(&skb, Some(device))?;
        let Some(link) = self.namespace.link(device) else {
            return Err(self.unknown(format!("device {device}"), "the device is not in the snapshot"));
        };
        if !link.up {
            return Err(self.stop(Stage::Ingress, Some(device), &skb.packet, Stop::LinkDown, link_evidence(link)));
        }
        self.programs(link)?;
        self.device_hook(DeviceHook::Ingress, link, &mut skb);
        self.pass(Stage::Ingress, Some(device), &skb.packet, |walker| {
            (format!("received by {}", link.name), walker.link_evidence(link))
        });
        if let Some(controller) = link.controller {
            let Some(bridge) = self.namespace.bridge_of(link) else {
                let name = self.namespace.device_name(controller);
                return Err(self.unknown(format!("port {} of {name}", link.name), "such controllers are not modelled"));
            };
            return self.bridge_input(bridge, link, skb);
        }
        self.ip_input(link, skb)
    }

    /// Programs on a device may do anything with the packet: both is followed, that they pass it and that they don't.
    pub(super) fn programs(&mut self, link: &Link) -> Result<(), Ending> {
        if link.hooks.is_empty() {
            return Ok(());
        }
        let unseen = Unseen {
            what: format!(
                "{} passes the packet at {} of {} {}",
                link.hooks.join(", "),
                link.name,
                self.site.node,
                self.site.label
            ),
            why: "programs and filters on devices are not modelled".to_owned(),
            matters: true,
        };
        if self.forks.unknown(unseen.clone()) { Ok(()) } else { Err(Ending::Unknown(unseen)) }
    }

    /// IP input (`ip_rcv`, `net/ipv4/ip_input.c`; `ipv6_rcv`, `net/ipv6/ip6_input.c`).
    pub(super) fn ip_input(&mut self, link: &Link, mut skb: Skb) -> Result<Ending, Ending> {
        let for_us =
            skb.dst_mac.is_group() || skb.to_host || link.mac.is_none_or(|mac| mac == skb.dst_mac) || link.loopback;
        if !for_us {
            let stop = Stop::WrongMac { mac: skb.dst_mac };
            let mac = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
            let evidence = Evidence::new("link", format!("{} has link-layer address {mac}", link.name));
            return Err(self.stop(Stage::Ingress, Some(link.index), &skb.packet, stop, evidence));
        }
        skb.input = Some(link.index);
        skb.route = None;
        self.unicast_in_group(link, &skb)?;
        if skb.packet.family() == Family::V6 {
            self.ipv6_enabled(link, &skb)?;
            // `ip6_rcv_core` looks at the addresses before any rule does.
            self.martian(link, &skb)?;
        }
        if !skb.prerouted {
            let devices = Devices { input: Some(link.index), in_port: skb.in_port, ..Devices::default() };
            self.hook(Hook::Prerouting, devices, &mut skb);
        }
        skb.prerouted = false;
        self.route_input(link, skb)
    }

    /// `ip_route_input_rcu` and `ip_route_input_slow`, `net/ipv4/route.c`; `ip6_route_input`, `net/ipv6/route.c`.
    fn route_input(&mut self, link: &Link, mut skb: Skb) -> Result<Ending, Ending> {
        let family = skb.packet.family();
        if family == Family::V4 {
            self.martian(link, &skb)?;
        }
        if skb.packet.dst.is_multicast() {
            return self.multicast_input(link, skb);
        }
        if is_for_all(&skb.packet) {
            let by = Evidence::new("packet", format!("destination {}", skb.packet.dst));
            return self.broadcast_input(link, skb, by);
        }
        let mut flow = Flow { iif: Some(link.index), ..Flow::of(&skb.packet) };
        if let Some(routed) = skb.routed {
            (flow.mark, flow.tos) = (routed.mark, routed.tos);
        }
        let namespace = self.namespace;
        let found = match namespace.fib().lookup(&flow, self.forks) {
            Lookup::Found(found) => found,
            Lookup::Unknown(unseen) => return Err(Ending::Unknown(unseen)),
            refused => {
                // `fib_validate_source` comes later than the lookup: a packet without a route is not checked. IPv6 answers even
                // if it does not forward (`ip6_pkt_drop`).
                if family == Family::V4 {
                    self.forwarding(link, &skb)?;
                }
                skb.route = Some(RouteKind::Unreachable);
                return Err(self.refused(Some(link.index), &skb, refused));
            }
        };
        skb.route = Some(found.kind());
        match (family, found.kind()) {
            (Family::V4, RouteKind::Broadcast) if !self.forwards_broadcasts(link) => {
                let by = self.route_evidence(found.route);
                self.broadcast_input(link, skb, by)
            }
            (_, RouteKind::Local) | (Family::V6, RouteKind::Anycast) => {
                self.source_check(link, &skb, None)?;
                self.pass(Stage::Routing, Some(link.index), &skb.packet, |walker| {
                    ("for this host".to_owned(), walker.route_evidence(found.route))
                });
                self.local_input(link, skb)
            }
            (Family::V4, RouteKind::Anycast | RouteKind::Multicast) => {
                let evidence = self.route_evidence(found.route);
                Err(self.stop(Stage::Routing, Some(link.index), &skb.packet, Stop::Martian, evidence))
            }
            (Family::V4, RouteKind::Broadcast) => {
                // "goto make_route": whether the device forwards is not asked.
                skb.route = Some(RouteKind::Unicast);
                self.source_check(link, &skb, found.device())?;
                self.forward(link, skb, &found)
            }
            _ => {
                self.forwarding(link, &skb)?;
                self.source_check(link, &skb, found.device())?;
                self.forward(link, skb, &found)
            }
        }
    }

    /// `drop_unicast_in_l2_multicast` (`ip_rcv_finish_core`, `ip6_rcv_core`).
    fn unicast_in_group(&mut self, link: &Link, skb: &Skb) -> Result<(), Ending> {
        if !skb.dst_mac.is_group() || skb.packet.dst.is_multicast() {
            return Ok(());
        }
        let family = skb.packet.family();
        let set = |device: &str| {
            let sysctl = Sysctls::device_path(family, device, "drop_unicast_in_l2_multicast");
            self.namespace.sysctl(&sysctl).is_some_and(|value| value != 0)
        };
        let one = self.namespace.fib().address_kind(skb.packet.dst, None) != RouteKind::Broadcast;
        if one && (set(&link.name) || (family == Family::V4 && set("all"))) {
            let evidence = Evidence::new("packet", format!("frame for {}", skb.dst_mac));
            let stop = Stop::WrongMac { mac: skb.dst_mac };
            return Err(self.stop(Stage::Ingress, Some(link.index), &skb.packet, stop, evidence));
        }
        Ok(())
    }

    /// Addresses that may not come in, whatever the routes.
    fn martian(&mut self, link: &Link, skb: &Skb) -> Result<(), Ending> {
        match self.namespace.fib().martian(&skb.packet, link.index) {
            Some(why) => {
                let evidence = Evidence::new("address", why);
                Err(self.stop(Stage::Routing, Some(link.index), &skb.packet, Stop::Martian, evidence))
            }
            None => Ok(()),
        }
    }

    /// `IN_DEV_BFORWARD`: directed broadcasts are forwarded like any packet.
    fn forwards_broadcasts(&self, link: &Link) -> bool {
        let on = |device: &str| {
            let sysctl = Sysctls::device_path(Family::V4, device, "bc_forwarding");
            self.namespace.sysctl(&sysctl).is_some_and(|value| value != 0)
        };
        on("all") && on(&link.name)
    }

    /// A broadcast, for this host among others (`brd_input` of `ip_route_input_slow`).
    fn broadcast_input(&mut self, link: &Link, mut skb: Skb, by: Evidence) -> Result<Ending, Ending> {
        if !skb.packet.src.is_unspecified() {
            self.source_check(link, &skb, None)?;
        }
        skb.route = Some(RouteKind::Broadcast);
        self.pass(Stage::Routing, Some(link.index), &skb.packet, |_| ("broadcast, for this host too".to_owned(), by));
        self.local_input(link, skb)
    }

    /// `ip_route_input_mc`, `ip6_mc_input`: for the members of the group. Groups are not collected, but some are always joined.
    /// Nothing here forwards multicast.
    fn multicast_input(&mut self, link: &Link, mut skb: Skb) -> Result<Ending, Ending> {
        let group = skb.packet.dst;
        let unseen = || Unseen {
            what: format!("{} of {} {} is in group {group}", link.name, self.site.node, self.site.label),
            why: "multicast groups are not collected".to_owned(),
            matters: true,
        };
        let joined = self.always_joined(link, group) || self.forks.unknown(unseen());
        if !joined {
            let evidence = Evidence::new("missing", format!("{} is not in group {group}", link.name));
            return Err(self.stop(Stage::Routing, Some(link.index), &skb.packet, Stop::NotMember { group }, evidence));
        }
        if skb.packet.family() == Family::V4 && !skb.packet.src.is_unspecified() {
            self.source_check(link, &skb, None)?;
        }
        skb.route = Some(RouteKind::Multicast);
        self.pass(Stage::Routing, Some(link.index), &skb.packet, |_| {
            let by = Evidence::new("link", format!("{} is in group {group}", link.name));
            ("for this host, as a member".to_owned(), by)
        });
        self.local_input(link, skb)
    }

    /// Groups that the kernel joins by itself (`ip_mc_up`, `net/ipv4/igmp.c`; `ipv6_mc_up`, `addrconf_join_solict`).
    pub(super) fn always_joined(&self, link: &Link, group: IpAddr) -> bool {
        match group {
            IpAddr::V4(group) => group.octets() == [224, 0, 0, 1],
            IpAddr::V6(group) => {
                let low = group.segments();
                let addresses = self.namespace.snapshot().addresses.elements().iter();
                let solicited = |address: Ipv6Addr| {
                    let bits = address.to_bits() & 0xff_ffff;
                    Ipv6Addr::from_bits((0xff02_u128 << 112) | 0x1_ff00_0000 | bits) == group
                };
                let mut own = addresses.filter(|address| address.link == link.index);
                matches!(low, [0xff01 | 0xff02, 0, 0, 0, 0, 0, 0, 1])
                    || own.any(|address| matches!(address.ip(), IpAddr::V6(address) if solicited(address)))
            }
        }
    }

    fn ipv6_enabled(&mut self, link: &Link, skb: &Skb) -> Result<(), Ending> {
        if self.namespace.ipv6_disabled(link) {
            let sysctl = Sysctls::device_path(Family::V6, &link.name, "disable_ipv6");
            let evidence = Evidence::new("sysctl", format!("{} = 1", super::blocker::dotted(&sysctl)));
            let stop = Stop::Ipv6Disabled { sysctl };
            return Err(self.stop(Stage::Ingress, Some(link.index), &skb.packet, stop, evidence));
        }
        Ok(())
    }

    /// Whether the namespace forwards what comes in by `link`.
    fn forwarding(&mut self, link: &Link, skb: &Skb) -> Result<(), Ending> {
        if self.namespace.forwards(skb.packet.family(), link) == Some(true) {
            return Ok(());
        }
        match self.namespace.forwarding(skb.packet.family(), &link.name) {
            Some((true, _)) => Ok(()),
            Some((false, sysctl)) => {
                let evidence = Evidence::new("sysctl", format!("{} = 0", super::blocker::dotted(&sysctl)));
                self.block(Stage::Routing, Some(link.index), &skb.packet, Stop::ForwardingOff { sysctl }, evidence);
                Ok(())
            }
            None => {
                let unseen = Unseen {
                    what: format!("forwarding is on for {} of {} {}", link.name, self.site.node, self.site.label),
                    why: "the sysctl was not collected".to_owned(),
                    matters: true,
                };
                if self.forks.unknown(unseen.clone()) { Ok(()) } else { Err(Ending::Unknown(unseen)) }
            }
        }
    }

    /// Martian addresses and reverse path filter (`fib_validate_source`, `net/ipv4/fib_frontend.c`).
    pub(super) fn source_check(&mut self, link: &Link, skb: &Skb, out: Option<IfIndex>) -> Result<(), Ending> {
        let namespace = self.namespace;
        // What has a route is not routed again (`ip_rcv_finish_core`: `skb_valid_dst`), so that its source is not checked again either.
        if skb.packet.family() == Family::V6 || skb.routed.is_some() {
            return Ok(());
        }
        match namespace.fib().validate_source(&skb.packet, link.index, out, self.forks) {
            SourceCheck::Ok => Ok(()),
            SourceCheck::Martian { why } => {
                let evidence = Evidence::new("address", why);
                Err(self.stop(Stage::Routing, Some(link.index), &skb.packet, Stop::Martian, evidence))
            }
            SourceCheck::RpFilter { sysctl, value, reverse } => {
                let way =
                    reverse.map_or_else(|| "none".to_owned(), |route| super::walker::route_text(namespace, route));
                let text = format!("{} = {value}; route back: {way}", super::blocker::dotted(&sysctl));
                let evidence = Evidence::new("sysctl", text);
                self.block(Stage::Routing, Some(link.index), &skb.packet, Stop::RpFilter { sysctl, value }, evidence);
                Ok(())
            }
            SourceCheck::Unknown(unseen) => Err(Ending::Unknown(unseen)),
        }
    }

    /// Local delivery (`ip_local_deliver`, `net/ipv4/ip_input.c`).
    pub(super) fn local_input(&mut self, link: &Link, mut skb: Skb) -> Result<Ending, Ending> {
        // `ip_local_deliver` puts fragments together first.
        skb.packet.fragment_bytes = None;
        let devices = Devices { input: Some(link.index), in_port: skb.in_port, ..Devices::default() };
        self.hook(Hook::Input, devices, &mut skb);
        if skb.packet.protocol == Protocol::UDP && skb.packet.encap.is_some() {
            return self.vxlan_input(link, skb);
        }
        if let Transport::Icmp { kind: 8 | 128, .. } = skb.packet.transport {
            let sysctl = format!("net/{}/icmp_echo_ignore_all", skb.packet.family().sysctl_name());
            let sysctl = sysctl.replace("ipv6/icmp_", "ipv6/icmp/");
            if self.namespace.sysctl(&sysctl).is_some_and(|value| value != 0) {
                let evidence = Evidence::new("sysctl", format!("{} = 1", super::blocker::dotted(&sysctl)));
                let stop = Stop::EchoIgnored { sysctl };
                return Err(self.stop(Stage::Delivery, Some(link.index), &skb.packet, stop, evidence));
            }
        }
        if skb.packet.protocol == Protocol::TCP && skb.dst_mac.is_group() {
            // `tcp_v4_rcv`, `tcp_v6_rcv`: "if (skb->pkt_type != PACKET_HOST) goto discard_it".
            let evidence = Evidence::new("packet", format!("frame for {}", skb.dst_mac));
            let stop = Stop::WrongMac { mac: skb.dst_mac };
            return Err(self.stop(Stage::Delivery, Some(link.index), &skb.packet, stop, evidence));
        }
        self.no_socket(&skb, link.index);
        Ok(Ending::Delivered { packet: skb.packet, device: link.index })
    }

    /// A lookup that found no way.
    pub(super) fn refused(&mut self, device: Option<IfIndex>, skb: &Skb, lookup: Lookup<'_>) -> Ending {
        let packet = &skb.packet;
        let (kind, by_rule) = match &lookup {
            Lookup::Refused { kind, route, .. } => (Some(*kind), route.is_none()),
            _ => (None, false),
        };
        if let Some(error) = IcmpError::no_way(packet.family(), kind, by_rule).filter(|_| !skb.process) {
            self.icmp_error(skb, error);
        }
        self.fail(skb, Errno::no_way(packet.family(), kind, by_rule));
        let (stop, evidence) = match lookup {
            Lookup::Refused { kind, route, rule } => {
                let evidence = match (route, rule) {
                    (Some(route), _) => self.route_evidence(route),
                    (None, Some(rule)) => Evidence::new("rule", rule.to_string()),
                    (None, None) => Evidence::new("missing", "no rule"),
                };
                let (route, rule) = (route.cloned().map(Box::new), rule.cloned().map(Box::new));
                (Stop::RouteRefused { kind, route, rule }, evidence)
            }
            Lookup::Unknown(unseen) => return Ending::Unknown(unseen),
            Lookup::NoRoute { asked } => (Stop::NoRoute, Evidence::new("missing", no_route_text(packet, &asked))),
            Lookup::Found(_) => (Stop::NoRoute, Evidence::new("missing", "no route")),
        };
        self.stop(Stage::Routing, device, packet, stop, evidence)
    }
}

/// Limited broadcast, and what a host without address sends (`ip_route_input_slow`).
fn is_for_all(packet: &Packet) -> bool {
    match (packet.src, packet.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => dst.is_broadcast() || (src.is_unspecified() && dst.is_unspecified()),
        _ => false,
    }
}

fn no_route_text(packet: &skoop_model::Packet, asked: &[skoop_model::TableId]) -> String {
    if asked.is_empty() {
        return format!("no routing rule leads to a table for {}", packet.dst);
    }
    let tables: Vec<String> = asked.iter().map(|table| table.name()).collect();
    format!("no route to {} in table {}", packet.dst, tables.join(", "))
}

/// Whether a frame is too long for a device, a VLAN tag granted (`is_skb_forwardable`, net/core/dev.c).
pub(super) fn exceeds(link: &Link, packet: &Packet) -> bool {
    const VLAN_TAG: u32 = 4;
    packet.wire_bytes() > link.mtu_bytes.saturating_add(VLAN_TAG)
}

/// Whether the device is one of the kinds whose other side can be seen or reasoned about.
pub(super) fn is_plain(link: &Link) -> bool {
    matches!(link.kind, LinkKind::Veth { .. } | LinkKind::Physical)
}
