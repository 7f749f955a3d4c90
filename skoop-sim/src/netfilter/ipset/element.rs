//! Elements of sets.

use std::net::IpAddr;

use skoop_model::{Family, MacAddr, Protocol};

use super::layout::{Dimension, Layout};
use super::mac_number;
use crate::netfilter::args::number;
use crate::netfilter::common::bits;
use crate::netfilter::matches::icmp_named;

/// An element written as ranges may stand for so many.
const MAX_PIECES: usize = 1 << 16;

/// A number in each dimension, with its length in bits where it is a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Key {
    pub lengths: [u8; 3],
    pub values: [u128; 3],
}

/// What may follow an element.
#[derive(Debug, Default)]
pub(super) struct ElementOptions {
    pub nomatch: bool,
    /// The device name of the element is the beginning of one.
    pub wildcard: bool,
}

impl ElementOptions {
    /// Reads them; none if one is not known.
    pub(super) fn read<'t>(mut words: impl Iterator<Item = &'t str>) -> Option<Self> {
        let mut options = Self::default();
        while let Some(word) = words.next() {
            match word {
                "nomatch" => options.nomatch = true,
                "wildcard" => options.wildcard = true,
                "timeout" | "packets" | "bytes" | "comment" | "skbmark" | "skbprio" | "skbqueue" | "before"
                | "after" => {
                    words.next()?;
                }
                "-exist" | "-!" => {}
                _ => return None,
            }
        }
        Some(options)
    }
}

/// A value with its prefix length.
type Piece = (u128, u8);

impl Layout {
    /// Reads `10.0.0.0/24,tcp:80`. Ranges give several keys.
    pub(super) fn element(&self, text: &str, mut add: impl FnMut(Key)) -> Option<()> {
        let mut parts = text.split(',');
        let mut all: Vec<Vec<Piece>> = Vec::new();
        let mut count = 1_usize;
        for dimension in &self.dimensions {
            let pieces = self.pieces(*dimension, parts.next()?)?;
            count = count.checked_mul(pieces.len()).filter(|count| *count <= MAX_PIECES)?;
            all.push(pieces);
        }
        if parts.next().is_some() {
            return None;
        }
        for mut number in 0..count {
            let mut key = Key::default();
            for ((value, length), pieces) in key.values.iter_mut().zip(&mut key.lengths).zip(&all) {
                (*value, *length) = *pieces.get(number % pieces.len())?;
                number /= pieces.len();
            }
            add(key);
        }
        Some(())
    }

    fn pieces(&self, dimension: Dimension, text: &str) -> Option<Vec<Piece>> {
        match dimension {
            Dimension::Address | Dimension::Prefix => self.addresses(text),
            Dimension::Port => ports(text, self.family?),
            Dimension::BarePort => {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                Some((first.parse::<u16>().ok()?..=last.parse().ok()?).map(|port| (port.into(), 0)).collect())
            }
            Dimension::Mark => Some(vec![((number(text)? & self.mark_mask).into(), 0)]),
            Dimension::Mac => Some(vec![(mac_number(text.parse::<MacAddr>().ok()?), 0)]),
        }
    }

    /// An address, a prefix, or a range, which is cut into prefixes.
    pub(super) fn addresses(&self, text: &str) -> Option<Vec<Piece>> {
        let width = self.width();
        let address = |text: &str| {
            let address: IpAddr = text.parse().ok()?;
            (Some(Family::of(address)) == self.family).then(|| bits(address))
        };
        if let Some((first, last)) = text.split_once('-') {
            return ranges(address(first)?, address(last)?, width);
        }
        let (start, length) = match text.split_once('/') {
            Some((start, length)) => (start, length.parse().ok().filter(|length| *length <= width)?),
            None => (text, width),
        };
        Some(vec![(address(start)? & self.prefix_mask(length) & self.mask, length)])
    }
}

/// The prefixes that make up a range (`ip_set_range_to_cidr`, `net/netfilter/ipset/pfxlen.c`).
fn ranges(first: u128, last: u128, width: u8) -> Option<Vec<Piece>> {
    let (mut next, last) = (first.min(last), first.max(last));
    let mut pieces = Vec::new();
    loop {
        let mut host = next.trailing_zeros().min(u32::from(width));
        while host > 0 && u128::MAX.checked_shl(host).map_or(u128::MAX, |mask| !mask) > last - next {
            host -= 1;
        }
        pieces.push((next, width - u8::try_from(host).ok()?));
        let end = next + u128::MAX.checked_shl(host).map_or(u128::MAX, |mask| !mask);
        if end >= last {
            return Some(pieces);
        }
        next = end + 1;
    }
}

/// `tcp:80`, `tcp:80-90`, `icmp:8/0`, `icmp:echo-request`, `vrrp:0`; a bare number is TCP.
fn ports(text: &str, family: Family) -> Option<Vec<Piece>> {
    let (protocol, port) = text.split_once(':').unwrap_or(("tcp", text));
    let protocol: Protocol = protocol.parse().ok()?;
    if let Some((kind, code)) = port.split_once('/') {
        let number = u16::from_be_bytes([kind.parse().ok()?, code.parse().ok()?]);
        return Some(vec![(port_value(protocol, number), 0)]);
    }
    if protocol.is_icmp()
        && let Some((kind, (code, _))) = icmp_named(port, family)
    {
        return Some(vec![(port_value(protocol, u16::from_be_bytes([kind, code])), 0)]);
    }
    let (first, last) = port.split_once('-').unwrap_or((port, port));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    Some((first.min(last)..=first.max(last)).map(|port| (port_value(protocol, port), 0)).collect())
}

/// Protocol and port as one number.
pub(super) fn port_value(protocol: Protocol, port: u16) -> u128 {
    (u128::from(protocol.0) << 16) | u128::from(port)
}
