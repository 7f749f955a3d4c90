//! The part that every rule has: addresses, devices, protocol (`struct ipt_ip`, `struct ip6t_ip6`), and the destination port,
//! which most rules have.

use crate::mutation::{Mutation, is};
use std::net::IpAddr;

use skoop_model::{Family, Packet, PortRange};

/// What rules compare most, taken from the packet once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PacketKey {
    pub src: u128,
    pub dst: u128,
    pub protocol: u8,
    /// Destination port, where there is one.
    pub dport: Option<u16>,
    pub family: Family,
}

impl PacketKey {
    pub(crate) fn of(packet: &Packet) -> Self {
        let dport = packet.dport().map(|port| port.0);
        Self {
            src: bits(packet.src),
            dst: bits(packet.dst),
            protocol: packet.protocol.0,
            dport,
            family: packet.family(),
        }
    }
}

/// An address as a number. Rules of one family meet packets of that family only.
pub(crate) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// A prefix, or an address under any mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Net {
    pub address: u128,
    pub mask: u128,
}

impl Net {
    fn contains(&self, address: u128) -> bool {
        address & self.mask == self.address
    }

    /// `ADDRESS`, `ADDRESS/LENGTH` or `ADDRESS/MASK`.
    pub(crate) fn parse(text: &str, family: Family) -> Option<Self> {
        let (address, mask) = text.split_once('/').map_or((text, None), |(address, mask)| (address, Some(mask)));
        let address: IpAddr = address.parse().ok()?;
        if Family::of(address) != family {
            return None;
        }
        let width = u32::from(family.bits());
        let all = u128::MAX >> (128 - width);
        let mask = match mask.map(|mask| (mask.parse::<u32>(), mask.parse::<IpAddr>())) {
            None => all,
            Some((Ok(length), _)) if length <= width => {
                if length == 0 {
                    0
                } else {
                    (u128::MAX << (width - length)) & all
                }
            }
            Some((_, Ok(mask))) if Family::of(mask) == family => bits(mask),
            Some(_) => return None,
        };
        Some(Self { address: bits(address) & mask, mask })
    }

    /// The address, if the prefix holds only one.
    pub(crate) fn only(&self, family: Family) -> Option<u128> {
        (self.mask == u128::MAX >> (128 - u32::from(family.bits()))).then_some(self.address)
    }
}

/// Inversions of [`Common`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Inverted {
    pub src: bool,
    pub dst: bool,
    pub protocol: bool,
    pub in_device: bool,
    pub out_device: bool,
}

/// The common part, compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Common {
    pub src: Net,
    pub dst: Net,
    /// 0 is any.
    pub protocol: u8,
    pub inverted: Inverted,
    /// `-f`: only fragments other than the first, which are not modelled.
    pub fragment: bool,
    /// Device patterns by their place in the table's list; 0 is any.
    pub in_device: u32,
    pub out_device: u32,
    /// `-m tcp --dport`, `-m udp --dport`.
    pub dports: Option<PortRange>,
    /// Family of the packet, for rules of tables for both.
    pub family: Option<Family>,
}

impl Common {
    /// Everything but the devices (`ip_packet_match`, `net/ipv4/netfilter/ip_tables.c`; `ip6_packet_match`).
    pub(crate) fn matches(&self, key: &PacketKey) -> bool {
        self.family.is_none_or(|family| family == key.family)
            && self.dst.contains(key.dst) != self.inverted.dst
            && (self.protocol == 0 || (self.protocol == key.protocol) != self.inverted.protocol)
            && self.src.contains(key.src) != (self.inverted.src && !is(Mutation::NegationIgnored))
            && !self.fragment
            && self.dports.is_none_or(|range| key.dport.is_some_and(|port| range.contains(port.into())))
    }
}

/// A device name, or the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct DevicePattern {
    name: Box<str>,
    prefix: bool,
}

impl DevicePattern {
    /// `eth0`, `cali+`.
    pub(crate) fn parse(text: &str) -> Self {
        match text.strip_suffix('+') {
            Some(start) => Self { name: start.into(), prefix: true },
            None => Self { name: text.into(), prefix: false },
        }
    }

    /// Exactly this name.
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.into(), prefix: false }
    }

    /// Any name that begins so.
    pub(crate) fn starting_with(start: &str) -> Self {
        Self { name: start.into(), prefix: true }
    }

    /// Whether the device has the name. A missing device has the empty one (`ifname_compare_aligned` with `nulldevname`).
    pub(crate) fn matches(&self, device: Option<&str>) -> bool {
        let device = device.unwrap_or_default();
        if self.prefix { device.starts_with(&*self.name) } else { *self.name == *device }
    }
}

#[cfg(test)]
mod tests {
    use skoop_model::Family;

    use super::*;

    #[test]
    fn prefixes_and_masks() {
        for (text, address, inside) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.5", "10.0.0.5", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("10.0.0.7/255.0.0.255", "10.9.9.7", true),
            ("10.0.0.7/255.0.0.255", "10.9.9.8", false),
            ("fd00::/16", "fd00:1::", true),
            ("fd00::1/ffff::ffff", "fd00:1::1", true),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            let net = Net::parse(text, Family::of(address)).expect("a prefix");
            assert_eq!(net.contains(bits(address)), inside, "{text} {address}");
        }
        for bad in ["10.0.0.0/33", "fd00::/8", "10.0.0.0/", "x"] {
            assert_eq!(Net::parse(bad, Family::V4), None, "{bad}");
        }
    }

    #[test]
    fn device_patterns() {
        for (pattern, device, matches) in [
            ("eth0", Some("eth0"), true),
            ("eth0", Some("eth01"), false),
            ("cali+", Some("cali123"), true),
            ("cali+", Some("cali"), true),
            ("cali+", None, false),
            ("+", None, true),
        ] {
            assert_eq!(DevicePattern::parse(pattern).matches(device), matches, "{pattern} {device:?}");
        }
    }
}
