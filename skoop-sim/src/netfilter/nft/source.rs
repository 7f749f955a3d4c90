//! Expressions: what a rule takes from the packet and from what the kernel knows about it.

mod ct;
mod fib;
mod hash;
mod meta;
mod options;
mod packet;

use skoop_model::Family;

pub(super) use ct::CtKey;
pub(super) use fib::{Fib, FibResult};
pub(super) use hash::Hashed;
pub(super) use meta::MetaKey;
pub(super) use options::PartKey;

use super::ast::BinaryOp;
use super::set::{Found, SetData, Stored};
use crate::netfilter::image::{Base, Seen};
use crate::netfilter::run::Run;

/// Width of a name: a device, a helper (`IFNAMSIZ`, `NF_CT_HELPER_NAME_LEN`: 16 bytes).
pub(super) const TEXT: u32 = 128;

/// A compiled expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    Constant(u128, u32),
    Header(Header),
    /// Base, offset and length in bits (`net/netfilter/nft_payload.c`).
    Payload(Base, u32, u32),
    Meta(MetaKey),
    Ct(CtKey),
    /// Extension headers, options, chunks.
    Part(PartKey),
    Fib(Box<Fib>),
    /// `numgen`, `jhash`, `symhash`: what is drawn, from the offset on.
    Generator(Generator),
    /// `jhash` with a known seed.
    Hash(Box<Hashed>),
    Binary(BinaryOp, Box<(Source, Source)>),
    /// `KEY map …`: set by its place in the table.
    Map(Box<[Source]>, u32),
    /// Not known, for this reason.
    Unknown(Box<str>),
}

/// Header fields that rules ask for most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    Source,
    Destination,
    SourcePort,
    DestinationPort,
    TcpFlags,
    Ttl,
    IcmpType,
    IcmpCode,
}

/// A number that chance, a counter or a hash of unknown seed gives: one of `modulus` numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generator {
    pub modulus: u32,
    pub offset: u32,
    /// Always alike for the same flow.
    pub hashed: bool,
}

/// What evaluation needs beyond the packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'s> {
    pub sets: &'s [SetData],
    /// What generators gave.
    pub drawn: Option<u128>,
}

impl<'s> Scope<'s> {
    pub(crate) fn set(&self, place: u32) -> Option<&'s SetData> {
        self.sets.get(usize::try_from(place).ok()?)
    }
}

impl Source {
    /// The value. None: the packet has no such thing, and the rule does not match (`NFT_BREAK`).
    pub(crate) fn eval(&self, run: &Run<'_>, scope: Scope<'_>) -> Option<Seen> {
        match self {
            Self::Constant(value, width) => Some(Seen::whole(*value, *width)),
            Self::Header(header) => header.eval(run),
            Self::Payload(base, offset, length) => packet::payload(run, *base, *offset, *length),
            Self::Meta(key) => key.eval(run),
            Self::Ct(key) => key.eval(run),
            Self::Part(key) => key.eval(run),
            Self::Fib(fib) => Some(fib.eval(run)),
            Self::Generator(generator) => match scope.drawn {
                Some(drawn) => Some(Seen::whole(drawn, 32)),
                None if generator.modulus == 1 => Some(Seen::whole(generator.offset.into(), 32)),
                None => Some(Seen::unknown(32)),
            },
            Self::Hash(hashed) => hashed.eval(run, scope),
            Self::Binary(op, sides) => binary(*op, sides.0.eval(run, scope)?, sides.1.eval(run, scope)?),
            Self::Map(key, set) => mapped(key, *set, run, scope),
            Self::Unknown(_) => Some(Seen::unknown(TEXT)),
        }
    }

    /// The generator inside.
    pub(crate) fn generator(&self) -> Option<Generator> {
        match self {
            Self::Generator(generator) if generator.modulus > 1 => Some(*generator),
            Self::Binary(_, sides) => sides.0.generator().or_else(|| sides.1.generator()),
            Self::Map(key, _) => key.iter().find_map(Self::generator),
            _ => None,
        }
    }

    /// Why the value may be unknown.
    pub(crate) fn doubt(&self) -> Option<String> {
        match self {
            Self::Unknown(reason) => Some(reason.to_string()),
            Self::Binary(_, sides) => sides.0.doubt().or_else(|| sides.1.doubt()),
            Self::Map(key, _) => key.iter().find_map(Self::doubt),
            Self::Hash(_) => Some("a value that is hashed is not known".to_owned()),
            Self::Payload(..) | Self::Part(_) => Some("bytes of the packet that it asks for are not known".to_owned()),
            Self::Meta(key) => Some(format!("`meta {}` is not known", key.name())),
            Self::Ct(_) => Some("what it asks of the flow is not known".to_owned()),
            Self::Fib(_) => Some("routes or addresses that `fib` asks for are not known".to_owned()),
            Self::Header(_) => Some("a header field that it asks for is not known".to_owned()),
            Self::Constant(..) | Self::Generator(_) => None,
        }
    }

