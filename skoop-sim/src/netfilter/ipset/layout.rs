//! Types of sets and the options that they are made with.

use std::net::IpAddr;

use skoop_model::Family;

use crate::netfilter::args::number;
use crate::netfilter::common::bits;

/// What one dimension of an element holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimension {
    Address,
    Prefix,
    /// Protocol and port.
    Port,
    /// Port of `bitmap:port`, of TCP and UDP alike.
    BarePort,
    Mark,
    Mac,
}

/// Shape of a set's elements.
#[derive(Debug)]
pub(super) struct Layout {
    /// None for sets without addresses.
    pub family: Option<Family>,
    pub dimensions: Vec<Dimension>,
    /// `netmask` and `bitmask`: bits of addresses that count.
    pub mask: u128,
    /// `markmask`.
    pub mark_mask: u32,
    /// The type knows elements marked `nomatch` (`IPSET_TYPE_NOMATCH`).
    pub has_nomatch: bool,
}

impl Layout {
    /// The layout of a type with its options, and whether it has counters; none if it is not modelled.
    pub(super) fn parse<'t>(kind: &str, options: impl Iterator<Item = &'t str>) -> Option<(Self, bool)> {
        let dimensions = dimensions(kind)?;
        let family = match kind {
            "hash:mac" | "bitmap:port" | "list:set" => None,
            _ => Some(Family::V4),
        };
        let has_nomatch = dimensions.contains(&Dimension::Prefix);
        let mut layout = Self { family, dimensions, mask: u128::MAX, mark_mask: u32::MAX, has_nomatch };
        let (mut counters, mut netmask) = (false, None);
        let mut options = options;
        while let Some(option) = options.next() {
            match option {
                "family" => {
                    layout.family = match options.next()? {
                        "inet" => Some(Family::V4),
                        "inet6" => Some(Family::V6),
                        _ => return None,
                    };
                }
                "netmask" => netmask = Some(options.next()?.parse::<u8>().ok()?),
                "bitmask" => layout.mask = bits(options.next()?.parse::<IpAddr>().ok()?),
                "markmask" => layout.mark_mask = number(options.next()?)?,
                "counters" => counters = true,
                "comment" | "skbinfo" | "forceadd" => {}
                "hashsize" | "maxelem" | "bucketsize" | "initval" | "timeout" | "range" | "size" | "probes"
                | "resize" => {
                    options.next()?;
                }
                _ => return None,
            }
        }
        if let Some(length) = netmask {
            layout.mask = layout.prefix_mask(length);
        }
        Some((layout, counters))
    }

    /// Width of the addresses.
    pub(super) fn width(&self) -> u8 {
        self.family.map_or(128, Family::bits)
    }

    /// The mask of a prefix.
    pub(super) fn prefix_mask(&self, length: u8) -> u128 {
        let host = u32::from(self.width().saturating_sub(length));
        u128::MAX.checked_shl(host).unwrap_or(0)
    }

    /// Bits that the values of a dimension take, with those of a prefix length.
    pub(super) fn bits_of(&self, dimension: Dimension) -> u32 {
        match dimension {
            Dimension::Address | Dimension::Prefix => u32::from(self.width()) + 8,
            Dimension::Port => 24,
            Dimension::BarePort => 16,
            Dimension::Mark => 32,
            Dimension::Mac => 48,
        }
    }
}

/// All types.
pub(crate) const TYPES: &[&str] = &[
    "bitmap:ip",
    "bitmap:ip,mac",
    "bitmap:port",
    "hash:ip",
    "hash:ip,mac",
    "hash:ip,mark",
    "hash:ip,port",
    "hash:ip,port,ip",
    "hash:ip,port,net",
    "hash:mac",
    "hash:net",
    "hash:net,iface",
    "hash:net,net",
    "hash:net,port",
    "hash:net,port,net",
    "list:set",
];

/// Dimensions of a type; none if there is no such type. That of `hash:net,iface` for its device is kept apart.
fn dimensions(kind: &str) -> Option<Vec<Dimension>> {
    use Dimension::{Address, BarePort, Mac, Mark, Port, Prefix};
    let found: &[Dimension] = match kind {
        "bitmap:ip" | "hash:ip" => &[Address],
        "bitmap:ip,mac" | "hash:ip,mac" => &[Address, Mac],
        "bitmap:port" => &[BarePort],
        "hash:mac" => &[Mac],
        "hash:net" | "hash:net,iface" => &[Prefix],
        "hash:net,net" => &[Prefix, Prefix],
        "hash:ip,port" => &[Address, Port],
        "hash:net,port" => &[Prefix, Port],
        "hash:ip,port,ip" => &[Address, Port, Address],
        "hash:ip,port,net" => &[Address, Port, Prefix],
        "hash:net,port,net" => &[Prefix, Port, Prefix],
        "hash:ip,mark" => &[Address, Mark],
        "list:set" => &[],
        _ => return None,
    };
    Some(found.to_vec())
}
