//! Checks on what comes in: addresses that may not appear, and the reverse path filter.

use crate::mutation::{Mutation, is};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use skoop_model::{Family, IfIndex, Mark, Packet, Route, RouteKind, Sysctls, Unseen};

use super::rules::{Outcome, Selected};
use super::{Fib, Flow};
use crate::Forks;

/// Result of the checks on a packet that came in.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceCheck<'a> {
    /// Nothing speaks against it.
    Ok,
    /// An address that may not appear there.
    Martian {
        /// Which one and why, for people.
        why: String,
    },
    /// The reverse path filter drops it.
    RpFilter {
        /// The sysctl in force: of `all` and of the device the one with the greater value.
        sysctl: String,
        /// Its value: 1 is strict, 2 loose.
        value: i64,
        /// The route back to the source; none if there is none.
        reverse: Option<&'a Route>,
    },
    /// It depends on something that was not seen.
    Unknown(Unseen),
}

/// What the way back says.
enum Reverse<'a> {
    /// It leads by the device, or nothing asks for more.
    Fits,
    /// The source is not a unicast address.
    NotUnicast(RouteKind),
    /// It leads elsewhere or nowhere; strict and loose, what the filter says.
    Elsewhere { route: Option<&'a Route>, loose_passes: bool },
}

