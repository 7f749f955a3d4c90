//! The reverse path as netfilter's match `rpfilter` sees it (`net/ipv4/netfilter/ipt_rpfilter.c`,
//! `net/ipv6/netfilter/ip6t_rpfilter.c`).

use std::net::IpAddr;

use skoop_model::{Link, Mark, Packet, RouteKind};

use super::rules::Outcome;
use super::{Fib, Flow, Lookup};
use crate::fork::ForkKind;
use crate::{Forks, ReversePath, Tri};

impl Fib {
    /// Whether the way back to the source of a packet that came in by `device` is acceptable.
    pub(crate) fn netfilter_reverse_path(&self, packet: &Packet, device: &Link, options: ReversePath) -> Tri {
        if device.loopback {
            return Tri::Yes;
        }
        let mut forks = Forks::first();
        let passes = match (packet.src, packet.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let local_group = dst.octets().starts_with(&[224, 0, 0]);
                if is_zeronet(packet.src) && (dst.is_broadcast() || local_group) {
                    return Tri::Yes;
                }
                let answerable = !dst.is_multicast() && !dst.is_broadcast() && !is_zeronet(packet.dst);
                let flow = reverse_flow(packet, Some(packet.dst).filter(|_| answerable), options);
                self.reverse_v4(&Flow { dst: src.into(), ..flow }, device, options, &mut forks)
            }
            _ if packet.src.is_unspecified() => return Tri::Yes,
            _ => self.reverse_v6(packet, device, options, &mut forks),
        };
        let guessed = forks.choices().iter().any(|choice| matches!(choice.kind, ForkKind::Unknown(_)));
        match passes {
            Some(passes) if !guessed => passes.into(),
            _ => Tri::Maybe,
        }
    }

    /// `rpfilter_lookup_reverse`.
    fn reverse_v4(&self, flow: &Flow, device: &Link, options: ReversePath, forks: &mut Forks) -> Option<bool> {
        let route = match self.select(flow, forks) {
            Ok(Outcome::Route { selected, .. }) => selected.route,
            Ok(Outcome::Refused { .. } | Outcome::Nothing { .. }) => return Some(false),
            Err(_) => return None,
        };
        let kind_fits = match route.kind {
            RouteKind::Unicast => true,
            RouteKind::Local => options.accept_local,
            _ => false,
        };
        let uses_device = route.nexthops.iter().any(|hop| hop.link == Some(device.index));
        Some(kind_fits && (uses_device || options.loose))
    }

    /// `rpfilter_lookup_reverse6`.
    fn reverse_v6(&self, packet: &Packet, device: &Link, options: ReversePath, forks: &mut Forks) -> Option<bool> {
        let link_local = matches!(packet.src, IpAddr::V6(src) if src.is_unicast_link_local());
        let unicast = !packet.dst.is_multicast() && !packet.dst.is_unspecified();
        let flow = Flow {
            oif: (link_local || !options.loose).then_some(device.index),
            any_device: !link_local,
            ..reverse_flow(packet, Some(packet.dst).filter(|_| unicast), options)
        };
        let found = match self.lookup(&flow, forks) {
            Lookup::Found(found) => found,
            Lookup::Refused { .. } | Lookup::NoRoute { .. } => return Some(false),
            Lookup::Unknown(_) => return None,
        };
        Some(match found.kind() {
            RouteKind::Local => options.accept_local,
            RouteKind::Unicast | RouteKind::Multicast => options.loose || found.device() == Some(device.index),
            _ => false,
        })
    }
}

fn reverse_flow(packet: &Packet, src: Option<IpAddr>, options: ReversePath) -> Flow {
    Flow {
        src,
        dst: packet.src,
        iif: None,
        oif: None,
        any_device: false,
        mark: if options.valid_mark { packet.mark } else { Mark(0) },
        tos: packet.tos,
        // IPv4 asks without ports and protocol.
        protocol: skoop_model::Protocol(if packet.dst.is_ipv4() { 0 } else { packet.protocol.0 }),
        sport: None,
        dport: None,
        uid: Some(0),
    }
}

/// `ipv4_is_zeronet`: 0.0.0.0/8; of late only 0.0.0.0 itself.
fn is_zeronet(address: IpAddr) -> bool {
    address.is_unspecified()
}
