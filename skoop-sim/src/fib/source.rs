//! Source addresses (`inet_select_addr`, `net/ipv4/devinet.c`; `ipv6_dev_get_saddr`, `net/ipv6/addrconf.c`).

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv6Addr};

use skoop_model::{Address, Family, IfIndex, NextHop, Packet, Route, RouteKind, RouteScope};

use super::{Fib, Flow, Found, Lookup};
use crate::Forks;

impl Fib {
    /// The source address of a packet that this host sends along `found`, where the sender chose none; none if no
    /// address fits.
    ///
    /// IPv4: `fib_result_prefsrc`, `net/ipv4/fib_semantics.c`. IPv6: `ip6_route_get_saddr`, `net/ipv6/ip6_output.c`.
    pub fn source_address(&self, flow: &Flow, found: &Found<'_>) -> Option<IpAddr> {
        if flow.src.is_some() {
            return flow.src;
        }
        if found.route.prefsrc.is_some() {
            return found.route.prefsrc;
        }
        match (flow.family(), found.nexthop) {
            (Family::V4, _) if found.route.kind == RouteKind::Local => Some(flow.dst),
            (Family::V4, Some(hop)) => self.hop_source(found.route, hop),
            (Family::V4, None) => None,
            (Family::V6, hop) => self.select_address_v6(hop.and_then(|hop| hop.link), flow.dst),
        }
    }

    /// The source that `masquerade` gives packets that leave by `out`: for IPv4 `inet_select_addr` towards the next
    /// hop, for IPv6 the source that this host would choose (`net/netfilter/nf_nat_masquerade.c`).
    pub fn masquerade_address(&self, out: IfIndex, packet: &Packet) -> Option<IpAddr> {
        match packet.family() {
            Family::V4 => {
                let flow = Flow { src: None, oif: Some(out), ..Flow::of(packet) };
                let next_hop = match self.lookup(&flow, &mut Forks::first()) {
                    Lookup::Found(found) => found.gateway().filter(IpAddr::is_ipv4).unwrap_or(packet.dst),
                    _ => packet.dst,
                };
                self.select_address(Some(out), Some(next_hop), 0)
            }
            Family::V6 => self.select_address_v6(Some(out), packet.dst),
        }
    }

    /// `fib_info_update_nhc_saddr`, `net/ipv4/fib_semantics.c`.
    pub(super) fn hop_source(&self, route: &Route, hop: &NextHop) -> Option<IpAddr> {
        self.select_address(hop.link, hop.gateway.filter(IpAddr::is_ipv4), route.scope.0)
    }

    /// `inet_select_addr`, `net/ipv4/devinet.c`: the first primary address of the device that is on one link with
    /// `towards`, else its first one, else the first one of any device.
    pub(crate) fn select_address(&self, device: Option<IfIndex>, towards: Option<IpAddr>, scope: u8) -> Option<IpAddr> {
        let primary = |device| self.devices.addresses_v4(device).iter().filter(|address| !address.secondary);
        let localnet = device.is_some_and(|device| self.devices.settings(device).route_localnet);
        let widest = if localnet { RouteScope::LINK.0 } else { RouteScope::HOST.0 };
        let own = || {
            let fits = |address: &&Address| address.scope.number().min(widest) <= scope;
            device.into_iter().flat_map(primary).filter(fits)
        };
        let on_link = |address: &&Address| towards.is_none_or(|towards| same_subnet(address, towards));
        let any = || {
            let fits = move |address: &&Address| {
                address.scope.number() != RouteScope::LINK.0 && address.scope.number() <= scope
            };
            self.devices.indexes().flat_map(primary).find(fits)
        };
        own().find(on_link).or_else(|| own().next()).or_else(any).map(Address::ip)
    }

    /// `ipv6_dev_get_saddr`, `net/ipv6/addrconf.c`: RFC 6724, section 5, as Linux has it.
    pub(crate) fn select_address_v6(&self, device: Option<IfIndex>, dst: IpAddr) -> Option<IpAddr> {
        let IpAddr::V6(dst) = dst else { return None };
        let only_device = dst.is_multicast() || scope(dst) <= LINK_LOCAL;
        let device = device.filter(|device| *device != super::rules::LOOPBACK);
        let mut best: Option<(_, IpAddr)> = None;
        for entry in self.addresses_of(Family::V6) {
            let IpAddr::V6(address) = entry.ip() else { continue };
            let elsewhere = device.is_some_and(|device| device != entry.link);
            if entry.tentative || entry.dad_failed || (only_device && elsewhere) {
                continue;
            }
            let score = self.score_v6(entry, address, device, dst);
            if best.as_ref().is_none_or(|(highest, _)| score > *highest) {
                best = Some((score, entry.ip()));
            }
        }
        best.map(|(_, address)| address)
    }

