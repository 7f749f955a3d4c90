//! Neighbour resolution, and handing a frame to a device.

use std::net::IpAddr;

use skoop_model::{Evidence, Frame, Link, LinkKind, MacAddr, Neighbour, NeighbourState, RouteKind, Stage, Unseen};

use super::input::is_plain;
use super::reply::IcmpError;
use super::walker::{Skb, Walker, link_evidence};
use super::{Ending, Resolution, Stop};
use crate::{DeviceHook, Found};

impl Walker<'_, '_> {
    /// The link-layer address of `next_hop` (`neigh_resolve_output`, net/core/neighbour.c).
    pub(super) fn neighbour(
        &mut self,
        link: &Link,
        next_hop: IpAddr,
        found: &Found<'_>,
        skb: &Skb,
    ) -> Result<MacAddr, Ending> {
        if let Some(mac) = group_mac(next_hop) {
            return Ok(mac);
        }
        if found.kind() == RouteKind::Broadcast {
            return Ok(MacAddr::BROADCAST);
        }
        if link.no_arp || link.mac.is_none() {
            return Ok(MacAddr::ZERO);
        }
        let entry = self.namespace.neighbour(link.index, next_hop);
        if let Some((entry, mac)) = entry.and_then(|entry| Some((entry, entry.mac?)))
            && entry.state.is_valid()
        {
            self.pass(Stage::Neighbour, Some(link.index), &skb.packet, |_| {
                (format!("{next_hop} is at {mac}"), Evidence::new("neighbour", neighbour_text(entry, &link.name)))
            });
            return Ok(mac);
        }
        self.resolve(link, next_hop, entry, skb)
    }

    fn resolve(
        &mut self,
        link: &Link,
        next_hop: IpAddr,
        entry: Option<&Neighbour>,
        skb: &Skb,
    ) -> Result<MacAddr, Ending> {
        let device = Some(link.index);
        let mac = match self.around.resolve(link.index, next_hop) {
            Resolution::Answer(mac) => mac,
            Resolution::Several(macs) => {
                let unseen = Unseen {
                    what: format!(
                        "which of {} owners answers for {next_hop} on {} of {}",
                        macs.len(),
                        link.name,
                        self.site.node
                    ),
                    why: "no neighbour entry yet: the first answer wins".to_owned(),
                    matters: true,
                };
                let label = |option: usize| macs.get(option).map(ToString::to_string).unwrap_or_default();
                let taken = self.forks.unknown_among(unseen, macs.len(), label);
                macs.get(taken).copied().unwrap_or_default()
            }
            // Nobody in sight knows, but the kernel asked, and had no answer.
            Resolution::Unseen if entry.is_some_and(|entry| has_failed(entry.state)) => {
                return Err(self.no_neighbour(link, next_hop, entry, skb));
            }
            Resolution::Unseen => {
                self.pass(Stage::Neighbour, device, &skb.packet, |_| {
                    let by = Evidence::new("missing", format!("{next_hop} is outside of what was collected"));
                    (format!("{next_hop} is taken to answer"), by)
                });
                return Ok(MacAddr::ZERO);
            }
            Resolution::Nobody => return Err(self.no_neighbour(link, next_hop, entry, skb)),
        };
        self.pass(Stage::Neighbour, device, &skb.packet, |_| {
            let by = Evidence::new("neighbour", format!("{next_hop} dev {} answers with {mac}", link.name));
            (format!("{next_hop} is at {mac}, once asked"), by)
        });
        Ok(mac)
    }

    fn no_neighbour(&mut self, link: &Link, next_hop: IpAddr, entry: Option<&Neighbour>, skb: &Skb) -> Ending {
        let evidence = match entry {
            Some(entry) => Evidence::new("neighbour", neighbour_text(entry, &link.name)),
            None => Evidence::new("missing", format!("no neighbour entry for {next_hop} dev {}", link.name)),
        };
        self.icmp_error(skb, IcmpError::no_neighbour(skb.packet.family()));
        let stop = Stop::NoNeighbour { address: next_hop, state: entry.map(|entry| entry.state) };
        self.stop(Stage::Neighbour, Some(link.index), &skb.packet, stop, evidence)
    }

