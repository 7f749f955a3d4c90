//! VXLAN tunnels (`drivers/net/vxlan/vxlan_core.c`).

use std::net::IpAddr;

use skoop_model::{
    Encap, Evidence, FdbEntry, Frame, IfIndex, Link, LinkKind, MacAddr, OuterDf, Packet, Port, Protocol, RouteKind,
    Stage, Transport, VxlanConfig,
};

use super::output::Sending;
use super::walker::{Skb, Walker, link_evidence};
use super::{Ending, Stop};

/// Outer source port of the model: the kernel hashes the inner headers into its ephemeral range, and nothing forwards
/// by it.
const OUTER_SOURCE_PORT: Port = Port(49_152);
/// Bytes of outer UDP and VXLAN header and inner Ethernet header.
const OVERHEAD_WITHOUT_IP: u32 = 8 + 8 + 14;

impl<'a> Walker<'a, '_> {
    /// A frame enters the tunnel (`vxlan_xmit`).
    pub(super) fn vxlan_output(&mut self, link: &Link, config: &VxlanConfig, skb: Skb) -> Result<Ending, Ending> {
        self.enter(&skb, Some(link.index))?;
        let device = Some(link.index);
        if config.collect_metadata {
            return Err(
                self.unknown(format!("VXLAN device {}", link.name), "its tunnels are set from outside the device")
            );
        }
        let Some(entry) = self.vxlan_entry(link.index, skb.dst_mac) else {
            let text = format!("no FDB entry for {} on {}", skb.dst_mac, link.name);
            let stop = Stop::FdbMissing { mac: skb.dst_mac };
            return Err(self.stop(Stage::Tunnel, device, &skb.packet, stop, Evidence::new("missing", text)));
        };
        let Some(remote) = entry.dst.or(config.remote) else {
            return Err(self.unknown(format!("FDB entry `{}`", self.fdb_text(entry)), "it names no remote address"));
        };
        if remote.is_multicast() {
            return Err(self.unknown(format!("VXLAN group {remote} of {}", link.name), "multicast is not modelled"));
        }
        let before = skb.packet.clone();
        let mut outer = outer_packet(config, entry, remote, skb);
        if config.ttl == 0 {
            outer.packet.ttl = self.default_ttl(outer.packet.family()).unwrap_or(outer.packet.ttl);
        }
        self.change(Stage::Tunnel, device, (before, outer.packet.clone()), |walker| {
            (format!("into the tunnel to {remote}"), Evidence::new("fdb", walker.fdb_text(entry)))
        });
        let underlay = entry.via.or(config.underlay);
        self.vxlan_source_is_own(link, config, &outer)?;
        self.vxlan_route_is_elsewhere(link, &outer, underlay)?;
        let sending =
            Sending { choose_source: config.local.is_none(), bound: underlay, uid: Some(0), ..Sending::default() };
        self.output_skb(outer, sending)
    }

    /// IPv4 sends from own addresses only (`ip_route_output_key_hash_rcu`, `net/ipv4/route.c`); IPv6 does not look.
    fn vxlan_source_is_own(&mut self, link: &Link, config: &VxlanConfig, outer: &Skb) -> Result<(), Ending> {
        let Some(address) = config.local.filter(IpAddr::is_ipv4) else { return Ok(()) };
        if self.namespace.fib().address_kind(address, None) == RouteKind::Local {
            return Ok(());
        }
        let evidence = Evidence::new("link", format!("{} vxlan id {} local {address}", link.name, config.vni));
        Err(self.stop(Stage::Tunnel, Some(link.index), &outer.packet, Stop::ForeignSource { address }, evidence))
    }

    /// A tunnel may not carry its own outer packets (`vxlan_xmit_one`: "circular route").
    fn vxlan_route_is_elsewhere(&mut self, link: &Link, outer: &Skb, underlay: Option<IfIndex>) -> Result<(), Ending> {
        let flow = crate::Flow { oif: underlay, ..crate::Flow::of(&outer.packet) };
        let namespace = self.namespace;
        if let crate::Lookup::Found(found) = namespace.fib().lookup(&flow, self.forks)
            && found.nexthop.and_then(|hop| hop.link) == Some(link.index)
        {
            let evidence = self.route_evidence(found.route);
            return Err(self.stop(Stage::Tunnel, Some(link.index), &outer.packet, Stop::TunnelLoop, evidence));
        }
        Ok(())
    }

    /// The entry for an address, else the default entry of zeros.
    fn vxlan_entry(&self, device: IfIndex, mac: MacAddr) -> Option<&'a FdbEntry> {
        let namespace = self.namespace;
        let of = |mac| {
            let mut entries = namespace.fdb_entries(mac);
            entries.find(|entry| entry.link == device && entry.controller.is_none())
        };
        of(mac).or_else(|| of(MacAddr::ZERO))
    }

    /// An outer packet reached UDP (`vxlan_rcv`).
    pub(super) fn vxlan_input(&mut self, link: &Link, skb: Skb) -> Result<Ending, Ending> {
        let (Some(encap), Some(port)) = (skb.packet.encap.as_deref(), skb.packet.dport()) else {
            return Ok(Ending::Delivered { packet: skb.packet, device: link.index });
        };
        let mut devices = self.namespace.snapshot().links.elements().iter().filter_map(|link| match &link.kind {
            LinkKind::Vxlan(config) if config.port == port && link.up && config.listens_on(skb.packet.family()) => {
                Some((link, config))
            }
            _ => None,
        });
        let first = devices.next();
        let Some((first, _)) = first else {
            let known = self.vxlan_devices_text();
            let evidence = Evidence::new("link", known);
            let stop = Stop::TunnelPortMismatch { port };
            return Err(self.stop(Stage::Tunnel, Some(link.index), &skb.packet, stop, evidence));
        };
        let matching =
            std::iter::once(first).chain(devices.map(|(link, _)| link)).find(|link| vni_of(link) == Some(encap.vni));
        let Some(tunnel) = matching else {
            let evidence = Evidence::new("link", self.vxlan_devices_text());
            let stop = Stop::VniMismatch { vni: encap.vni };
            return Err(self.stop(Stage::Tunnel, Some(link.index), &skb.packet, stop, evidence));
        };
        let inner = Skb::new(encap.frame.clone());
        let inner_packet = Packet { mark: skb.packet.mark, ..inner.packet.clone() };
        let mut inner = Skb { packet: inner_packet, ..inner };
        self.assume(&mut inner);
        let change = (skb.packet, inner.packet.clone());
        self.change(Stage::Tunnel, Some(tunnel.index), change, |_| {
            (format!("out of the tunnel at {}", tunnel.name), link_evidence(tunnel))
        });
        self.ingress_skb(tunnel.index, inner)
    }

    fn vxlan_devices_text(&self) -> String {
        let devices: Vec<String> = self
            .namespace
            .snapshot()
            .links
            .elements()
            .iter()
            .filter_map(|link| match &link.kind {
                LinkKind::Vxlan(config) => {
                    let state = if link.up { "up" } else { "down" };
                    Some(format!("{} vxlan id {} dstport {} {state}", link.name, config.vni, config.port))
                }
                _ => None,
            })
            .collect();
        if devices.is_empty() { "no VXLAN device".to_owned() } else { devices.join("; ") }
    }
}