    /// Whether the value may hang on what rules change: mark, TOS, TTL, tracking.
    pub(crate) fn reads_changes(&self) -> bool {
        match self {
            Self::Constant(..) | Self::Generator(_) | Self::Fib(_) | Self::Part(_) => false,
            Self::Header(header) => *header == Header::Ttl,
            Self::Payload(base, ..) => *base == Base::Network,
            Self::Meta(key) => key.is_changeable(),
            Self::Ct(_) | Self::Unknown(_) | Self::Hash(_) => true,
            Self::Binary(_, sides) => sides.0.reads_changes() || sides.1.reads_changes(),
            Self::Map(key, _) => key.iter().any(Self::reads_changes),
        }
    }
}

/// The parts of a key; none if the packet lacks one of them.
pub(crate) fn key_of(parts: &[Source], run: &Run<'_>, scope: Scope<'_>) -> Option<KeyValues> {
    let mut values = KeyValues { count: parts.len().min(super::set::MAX_PARTS), ..KeyValues::default() };
    for (value, part) in values.values.iter_mut().zip(parts) {
        *value = part.eval(run, scope)?;
    }
    Some(values)
}

/// Values of the parts of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyValues {
    count: usize,
    values: [Seen; super::set::MAX_PARTS],
}

impl Default for KeyValues {
    fn default() -> Self {
        Self { count: 0, values: [Seen::whole(0, 0); super::set::MAX_PARTS] }
    }
}

impl KeyValues {
    pub(crate) fn as_slice(&self) -> &[Seen] {
        self.values.get(..self.count).unwrap_or_default()
    }
}

fn mapped(key: &[Source], set: u32, run: &Run<'_>, scope: Scope<'_>) -> Option<Seen> {
    let values = key_of(key, run, scope)?;
    let set = scope.set(set)?;
    match set.find(values.as_slice(), run.conntrack.set_changes()) {
        Found::Miss => None,
        Found::Added | Found::Doubt { .. } => Some(Seen::unknown(TEXT)),
        Found::Hit(element) => match set.stored.get(usize::try_from(element).ok()?)? {
            Stored::Data(ranges) => match &**ranges {
                [(first, last)] if first == last => Some(Seen::whole(*first, TEXT)),
                _ => Some(Seen::unknown(TEXT)),
            },
            Stored::Nothing | Stored::Verdict(_) => Some(Seen::unknown(TEXT)),
        },
    }
}

/// `net/netfilter/nft_bitwise.c`.
fn binary(op: BinaryOp, left: Seen, right: Seen) -> Option<Seen> {
    let count = || right.exact().and_then(|count| u32::try_from(count).ok());
    let width = left.width.max(right.width);
    let (left_value, right_value) = (left.value, right.value);
    // Bits above a side's own width are 0.
    let known = |side: Seen| if side.width >= 128 { side.known } else { side.known | (u128::MAX << side.width) };
    let (left_known, right_known) = (known(left), known(right));
    let result = |value: u128, known: u128| {
        let all = Seen::whole(u128::MAX, width).value;
        Some(Seen { value: value & known & all, known: known & all, width })
    };
    match op {
        BinaryOp::And => {
            let zero = (left_known & !left_value) | (right_known & !right_value);
            result(left_value & right_value, (left_known & right_known) | zero)
        }
        BinaryOp::Or => {
            let one = (left_known & left_value) | (right_known & right_value);
            result(left_value | right_value, (left_known & right_known) | one)
        }
        BinaryOp::Xor => result(left_value ^ right_value, left_known & right_known),
        BinaryOp::ShiftLeft => Some(count().map_or(Seen::unknown(width), |count| left.left(count))),
        BinaryOp::ShiftRight => Some(count().map_or(Seen::unknown(width), |count| left.right(count))),
    }
}

/// A name as a number: 16 bytes, padded with zeros.
pub(super) fn text_bits(text: &str) -> u128 {
    text_range(text, 0)
}

/// The same, padded with `fill`.
pub(super) fn text_range(text: &str, fill: u8) -> u128 {
    let mut bytes = [fill; 16];
    for (place, byte) in bytes.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    u128::from_be_bytes(bytes)
}

/// Width of an address.
pub(super) fn width(family: Family) -> u32 {
    u32::from(family.bits())
}