impl Fib {
    /// Checks the addresses of a packet that came in by `device`, and that the way back to its source leads by that
    /// device. `out` is the device that it would be forwarded by; none if it is for this host.
    ///
    /// IPv4: `ip_route_input_slow`, `net/ipv4/route.c`; `fib_validate_source`, `net/ipv4/fib_frontend.c`. IPv6:
    /// `ip6_rcv_core`, `net/ipv6/ip6_input.c`; there is no reverse path filter but netfilter's.
    pub fn validate_source(
        &self,
        packet: &Packet,
        device: IfIndex,
        out: Option<IfIndex>,
        forks: &mut Forks,
    ) -> SourceCheck<'_> {
        if let Some(why) = self.martian(packet, device) {
            return SourceCheck::Martian { why };
        }
        match packet.family() {
            Family::V4 if !packet.src.is_unspecified() => self.reverse_path(packet, device, out, forks),
            _ => SourceCheck::Ok,
        }
    }

    /// Why the addresses of a packet that came in by `device` may not appear there, whatever the routes; none if they
    /// may. The kernel asks this before it looks for a route.
    pub fn martian(&self, packet: &Packet, device: IfIndex) -> Option<String> {
        match (packet.src, packet.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => self.martian_v4(src, dst, device),
            (IpAddr::V6(src), IpAddr::V6(dst)) => self.martian_v6(src, dst, device),
            _ => Some("source and destination are of different families".to_owned()),
        }
    }

    /// "The most weird martians", as the kernel calls them.
    fn martian_v4(&self, src: Ipv4Addr, dst: Ipv4Addr, device: IfIndex) -> Option<String> {
        if src.is_multicast() || src.is_broadcast() {
            return Some(format!("source {src} is not a unicast address"));
        }
        if dst.is_broadcast() || (src.is_unspecified() && dst.is_unspecified()) {
            return None;
        }
        let [first, second, third, _] = dst.octets();
        let local_group = [first, second, third] == [224, 0, 0];
        // `ipv4_is_zeronet` is 0.0.0.0 alone.
        if src.is_unspecified() && !local_group {
            return Some(format!("source {src} is allowed only towards 255.255.255.255"));
        }
        if dst.is_unspecified() {
            return Some(format!("destination {dst} is no address"));
        }
        let loopback = if dst.is_loopback() { ("destination", dst) } else { ("source", src) };
        let forbidden = loopback.1.is_loopback() && !self.devices.settings(device).route_localnet;
        forbidden.then(|| {
            let name = self.device_name(device);
            format!("{} {} came in by {name}, which has route_localnet = 0", loopback.0, loopback.1)
        })
    }

    fn martian_v6(&self, src: Ipv6Addr, dst: Ipv6Addr, device: IfIndex) -> Option<String> {
        if src.is_multicast() {
            return Some(format!("source {src} is not a unicast address"));
        }
        let on_loopback = self.link(device).is_some_and(|link| link.loopback);
        // The scope of a group: 0 is reserved, 1 stays in the host (RFC 4291, 2.7; erratum 3480).
        let scope = dst.segments().first().map_or(0, |first| first & 0xf);
        if dst.is_multicast() && (scope == 0 || (scope == 1 && !on_loopback)) {
            return Some(format!("destination {dst} came in by {}", self.device_name(device)));
        }
        let forbidden = [("source", src), ("destination", dst)].into_iter().find(|(_, address)| address.is_loopback());
        let (which, address) = forbidden.filter(|_| !on_loopback)?;
        Some(format!("{which} {address} came in by {}", self.device_name(device)))
    }

    /// `fib_validate_source` with the values of the sysctls.
    fn reverse_path(
        &self,
        packet: &Packet,
        device: IfIndex,
        out: Option<IfIndex>,
        forks: &mut Forks,
    ) -> SourceCheck<'_> {
        let settings = self.devices.settings(device);
        let of_all = settings.rp_filter_of_all && is(Mutation::RpFilterOfAllIgnored);
        let (value, accepts_local) =
            (settings.rp_filter.filter(|_| !of_all).or(Some(0).filter(|_| of_all)), settings.accept_local);
        if value == Some(0) && (out != Some(device) || !settings.send_redirects) {
            if accepts_local {
                return SourceCheck::Ok;
            }
            if self.v4.default_rules && !self.v4.custom_local {
                return if self.devices.owns(packet.src) { own_address(packet.src) } else { SourceCheck::Ok };
            }
        }
        let reverse = match self.reverse(packet, device, out, accepts_local, forks) {
            Ok(reverse) => reverse,
            Err(unseen) => return SourceCheck::Unknown(unseen),
        };
        match reverse {
            Reverse::Fits => SourceCheck::Ok,
            Reverse::NotUnicast(RouteKind::Local) => own_address(packet.src),
            Reverse::NotUnicast(kind) => {
                SourceCheck::Martian { why: format!("source {} is a {} address here", packet.src, kind.name()) }
            }
            Reverse::Elsewhere { route, loose_passes } => {
                let sysctl = self.rp_filter_path(device);
                let drops = match value {
                    Some(value) => value == 1 || (value != 0 && !loose_passes),
                    None => !forks.unknown(unread(&sysctl)),
                };
                let value = value.unwrap_or(1);
                if drops { SourceCheck::RpFilter { sysctl, value, reverse: route } } else { SourceCheck::Ok }
            }
        }
    }

    /// `__fib_validate_source`, up to what `rp_filter` makes of it.
    fn reverse(
        &self,
        packet: &Packet,
        device: IfIndex,
        out: Option<IfIndex>,
        accepts_local: bool,
        forks: &mut Forks,
    ) -> Result<Reverse<'_>, Unseen> {
        let marked = self.devices.settings(device).src_valid_mark;
        // A broadcast is answered from any address (`brd_input`).
        let broadcast = matches!(self.address_kind(packet.dst, None), RouteKind::Broadcast | RouteKind::Multicast);
        let flow = Flow {
            src: Some(packet.dst).filter(|_| !broadcast),
            dst: packet.src,
            // What is for this host is looked up as if this host answered.
            iif: out,
            oif: None,
            any_device: false,
            mark: if marked { packet.mark } else { Mark(0) },
            tos: packet.tos,
            protocol: packet.protocol,
            sport: packet.dport(),
            dport: packet.sport(),
            uid: Some(0),
        };
        let selected = match self.select(&flow, forks)? {
            Outcome::Route { selected, .. } => selected,
            Outcome::Refused { route, .. } => return Ok(Reverse::Elsewhere { route, loose_passes: false }),
            Outcome::Nothing { .. } => return Ok(Reverse::Elsewhere { route: None, loose_passes: false }),
        };
        Ok(match selected.route.kind {
            RouteKind::Unicast => self.compared(&selected, device),
            RouteKind::Local if accepts_local => self.compared(&selected, device),
            kind => Reverse::NotUnicast(kind),
        })
    }

    fn compared<'a>(&self, selected: &Selected<'a>, device: IfIndex) -> Reverse<'a> {
        let loops_back = selected.route.kind == RouteKind::Local && device == super::rules::LOOPBACK;
        if loops_back || selected.route.nexthops.iter().any(|hop| hop.link == Some(device)) {
            return Reverse::Fits;
        }
        // On a device without address not even the loose check passes.
        Reverse::Elsewhere { route: Some(selected.route), loose_passes: self.has_address_v4(device) }
    }

    /// The `rp_filter` in force.
    fn rp_filter_path(&self, device: IfIndex) -> String {
        let of_all = self.devices.settings(device).rp_filter_of_all;
        let name = if of_all { "all".to_owned() } else { self.device_name(device) };
        Sysctls::device_path(Family::V4, &name, "rp_filter")
    }
}

fn own_address<'a>(address: IpAddr) -> SourceCheck<'a> {
    SourceCheck::Martian { why: format!("source {address} is an address of this host itself, and accept_local is 0") }
}

fn unread(sysctl: &str) -> Unseen {
    Unseen { what: format!("{sysctl} is 0"), why: "the sysctl was not collected".to_owned(), matters: true }
}