    /// Hands the frame to a device (`dev_queue_xmit`, net/core/dev.c).
    pub(super) fn transmit(&mut self, link: &Link, mut skb: Skb, next_hop: Option<IpAddr>) -> Result<Ending, Ending> {
        let device = Some(link.index);
        if !link.up {
            return Err(self.stop(Stage::Egress, device, &skb.packet, Stop::LinkDown, link_evidence(link)));
        }
        self.device_hook(DeviceHook::Egress, link, &mut skb);
        match &link.kind {
            LinkKind::Bridge(_) => return self.bridge_output(link, skb),
            LinkKind::Vxlan(config) => return self.vxlan_output(link, config, skb),
            // What runs over it reads it from a file.
            LinkKind::Other { kind } if kind == "tun" => {}
            // `ifb_xmit`: "if (!skb->redirected || !skb->skb_iif)".
            LinkKind::Other { kind } if kind == "ifb" => {
                return Err(self.stop(Stage::Egress, device, &skb.packet, Stop::Discarded, link_evidence(link)));
            }
            _ if !is_plain(link) => {
                let what = format!("device {} of kind {}", link.name, link.kind.name());
                return Err(self.unknown(what, "this kind of device is not modelled"));
            }
            _ => {}
        }
        if !link.lower_up {
            return Err(self.stop(Stage::Egress, device, &skb.packet, Stop::NoCarrier, link_evidence(link)));
        }
        self.programs(link)?;
        self.pass(Stage::Egress, device, &skb.packet, |walker| {
            (format!("sent by {}", link.name), walker.link_evidence(link))
        });
        let frame: Frame = skb.into_frame();
        Ok(Ending::Sent { device: link.index, frame, next_hop })
    }
}

/// The link-layer address of a multicast group or of all (`ip_eth_mc_map`, `include/net/ip.h`; `ipv6_eth_mc_map`,
/// `include/net/if_inet6.h`; `arp_mc_map`, `net/ipv4/arp.c`).
fn group_mac(address: IpAddr) -> Option<MacAddr> {
    match address {
        IpAddr::V4(address) if address.is_broadcast() => Some(MacAddr::BROADCAST),
        IpAddr::V4(address) if address.is_multicast() => {
            let [_, second, third, fourth] = address.octets();
            Some(MacAddr([0x01, 0x00, 0x5e, second & 0x7f, third, fourth]))
        }
        IpAddr::V6(address) if address.is_multicast() => {
            let [.., first, second, third, fourth] = address.octets();
            Some(MacAddr([0x33, 0x33, first, second, third, fourth]))
        }
        _ => None,
    }
}

/// Requests were sent and not answered. An incomplete entry says less: the answer may be on its way.
fn has_failed(state: NeighbourState) -> bool {
    state == NeighbourState::Failed
}

/// The entry as `ip neighbour` prints it.
pub(crate) fn neighbour_text(entry: &Neighbour, device: &str) -> String {
    let state = match entry.state {
        NeighbourState::Incomplete => "INCOMPLETE",
        NeighbourState::Reachable => "REACHABLE",
        NeighbourState::Stale => "STALE",
        NeighbourState::Delay => "DELAY",
        NeighbourState::Probe => "PROBE",
        NeighbourState::Failed => "FAILED",
        NeighbourState::NoArp => "NOARP",
        NeighbourState::Permanent => "PERMANENT",
        NeighbourState::None => "NONE",
    };
    match entry.mac {
        Some(mac) => format!("{} dev {device} lladdr {mac} {state}", entry.address),
        None => format!("{} dev {device} {state}", entry.address),
    }
}
