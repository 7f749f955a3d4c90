//! The bytes of a packet as Linux holds them, as far as they are known: what `u32`, `bpf`, `string` and raw payload expressions of
//! nftables read (`skb->data` at the hooks of IP: `struct iphdr` or `struct ipv6hdr` comes first).
//!
//! Layouts: RFC 791, 8200, 9293, 768, 792, 4443, 9260 (SCTP), 4340 (DCCP), 4302 and 4303 (IPsec), 7348 (VXLAN).

mod build;

use skoop_model::{MacAddr, Packet};

use crate::Tri;

/// Where an offset counts from (`enum nft_payload_bases`, `include/uapi/linux/netfilter/nf_tables.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// The Ethernet header: `@ll`.
    Link,
    /// The IP header: `@nh`.
    Network,
    /// The header above IP: `@th`.
    Transport,
    /// What follows the header above IP: `@ih`.
    Inner,
}

/// A packet as bytes, of which each bit is known or not.
#[derive(Debug, Default)]
pub(crate) struct Image {
    bytes: Vec<u8>,
    /// Bits of `bytes` that are known.
    known: Vec<u8>,
    /// Ethernet header, with its known bits.
    link: [(u8, u8); 14],
    /// Where the header above IP begins; none in a fragment that has none.
    transport: Option<usize>,
    /// Where the header above IP ends. None: it has none, or its length is not known.
    inner: Option<usize>,
    /// The packet has a header above IP whose length is not known.
    inner_unknown: bool,
    /// Length of the packet in bytes; of what follows `bytes` nothing is known.
    total: usize,
}

/// Up to 128 bits read from a packet, in network order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The bits read; 0 where they are not known.
    pub value: u128,
    /// Which of them are known.
    pub known: u128,
    /// How many bits were read.
    pub width: u32,
}

impl Image {
    /// The bytes of a packet.
    pub(crate) fn of(packet: &Packet) -> Self {
        build::image(packet, 0)
    }

    /// Adds what is known of the Ethernet header.
    pub(crate) fn set_link(&mut self, dst: Option<MacAddr>, src: Option<MacAddr>, ethertype: u16) {
        let [high, low] = ethertype.to_be_bytes();
        let addresses = [dst, src].into_iter().flat_map(|mac| match mac {
            Some(mac) => mac.0.map(|byte| (byte, 0xff)),
            None => [(0, 0); 6],
        });
        for (place, byte) in self.link.iter_mut().zip(addresses.chain([(high, 0xff), (low, 0xff)])) {
            *place = byte;
        }
    }

    /// Length of the packet in bytes (`skb->len` at the hooks of IP).
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Reads `length` bits (at most 128), `offset` bits behind a base. None: the packet is too short for it, or has no such header;
    /// the kernel then says that the rule does not match (`NFT_BREAK`).
    pub(crate) fn read(&self, base: Base, offset: u32, length: u32) -> Option<Seen> {
        let offset = usize::try_from(offset).ok()?;
        let start = match base {
            Base::Link => return collect(offset, length, 14 * 8, |byte| self.link.get(byte).copied()),
            Base::Network => 0,
            Base::Transport => self.transport?,
            Base::Inner if self.inner_unknown => return Some(Seen { value: 0, known: 0, width: length.min(128) }),
            Base::Inner => self.inner?,
        };
        let offset = offset.checked_add(start.checked_mul(8)?)?;
        collect(offset, length, self.total.checked_mul(8)?, |byte| self.byte(byte))
    }

    /// The same, if every bit is known.
    pub(crate) fn bits(&self, base: Base, offset: u32, length: u32) -> Option<u128> {
        self.read(base, offset, length)?.exact()
    }

    /// A byte from the IP header on, with its known bits. None behind the end of the packet.
    pub(crate) fn byte(&self, index: usize) -> Option<(u8, u8)> {
        let stored = self.bytes.get(index).copied().zip(self.known.get(index).copied());
        stored.or_else(|| (index < self.total).then_some((0, 0)))
    }

    /// How many bytes from the IP header on are stored; of later ones nothing is known.
    pub(crate) fn stored(&self) -> usize {
        self.bytes.len().min(self.total)
    }
}

/// Reads bits from the bytes that `byte` gives; none if they do not end before bit `end`.
fn collect(offset: usize, length: u32, end: usize, byte: impl Fn(usize) -> Option<(u8, u8)>) -> Option<Seen> {
    let mut seen = Seen { value: 0, known: 0, width: length };
    let last = offset.checked_add(usize::try_from(length).ok()?)?;
    if length == 0 || length > 128 || last > end {
        return None;
    }
    for bit in offset..last {
        let (value, known) = byte(bit / 8)?;
        let shift = 7 - bit % 8;
        seen.value = (seen.value << 1) | u128::from((value >> shift) & (known >> shift) & 1);
        seen.known = (seen.known << 1) | u128::from((known >> shift) & 1);
    }
    Some(seen)
}

impl Seen {
    /// A number that is known.
    pub(crate) fn whole(value: u128, width: u32) -> Self {
        let known = Self::all(width);
        Self { value: value & known, known, width }
    }

    /// A number of which nothing is known.
    pub(crate) fn unknown(width: u32) -> Self {
        Self { value: 0, known: 0, width }
    }

    /// All bits of a width.
    fn all(width: u32) -> u128 {
        u128::MAX.checked_shr(128_u32.saturating_sub(width)).unwrap_or(0)
    }

    /// The number, if all of it is known.
    pub(crate) fn exact(self) -> Option<u128> {
        (self.known == Self::all(self.width)).then_some(self.value)
    }

    /// Its bits under a mask; those outside are known to be 0.
    #[must_use]
    pub(crate) fn masked(self, mask: u128) -> Self {
        Self { value: self.value & mask, known: (self.known | !mask) & Self::all(self.width), ..self }
    }

    /// Shifted left, within its width.
    #[must_use]
    pub(crate) fn left(self, count: u32) -> Self {
        let all = Self::all(self.width);
        let value = self.value.checked_shl(count).unwrap_or(0) & all;
        let zeros = !u128::MAX.checked_shl(count).unwrap_or(0);
        Self { value, known: (self.known.checked_shl(count).unwrap_or(0) | zeros) & all, ..self }
    }

    /// Shifted right.
    #[must_use]
    pub(crate) fn right(self, count: u32) -> Self {
        let all = Self::all(self.width);
        let value = self.value.checked_shr(count).unwrap_or(0);
        let zeros = !all.checked_shr(count).unwrap_or(0);
        Self { value, known: (self.known.checked_shr(count).unwrap_or(0) | zeros) & all, ..self }
    }

    /// Whether it is `wanted`.
    pub(crate) fn is(self, wanted: u128) -> Tri {
        self.within(wanted, wanted)
    }

    /// Whether it lies between two numbers, both included.
    pub(crate) fn within(self, first: u128, last: u128) -> Tri {
        let smallest = self.value;
        let greatest = self.value | (Self::all(self.width) & !self.known);
        if smallest >= first && greatest <= last {
            return Tri::Yes;
        }
        let outside = greatest < first || smallest > last || (first == last && (first ^ self.value) & self.known != 0);
        if outside { Tri::No } else { Tri::Maybe }
    }
}

#[cfg(test)]
mod tests;
