//! Bridges: frames between ports, and to and from the bridge's own device.

use skoop_model::{BridgeConfig, Evidence, Family, FdbEntry, IfIndex, Link, LinkKind, MacAddr, PortState, Stage};

use super::input::exceeds;
use super::walker::{Devices, Skb, Walker, link_evidence};
use super::{Ending, Stop};
use crate::{Flow, Hook, Lookup};

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
        if self.calls_iptables(bridge, skb.packet.family()) {
            let before = skb.packet.dst;
            let devices = Devices { input: Some(bridge.index), in_port: Some(port.index), ..Devices::default() };
            self.hook(Hook::Prerouting, devices, &mut skb);
            skb.prerouted = true;
            if skb.packet.dst != before {
                self.bridged_dnat(bridge, &mut skb);
            }
        }
        let (way, because) = self.bridge_way(bridge, Some(port), skb.dst_mac);
        match way {
            Way::Up => {
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

    /// DNAT on a bridge: to the neighbour's MAC address if the new destination is on the same bridge, else up to be
    /// routed (`br_nf_pre_routing_finish`, `net/bridge/br_netfilter_hooks.c`).
    fn bridged_dnat(&mut self, bridge: &Link, skb: &mut Skb) {
        let namespace = self.namespace;
        let flow = Flow { iif: Some(bridge.index), ..Flow::of(&skb.packet) };
        let own = bridge.mac.unwrap_or_default();
        let Lookup::Found(found) = namespace.fib().lookup(&flow, self.forks) else {
            skb.dst_mac = own;
            return;
        };
        let forwards = namespace.forwarding(skb.packet.family(), &bridge.name).is_none_or(|(on, _)| on);
        let same_bridge = found.nexthop.and_then(|hop| hop.link) == Some(bridge.index) && !found.is_local();
        if !(same_bridge && forwards) {
            skb.dst_mac = own;
            return;
        }
        let next_hop = found.nexthop.and_then(|hop| hop.gateway).unwrap_or(skb.packet.dst);
        match self.neighbour(bridge, next_hop, &found, skb) {
            Ok(mac) => {
                skb.dst_mac = mac;
                skb.src_mac = own;
            }
            // The blocker is recorded; the bridge will find nobody for the old address either.
            Err(_) => skb.dst_mac = MacAddr::ZERO,
        }
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
        if self.calls_iptables(bridge, skb.packet.family()) {
            let devices = Devices {
                input: Some(bridge.index),
                output: Some(bridge.index),
                in_port: Some(port.index),
                out_port: Some(out.index),
            };
            self.hook(Hook::Forward, devices, &mut skb);
            self.hook(Hook::Postrouting, Devices { input: None, ..devices }, &mut skb);
        }
        self.leave_by_port(out, skb)
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
    pub(super) fn bridge_output(&mut self, bridge: &Link, skb: Skb) -> Result<Ending, Ending> {
        self.enter(&skb, Some(bridge.index))?;
        let (way, because) = self.bridge_way(bridge, None, skb.dst_mac);
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

    /// Whether bridged packets of a family pass iptables (`br_nf_pre_routing`): the namespace's switch, or the
    /// bridge's.
    fn calls_iptables(&self, bridge: &Link, family: Family) -> bool {
        let (sysctl, own) = match (&bridge.kind, family) {
            (LinkKind::Bridge(config), Family::V4) => ("net/bridge/bridge-nf-call-iptables", config.nf_call_iptables),
            (LinkKind::Bridge(config), Family::V6) => ("net/bridge/bridge-nf-call-ip6tables", config.nf_call_ip6tables),
            _ => return false,
        };
        own || self.namespace.sysctl(sysctl).is_some_and(|value| value != 0)
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

fn is_filtering(bridge: &Link) -> bool {
    matches!(&bridge.kind, LinkKind::Bridge(BridgeConfig { vlan_filtering: true, .. }))
}