    /// `ipv6_get_saddr_eval`, `net/ipv6/addrconf.c`: rules 1 to 8 of RFC 6724, compared in order.
    fn score_v6(&self, entry: &Address, address: Ipv6Addr, device: Option<IfIndex>, dst: Ipv6Addr) -> impl Ord + use<> {
        let (own, wanted) = (scope(address), scope(dst));
        // The smallest scope that is wide enough; else the widest.
        let fitting = if own >= wanted { Reverse(i16::from(own)) } else { Reverse(128 - i16::from(own)) };
        let temporary = self.prefers_temporary(entry.link);
        (
            address == dst,
            fitting,
            !entry.deprecated,
            device.is_none_or(|device| device == entry.link),
            label(address) == label(dst),
            entry.secondary == temporary,
            common_bits(address, dst).min(entry.net.prefix_len()),
        )
    }

    fn prefers_temporary(&self, device: IfIndex) -> bool {
        self.devices.settings(device).prefers_temporary
    }

    pub(super) fn addresses_of(&self, family: Family) -> impl Iterator<Item = &Address> {
        let addresses = self.addresses.as_ref().map_or(&[][..], Vec::as_slice);
        addresses.iter().filter(move |address| Family::of(address.ip()) == family)
    }

    /// Whether the device has an IPv4 address (`in_dev->ifa_list`); not known counts as yes.
    pub(super) fn has_address_v4(&self, device: IfIndex) -> bool {
        self.addresses.is_err() || !self.devices.addresses_v4(device).is_empty()
    }
}

/// `inet_ifa_match`, `include/linux/inetdevice.h`: of a point-to-point address the other end counts.
fn same_subnet(address: &Address, towards: IpAddr) -> bool {
    let end = address.peer.unwrap_or_else(|| address.ip());
    ipnet::IpNet::new(end, address.net.prefix_len()).is_ok_and(|net| net.contains(&towards))
}

/// Scope of a link-local address (`IPV6_ADDR_SCOPE_LINKLOCAL`, `include/net/ipv6.h`).
const LINK_LOCAL: u8 = 2;
/// Scope of a site-local address.
const SITE_LOCAL: u8 = 5;
/// Scope of any other unicast address.
const GLOBAL: u8 = 14;

/// `__ipv6_addr_src_scope`, `net/ipv6/addrconf_core.c`. Loopback counts as link-local.
fn scope(address: Ipv6Addr) -> u8 {
    let [first, second, ..] = address.octets();
    match (first, second) {
        (0xff, second) => second & 0x0f,
        (0xfe, 0x80..=0xbf) => LINK_LOCAL,
        (0xfe, 0xc0..=0xff) => SITE_LOCAL,
        _ if address.is_loopback() => LINK_LOCAL,
        _ => GLOBAL,
    }
}

/// The kernel's default policy table (`ip6addrlbl_init_table`, `net/ipv6/addrlabel.c`), longest prefix first.
const LABELS: [(u128, u8, u8); 10] = [
    (1, 128, 0),
    (0xffff_0000_0000, 96, 4),
    (0, 96, 3),
    (0x2001_0000 << 96, 32, 6),
    (0x2001_0010 << 96, 28, 7),
    (0x2002 << 112, 16, 2),
    (0x3ffe << 112, 16, 12),
    (0xfec0 << 112, 10, 11),
    (0xfc00 << 112, 7, 5),
    (0, 0, 1),
];

fn label(address: Ipv6Addr) -> u8 {
    let within = |(prefix, bits, _): &&(u128, u8, u8)| {
        let host = u32::from(128 - *bits);
        (address.to_bits() ^ prefix).checked_shr(host).unwrap_or(0) == 0
    };
    LABELS.iter().find(within).map_or(1, |(_, _, label)| *label)
}

/// Leading bits that two addresses share.
fn common_bits(one: Ipv6Addr, other: Ipv6Addr) -> u8 {
    u8::try_from((one.to_bits() ^ other.to_bits()).leading_zeros()).unwrap_or(128)
}
