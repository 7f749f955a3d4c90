//! Bridges: frames between ports, and to and from the bridge's own device.

use std::net::IpAddr;

use skoop_model::{
    BridgeConfig, Evidence, Family, FdbEntry, IfIndex, Link, LinkKind, MacAddr, PortState, RouteKind, Stage, Unseen,
};

use super::input::exceeds;
use super::walker::{Devices, Routed, Skb, Walker, link_evidence};
use super::{Ending, Stop};
use crate::{BridgePart, Flow, Forks, Found, Hook, Lookup, PacketState};

/// Where a bridge sends a frame.
#[derive(Clone, Copy)]
enum Way {
    /// Up, to the bridge's own device.
    Up,
    /// Out by a port.
    Port(IfIndex),
    /// Nobody is known to take it.
    Nobody,
}

/// Why a bridge sends a frame there.
#[derive(Clone, Copy)]
enum Because<'a> {
    /// It is the bridge's own address.
    Own,
    /// An entry says so.
    Entry(&'a FdbEntry),
    /// It is flooded.
    Unknown,
}

impl<'a> Walker<'a, '_> {
    /// A frame comes in by a port (`br_handle_frame`, `net/bridge/br_input.c`).
    pub(super) fn bridge_input(&mut self, bridge: &Link, port: &Link, mut skb: Skb) -> Result<Ending, Ending> {
        self.port_forwards(port, &skb)?;
        if !bridge.up {
            return Err(self.stop(
                Stage::Bridge,
                Some(bridge.index),
                &skb.packet,
                Stop::LinkDown,
                link_evidence(bridge),
            ));
        }
        // `eth_type_trans` goes by the port's address, `br_handle_frame` by the bridge's.
        skb.to_host = [port.mac, bridge.mac].contains(&Some(skb.dst_mac));
        skb.state.other_host = !skb.to_host;
        if self.calls_iptables(bridge, skb.packet.family()) {
            self.bridge_hook_part(Hook::Prerouting, BridgePart::BeforeIp, bridge, (Some(port), None), &mut skb);
            let before = skb.packet.dst;
            skb.in_port = Some(port.index);
            let devices = Devices { input: Some(bridge.index), in_port: Some(port.index), ..Devices::default() };
            self.hook(Hook::Prerouting, devices, &mut skb);
            skb.prerouted = true;
            skb.route = Some(RouteKind::Unicast);
            let dnat = if skb.packet.dst == before { None } else { self.bridged_dnat(bridge, &mut skb)? };
            self.bridge_hook_part(Hook::Prerouting, BridgePart::AfterIp, bridge, (Some(port), None), &mut skb);
            if let Some((next_hop, found)) = dnat {
                // `br_nf_pre_routing_finish_bridge`: the source address of the frame stays.
                skb.dst_mac = self.neighbour(bridge, next_hop, &found, &skb)?;
            }
        } else {
            self.bridge_hook(Hook::Prerouting, bridge, (Some(port), None), &mut skb);
        }
        if skb.dst_mac.is_group() {
            return self.bridge_group(bridge, port, skb);
        }
        let (way, because) = self.bridge_way(bridge, Some(port), skb.dst_mac);
        match way {
            Way::Up => {
                self.bridge_hook(Hook::Input, bridge, (Some(port), None), &mut skb);
                self.pass(Stage::Bridge, Some(bridge.index), &skb.packet, |walker| {
                    (format!("up to {}", bridge.name), walker.fdb_evidence(bridge, skb.dst_mac, way, because))
                });
                self.ip_input(bridge, skb)
            }
            Way::Port(out) => self.bridge_forward(bridge, port, out, skb, because),
            Way::Nobody => {
                let by = self.fdb_evidence(bridge, skb.dst_mac, way, because);
                let stop = Stop::BridgeNobody { mac: skb.dst_mac };
                Err(self.stop(Stage::Bridge, Some(bridge.index), &skb.packet, stop, by))
            }
        }
    }

    /// A frame for all or for a group: the bridge's own device gets it, and the ports too. The walk goes up where the packet is for
    /// this host, since that copy is the one that is answered.
    fn bridge_group(&mut self, bridge: &Link, port: &Link, mut skb: Skb) -> Result<Ending, Ending> {
        let namespace = self.namespace;
        let flow = Flow { iif: Some(bridge.index), ..Flow::of(&skb.packet) };
        let to_all =
            skb.packet.dst.is_multicast() || namespace.fib().address_kind(skb.packet.dst, None) == RouteKind::Broadcast;
        let local = to_all
            || matches!(namespace.fib().lookup(&flow, &mut Forks::first()), Lookup::Found(found) if found.is_local());
        if local {
            self.bridge_hook(Hook::Input, bridge, (Some(port), None), &mut skb);
            self.pass(Stage::Bridge, Some(bridge.index), &skb.packet, |_| {
                let by = Evidence::new("packet", format!("frame for {}", skb.dst_mac));
                (format!("up to {}, and flooded to the other ports", bridge.name), by)
            });
            return self.ip_input(bridge, skb);
        }
        match self.only_port(bridge, Some(port)) {
            Some(only) => self.bridge_forward(bridge, port, only, skb, Because::Unknown),
            None => Err(self.flooded(bridge, &skb)),
        }
    }

    /// The port by which a frame for all leaves, if there is only one.
    fn only_port(&self, bridge: &Link, from: Option<&Link>) -> Option<IfIndex> {
        let from = from.map(|from| from.index);
        let mut ports = self.namespace.bridge_ports(bridge.index).filter(|port| {
            let settings = port.bridge_port.as_ref();
            let floods =
                settings.is_none_or(|settings| settings.broadcast_flood && settings.state == PortState::Forwarding);
            Some(port.index) != from && floods && port.is_running()
        });
        let first = ports.next()?;
        ports.next().is_none().then_some(first.index)
    }

    fn flooded(&self, bridge: &Link, skb: &Skb) -> Ending {
        let what = format!("frame for {} on bridge {}", skb.dst_mac, bridge.name);
        self.unknown(what, "it is flooded, and a walk follows one packet")
    }

    /// DNAT on a bridge: to a neighbour if the new destination is on the same bridge, else up to be routed
    /// (`br_nf_pre_routing_finish`, `net/bridge/br_netfilter_hooks.c`).
    fn bridged_dnat(&mut self, bridge: &Link, skb: &mut Skb) -> Result<Option<(IpAddr, Found<'a>)>, Ending> {
        let namespace = self.namespace;
        let family = skb.packet.family();
        let flow = Flow { iif: Some(bridge.index), ..Flow::of(&skb.packet) };
        let own = bridge.mac.unwrap_or_default();
        let found = match namespace.fib().lookup(&flow, self.forks) {
            Lookup::Found(found) => found,
            // IPv6 drops it here and tells nobody; IPv4 finds out above.
            refused if family == Family::V6 => {
                let silent = Skb { route: None, state: PacketState::default(), packet: skb.packet.clone(), ..*skb };
                return Err(self.refused(Some(bridge.index), &silent, refused));
            }
            _ => {
                bridged_up(own, None, skb);
                return Ok(None);
            }
        };
        // `ip_route_input` checks the source, too, with the mark that the packet has now.
        self.source_check(bridge, skb, found.device().filter(|_| !found.is_local()))?;
        let forwards = || namespace.forwards(family, bridge) != Some(false);
        let same_bridge = found.nexthop.and_then(|hop| hop.link) == Some(bridge.index) && !found.is_local();
        if !same_bridge || (family == Family::V4 && !forwards()) {
            bridged_up(own, found.device(), skb);
            return Ok(None);
        }
        let next_hop = found.nexthop.and_then(|hop| hop.gateway).unwrap_or(skb.packet.dst);
        Ok(Some((next_hop, found)))
    }

    /// A frame goes from port to port (`br_forward`, `net/bridge/br_forward.c`).
    fn bridge_forward(
        &mut self,
        bridge: &Link,
        port: &Link,
        out: IfIndex,
        mut skb: Skb,
        because: Because<'_>,
    ) -> Result<Ending, Ending> {
        let Some(out) = self.namespace.link(out) else {
            return Err(self.unknown(format!("bridge port {out}"), "the device is not in the snapshot"));
        };
        self.may_cross(bridge, port, out, &skb);
        self.port_forwards(out, &skb)?;
        self.pass(Stage::Bridge, Some(bridge.index), &skb.packet, |walker| {
            let by = walker.fdb_evidence(bridge, skb.dst_mac, Way::Port(out.index), because);
            (format!("bridged to port {}", out.name), by)
        });
        // `br_nf_forward` and `br_nf_post_routing` go by what PREROUTING of the bridge noted; the latter comes last of all.
        let called = skb.in_port.is_some();
        if called {
            self.bridge_hook_part(Hook::Forward, BridgePart::BeforeIp, bridge, (Some(port), Some(out)), &mut skb);
            let devices = Devices {
                input: Some(bridge.index),
                output: Some(bridge.index),
                in_port: Some(port.index),
                out_port: Some(out.index),
            };
            self.hook(Hook::Forward, devices, &mut skb);
            self.bridge_hook_part(Hook::Forward, BridgePart::AfterIp, bridge, (Some(port), Some(out)), &mut skb);
            self.bridge_hook(Hook::Postrouting, bridge, (None, Some(out)), &mut skb);
            self.hook(Hook::Postrouting, Devices { input: None, ..devices }, &mut skb);
            self.bridge_fragments(out, &mut skb)?;
        } else {
            self.bridge_hook(Hook::Forward, bridge, (Some(port), Some(out)), &mut skb);
            self.bridge_hook(Hook::Postrouting, bridge, (None, Some(out)), &mut skb);
        }
        self.leave_by_port(out, skb)
    }

    /// br_netfilter puts fragments together, and cuts what is too long for the port again if it may (`br_nf_dev_queue_xmit`).
    fn bridge_fragments(&mut self, port: &Link, skb: &mut Skb) -> Result<(), Ending> {
        if skb.packet.wire_bytes() <= port.mtu_bytes || skb.packet.family() == Family::V6 {
            return Ok(());
        }
        if skb.packet.dont_fragment {
            return Err(self.too_long_for(Stage::Bridge, port, skb));
        }
        self.cut(port, port.mtu_bytes, skb);
        Ok(())
    }

    /// A port drops what is longer than its MTU, and says so to nobody (`br_dev_queue_push_xmit`, net/bridge/br_forward.c).
    fn leave_by_port(&mut self, port: &Link, skb: Skb) -> Result<Ending, Ending> {
        self.via_bridge = port.controller;
        if exceeds(port, &skb.packet) {
            return Err(self.too_long_for(Stage::Bridge, port, &skb));
        }
        self.transmit(port, skb, None)
    }

    fn may_cross(&mut self, bridge: &Link, port: &Link, out: &Link, skb: &Skb) {
        let isolated = |link: &Link| link.bridge_port.as_ref().is_some_and(|settings| settings.isolated);
        let hairpin = out.bridge_port.as_ref().is_some_and(|settings| settings.hairpin);
        if out.index == port.index && !hairpin {
            let evidence = Evidence::new("link", format!("{} hairpin off", out.name));
            let stop = Stop::HairpinOff { port: out.index };
            self.block(Stage::Bridge, Some(bridge.index), &skb.packet, stop, evidence);
        } else if out.index != port.index && isolated(port) && isolated(out) {
            let evidence = Evidence::new("link", format!("{} isolated on, {} isolated on", port.name, out.name));
            let stop = Stop::PortIsolated { port: out.index };
            self.block(Stage::Bridge, Some(bridge.index), &skb.packet, stop, evidence);
        }
    }

    /// The bridge's own device sends (`br_dev_xmit`, `net/bridge/br_device.c`).
    pub(super) fn bridge_output(&mut self, bridge: &Link, mut skb: Skb) -> Result<Ending, Ending> {
        self.enter(&skb, Some(bridge.index))?;
        let (way, because) = if skb.dst_mac.is_group() {
            let Some(only) = self.only_port(bridge, None) else { return Err(self.flooded(bridge, &skb)) };
            (Way::Port(only), Because::Unknown)
        } else {
            self.bridge_way(bridge, None, skb.dst_mac)
        };
        match way {
            Way::Port(out) => {
                let Some(out) = self.namespace.link(out) else {
                    return Err(self.unknown(format!("bridge port {out}"), "the device is not in the snapshot"));
                };
                self.port_forwards(out, &skb)?;
                self.pass(Stage::Bridge, Some(bridge.index), &skb.packet, |walker| {
                    let by = walker.fdb_evidence(bridge, skb.dst_mac, way, because);
                    (format!("bridged to port {}", out.name), by)
                });
                self.bridge_hook(Hook::Output, bridge, (None, Some(out)), &mut skb);
                self.bridge_hook(Hook::Postrouting, bridge, (None, Some(out)), &mut skb);
                self.leave_by_port(out, skb)
            }
            Way::Up | Way::Nobody => {
                let by = self.fdb_evidence(bridge, skb.dst_mac, way, because);
                let stop = Stop::BridgeNobody { mac: skb.dst_mac };
                Err(self.stop(Stage::Bridge, Some(bridge.index), &skb.packet, stop, by))
            }
        }
    }

    /// Where the bridge sends a frame for `mac`: by its FDB, else by flooding to whoever takes it.
    fn bridge_way(&self, bridge: &Link, from: Option<&Link>, mac: MacAddr) -> (Way, Because<'a>) {
        let known = self.namespace.fdb_entries(mac).find(|entry| {
            let on_bridge = entry.controller == Some(bridge.index) || entry.link == bridge.index;
            on_bridge && entry.vlan.is_none_or(|_| !is_filtering(bridge))
        });
        if mac == bridge.mac.unwrap_or_default() || known.is_some_and(|entry| entry.local) {
            return (Way::Up, Because::Own);
        }
        if let Some(entry) = known {
            return (Way::Port(entry.link), Because::Entry(entry));
        }
        let floods = |port: &&Link| {
            let settings = port.bridge_port.as_ref();
            Some(port.index) != from.map(|from| from.index)
                && settings.is_none_or(|settings| settings.unicast_flood && settings.state == PortState::Forwarding)
                && port.is_running()
        };
        let taker =
            self.namespace.bridge_ports(bridge.index).filter(floods).find(|port| self.around.takes(port.index, mac));
        (taker.map_or(Way::Nobody, |port| Way::Port(port.index)), Because::Unknown)
    }

    fn fdb_evidence(&self, bridge: &Link, mac: MacAddr, way: Way, because: Because<'_>) -> Evidence {
        match (because, way) {
            (Because::Own, _) => Evidence::new("fdb", format!("{mac} dev {} permanent", bridge.name)),
            (Because::Entry(entry), _) => Evidence::new("fdb", self.fdb_text(entry)),
            (Because::Unknown, Way::Port(_)) => Evidence::new("fdb", format!("{mac} unknown: flooded to all ports")),
            (Because::Unknown, Way::Up | Way::Nobody) => {
                Evidence::new("missing", format!("no forwarding entry for {mac} on {}", bridge.name))
            }
        }
    }

    /// A port that passes frames; else what keeps it from it.
    fn port_forwards(&mut self, port: &Link, skb: &Skb) -> Result<(), Ending> {
        let device = Some(port.index);
        if !port.up {
            return Err(self.stop(Stage::Bridge, device, &skb.packet, Stop::LinkDown, link_evidence(port)));
        }
        if !port.lower_up {
            return Err(self.stop(Stage::Bridge, device, &skb.packet, Stop::NoCarrier, link_evidence(port)));
        }
        match port.bridge_port.as_ref().map(|settings| settings.state) {
            None | Some(PortState::Forwarding) => Ok(()),
            Some(state) => {
                let evidence =
                    Evidence::new("link", format!("{} state {}", port.name, format!("{state:?}").to_lowercase()));
                let stop = Stop::PortBlocked { port: port.index };
                Err(self.stop(Stage::Bridge, device, &skb.packet, stop, evidence))
            }
        }
    }

    /// Whether bridged packets of a family pass iptables (`br_nf_pre_routing`): the namespace's switch, or the bridge's. Without
    /// br_netfilter there is no switch.
    fn calls_iptables(&mut self, bridge: &Link, family: Family) -> bool {
        let (sysctl, own) = match (&bridge.kind, family) {
            (LinkKind::Bridge(config), Family::V4) => ("net/bridge/bridge-nf-call-iptables", config.nf_call_iptables),
            (LinkKind::Bridge(config), Family::V6) => ("net/bridge/bridge-nf-call-ip6tables", config.nf_call_ip6tables),
            _ => return false,
        };
        match self.namespace.sysctl(sysctl) {
            _ if own => true,
            Some(value) => value != 0,
            None if self.namespace.has_all_sysctls() => false,
            None => self.forks.unknown(Unseen {
                what: format!("{} is 1 on {} {}", super::blocker::dotted(sysctl), self.site.node, self.site.label),
                why: "the sysctl was not collected".to_owned(),
                matters: true,
            }),
        }
    }

    /// The entry as `bridge fdb` prints it.
    pub(super) fn fdb_text(&self, entry: &FdbEntry) -> String {
        let name = |link| self.namespace.device_name(link);
        let dst = entry.dst.map(|dst| format!(" dst {dst}")).unwrap_or_default();
        let controller = entry.controller.map(|bridge| format!(" master {}", name(bridge))).unwrap_or_default();
        let permanent = if entry.is_static { " permanent" } else { "" };
        format!("{} dev {}{dst}{controller}{permanent}", entry.mac, name(entry.link))
    }
}

/// What DNAT leads off a bridge goes up, with the route that was found.
fn bridged_up(own: MacAddr, device: Option<IfIndex>, skb: &mut Skb) {
    (skb.dst_mac, skb.to_host) = (own, true);
    (skb.state.destination_mac, skb.state.other_host) = (Some(own), false);
    skb.routed = Some(Routed { mark: skb.packet.mark, tos: skb.packet.tos, device });
}

fn is_filtering(bridge: &Link) -> bool {
    matches!(&bridge.kind, LinkKind::Bridge(BridgeConfig { vlan_filtering: true, .. }))
}
