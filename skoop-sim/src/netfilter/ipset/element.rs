//! Types and elements of sets.

use std::net::IpAddr;

use skoop_model::{Family, Protocol};

use super::width;
use crate::netfilter::common::bits;

/// What one dimension of an element holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimension {
    Address,
    Prefix,
    /// Protocol and port.
    Port,
    /// Port of `bitmap:port`, of any protocol.
    BarePort,
    Mark,
}

/// Shape of a set's elements.
#[derive(Debug)]
pub(super) struct Layout {
    /// None for sets without addresses.
    pub family: Option<Family>,
    dimensions: Vec<Dimension>,
    /// `netmask` of `hash:ip`.
    netmask: Option<u8>,
}

/// An element: a number in each dimension, cut to its length in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub lengths: [u8; 3],
    values: [u128; 3],
}

impl Layout {
    /// The layout of a type with its options; none if it is not modelled: MAC addresses and devices are not.
    pub(super) fn parse<'t>(kind: &str, options: impl Iterator<Item = &'t str>) -> Option<Self> {
        let (method, names) = kind.split_once(':')?;
        let dimension = |name| match (method, name) {
            ("hash" | "bitmap", "ip") => Some(Dimension::Address),
            ("hash", "net") => Some(Dimension::Prefix),
            ("hash", "port") => Some(Dimension::Port),
            ("bitmap", "port") => Some(Dimension::BarePort),
            ("hash", "mark") => Some(Dimension::Mark),
            _ => None,
        };
        let dimensions = names.split(',').map(dimension).collect::<Option<Vec<_>>>().filter(|all| all.len() <= 3)?;
        let mut layout = Self { family: Some(Family::V4), dimensions, netmask: None };
        let mut options = options;
        while let Some(option) = options.next() {
            match option {
                "family" => {
                    layout.family = Some(match options.next()? {
                        "inet" => Family::V4,
                        "inet6" => Family::V6,
                        _ => return None,
                    });
                }
                "netmask" => layout.netmask = Some(options.next()?.parse().ok()?),
                "bitmask" | "markmask" => return None,
                _ => {}
            }
        }
        if layout.dimensions == [Dimension::BarePort] {
            layout.family = None;
        }
        Some(layout)
    }

    pub(super) fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// The key under which a packet with these values stands, if the set holds it with these lengths.
    pub(super) fn key(&self, values: [u128; 3], lengths: [u8; 3]) -> Key {
        let mut key = Key { lengths, values };
        for ((value, length), dimension) in key.values.iter_mut().zip(lengths).zip(&self.dimensions) {
            if matches!(dimension, Dimension::Address | Dimension::Prefix) {
                *value = cut(*value, length, width(self.family));
            }
        }
        key
    }

    /// Reads `10.0.0.0/24,tcp:80`.
    pub(super) fn element(&self, text: &str) -> Option<Key> {
        let mut key = Key { lengths: [0; 3], values: [0; 3] };
        let mut parts = text.split(',');
        for ((value, length), dimension) in key.values.iter_mut().zip(&mut key.lengths).zip(&self.dimensions) {
            let part = parts.next()?;
            (*value, *length) = match dimension {
                Dimension::Address | Dimension::Prefix => self.prefix(part)?,
                Dimension::Port => (port(part)?, 0),
                Dimension::BarePort => (part.parse::<u16>().ok()?.into(), 0),
                Dimension::Mark => (crate::netfilter::args::number(part)?.into(), 0),
            };
        }
        parts.next().is_none().then_some(key)
    }

    fn prefix(&self, text: &str) -> Option<(u128, u8)> {
        let width = width(self.family);
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, length.parse().ok().filter(|length| *length <= width)?),
            None => (text, self.netmask.unwrap_or(width)),
        };
        let address: IpAddr = address.parse().ok()?;
        (Some(Family::of(address)) == self.family).then(|| (cut(bits(address), length, width), length))
    }
}

/// `tcp:80`, `icmp:8/0`, `vrrp:0`; a bare number is TCP.
fn port(text: &str) -> Option<u128> {
    let (protocol, port) = text.split_once(':').unwrap_or(("tcp", text));
    let number = match port.split_once('/') {
        Some((kind, code)) => u16::from_be_bytes([kind.parse().ok()?, code.parse().ok()?]),
        None => port.parse().ok()?,
    };
    Some(port_value(protocol.parse().ok()?, number))
}

/// Protocol and port as one number.
pub(super) fn port_value(protocol: Protocol, port: u16) -> u128 {
    (u128::from(protocol.0) << 16) | u128::from(port)
}

fn cut(value: u128, length: u8, width: u8) -> u128 {
    let host = u32::from(width.saturating_sub(length));
    u128::MAX.checked_shl(host).map_or(0, |mask| value & mask)
}