fn vni_of(link: &Link) -> Option<skoop_model::Vni> {
    match &link.kind {
        LinkKind::Vxlan(config) => Some(config.vni),
        _ => None,
    }
}

/// The outer packet around a frame. Marks stay, the connection of the inner packet does not (`skb_scrub_packet`).
fn outer_packet(config: &VxlanConfig, entry: &FdbEntry, remote: IpAddr, inner: Skb) -> Skb {
    let source = config.local.unwrap_or(remote);
    let ip_header: u32 = if remote.is_ipv4() { 20 } else { 40 };
    let transport = Transport::Udp { sport: OUTER_SOURCE_PORT, dport: entry.port.map_or(config.port, Port) };
    let length = inner.packet.length_bytes.saturating_add(ip_header + OVERHEAD_WITHOUT_IP);
    let mut outer = Packet::new(source, remote, Protocol::UDP, transport, length);
    outer.mark = inner.packet.mark;
    outer.dont_fragment = match config.dont_fragment {
        OuterDf::Unset => false,
        OuterDf::Set => true,
        OuterDf::Inherit => inner.packet.dont_fragment,
    };
    if config.ttl > 0 {
        outer.ttl = config.ttl;
    }
    let vni = entry.vni.unwrap_or(config.vni);
    let frame: Frame = inner.into_frame();
    outer.encap = Some(Box::new(Encap { vni, frame }));
    Skb::local(outer)
}
