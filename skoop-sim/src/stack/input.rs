//! A frame comes in: device, IP input, local delivery.

use skoop_model::{
    Evidence, Family, Frame, IfIndex, Link, LinkKind, Packet, Protocol, Stage, Sysctls, Transport, Unseen,
};

use super::walker::{Devices, Skb, Walker, link_evidence};
use super::{Ending, Stop};
use crate::{Flow, Hook, Lookup, SourceCheck};

impl Walker<'_, '_> {
    /// A frame comes in by `device` (`__netif_receive_skb_core`, `net/core/dev.c`).
    pub fn ingress(&mut self, device: IfIndex, frame: Frame) -> Ending {
        let skb = Skb::new(frame);
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
        self.pass(Stage::Ingress, Some(device), &skb.packet, |_| {
            (format!("received by {}", link.name), link_evidence(link))
        });
        if let Some(controller) = link.controller {
            let Some(bridge) = self.namespace.bridge_of(link) else {
                let name = self.namespace.device_name(controller);
                return Err(self.unknown(format!("port {} of {name}", link.name), "such controllers are not modelled"));
            };
            skb.in_port = Some(device);
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
        let for_us = skb.dst_mac.is_group() || link.mac.is_none_or(|mac| mac == skb.dst_mac) || link.loopback;
        if !for_us {
            let stop = Stop::WrongMac { mac: skb.dst_mac };
            let mac = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
            let evidence = Evidence::new("link", format!("{} has link-layer address {mac}", link.name));
            return Err(self.stop(Stage::Ingress, Some(link.index), &skb.packet, stop, evidence));
        }
        self.ipv6_enabled(link, &skb)?;
        if !skb.prerouted {
            let devices = Devices { input: Some(link.index), in_port: skb.in_port, ..Devices::default() };
            self.hook(Hook::Prerouting, devices, &mut skb);
        }
        skb.prerouted = false;
        let flow = Flow { iif: Some(link.index), ..Flow::of(&skb.packet) };
        let namespace = self.namespace;
        match namespace.fib().lookup(&flow, self.forks) {
            Lookup::Found(found) if found.is_local() => {
                self.source_check(link, &skb, None)?;
                self.pass(Stage::Routing, Some(link.index), &skb.packet, |walker| {
                    ("for this host".to_owned(), walker.route_evidence(found.route))
                });
                self.local_input(link, skb)
            }
            Lookup::Found(found) => {
                self.forwarding(link, &skb)?;
                self.source_check(link, &skb, found.device())?;
                self.forward(link, skb, &found)
            }
            Lookup::Unknown(unseen) => Err(Ending::Unknown(unseen)),
            refused => {
                // fib_validate_source comes later than the lookup: a packet without a route is not checked.
                self.forwarding(link, &skb)?;
                Err(self.refused(Some(link.index), &skb.packet, refused))
            }
        }
    }

    fn ipv6_enabled(&mut self, link: &Link, skb: &Skb) -> Result<(), Ending> {
        let sysctl = Sysctls::device_path(Family::V6, &link.name, "disable_ipv6");
        if skb.packet.family() == Family::V6 && self.namespace.sysctl(&sysctl).is_some_and(|value| value != 0) {
            let evidence = Evidence::new("sysctl", format!("{} = 1", super::blocker::dotted(&sysctl)));
            let stop = Stop::Ipv6Disabled { sysctl };
            return Err(self.stop(Stage::Ingress, Some(link.index), &skb.packet, stop, evidence));
        }
        Ok(())
    }

    /// Whether the namespace forwards what comes in by `link`.
    fn forwarding(&mut self, link: &Link, skb: &Skb) -> Result<(), Ending> {
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
    fn source_check(&mut self, link: &Link, skb: &Skb, out: Option<IfIndex>) -> Result<(), Ending> {
        let namespace = self.namespace;
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
        Ok(Ending::Delivered { packet: skb.packet, device: link.index })
    }

    /// A lookup that found no way.
    pub(super) fn refused(
        &mut self,
        device: Option<IfIndex>,
        packet: &skoop_model::Packet,
        lookup: Lookup<'_>,
    ) -> Ending {
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

fn no_route_text(packet: &skoop_model::Packet, asked: &[skoop_model::TableId]) -> String {
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
