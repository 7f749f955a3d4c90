//! Types of values, which say what a word means: `new` of a connection's state, `echo-request` of an ICMP type.
//!
//! Follows the data types of nft(8). Both readers turn every word that stands for a number into that number, so that a dump by
//! names (`nft list ruleset`) and one by numbers (`nft -n list ruleset`) give the same tree.

mod fields;
mod names;
mod number;
mod services;

use super::ast::{BinaryOp, Expr, SetRef};

pub(super) use number::{duration_ms, number, prefix};

/// The type of one value. The names are those of nft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datatype {
    /// Not known, or nothing but a number.
    Integer,
    /// A word that stays one: names of helpers, systems, objects.
    Text,
    Verdict,
    Boolean,
    Address4,
    Address6,
    Mac,
    Protocol,
    Service,
    Mark,
    NfProtocol,
    EtherType,
    ArpOperation,
    DeviceName,
    DeviceIndex,
    DeviceType,
    DeviceGroup,
    Realm,
    User,
    Group,
    Cgroup2,
    TcpFlags,
    DccpType,
    IcmpType,
    IcmpCode,
    Icmp6Type,
    Icmp6Code,
    Icmpx,
    IgmpType,
    MobilityType,
    Dscp,
    Ecn,
    PacketType,
    CtState,
    CtDirection,
    CtStatus,
    CtEvent,
    CtLabel,
    FibType,
    /// `fib … oif`: the name of a device, or whether there is one.
    FibDevice,
    Class,
    Day,
    Hour,
    /// Seconds of a duration; for `meta time` a date in nanoseconds since 1970.
    Time,
}

/// The type of a value that may be a concatenation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    One(Datatype),
    Many(Vec<Datatype>),
}

impl Shape {
    /// The type of a part of a concatenation; a value that is none has one part.
    pub(super) fn part(&self, at: usize) -> Datatype {
        match self {
            Self::One(one) if at == 0 => *one,
            Self::One(_) => Datatype::Integer,
            Self::Many(parts) => parts.get(at).copied().unwrap_or(Datatype::Integer),
        }
    }

    /// Of an address, or of an address with a port.
    pub(super) fn target() -> Self {
        Self::Many(vec![Datatype::Integer, Datatype::Service])
    }

    /// Of a named set, by the names of its types.
    pub(super) fn named(names: &[Box<str>]) -> Self {
        match names {
            [one] => Self::One(Datatype::named(one)),
            names => Self::Many(names.iter().map(|name| Datatype::named(name)).collect()),
        }
    }

    /// Of the values of an expression.
    pub(super) fn of(expr: &Expr) -> Self {
        match expr {
            Expr::Concat(parts) => Self::Many(parts.iter().map(Datatype::of).collect()),
            expr => Self::One(Datatype::of(expr)),
        }
    }
}

impl Datatype {
    /// By its name in a set: `inet_service`.
    pub(super) fn named(name: &str) -> Self {
        names::TYPES.iter().find(|(known, _)| *known == name).map_or(Self::Integer, |(_, of)| *of)
    }

    /// Its name in a set.
    pub(super) fn name(self) -> &'static str {
        names::TYPES.iter().find(|(_, of)| *of == self).map_or("integer", |(name, _)| *name)
    }

    /// Of the values of an expression.
    pub(super) fn of(expr: &Expr) -> Self {
        match expr {
            Expr::Payload { protocol, field, .. } => fields::payload(protocol, field),
            Expr::Meta(key) => fields::meta(key),
            Expr::Ct { key, family, .. } => fields::ct(key, *family),
            Expr::Fib { result, .. } => match &**result {
                "type" => Self::FibType,
                "oifname" => Self::DeviceName,
                "check" => Self::Boolean,
                _ => Self::FibDevice,
            },
            Expr::Rt { key, family } => fields::route(key, *family),
            Expr::Socket(key) => match &**key {
                "mark" => Self::Mark,
                "cgroupv2" => Self::Cgroup2,
                _ => Self::Integer,
            },
            Expr::Osf(_) => Self::Text,
            Expr::ExtensionHeader { field: None, .. }
            | Expr::TcpOption { field: None, .. }
            | Expr::IpOption { field: None, .. }
            | Expr::SctpChunk { field: None, .. }
            | Expr::DccpOption(_) => Self::Boolean,
            Expr::ExtensionHeader { name, field: Some(field) } => match (&**name, &**field) {
                (_, "nexthdr") => Self::Protocol,
                ("mh", "type") => Self::MobilityType,
                _ => Self::Integer,
            },
            Expr::Address(address) if address.is_ipv4() => Self::Address4,
            Expr::Address(_) => Self::Address6,
            Expr::Binary { left, op: BinaryOp::And | BinaryOp::Or | BinaryOp::Xor, .. } => Self::of(left),
            Expr::Map { map: SetRef::Anonymous(elements), .. } => {
                elements.first().and_then(|element| element.value.as_ref()).map_or(Self::Integer, Self::of)
            }
            _ => Self::Integer,
        }
    }

    /// Its values are sets of bits: two names joined by a comma mean both bits.
    pub(super) fn is_bitmask(self) -> bool {
        matches!(self, Self::TcpFlags | Self::CtState | Self::CtStatus | Self::CtEvent)
    }

    /// What a word means. Words that mean no number stay words.
    pub(super) fn constant(self, word: &str) -> Expr {
        self.try_constant(word).unwrap_or_else(|| Expr::Text(word.into()))
    }

    /// Whether a word is a name of one of its values.
    pub(super) fn names(self, word: &str) -> bool {
        let switch = matches!(self, Self::Boolean | Self::FibDevice) && matches!(word, "exists" | "missing");
        switch || names::of(self).iter().any(|(name, _)| *name == word)
    }

    /// What a word means, if it means anything.
    pub(super) fn try_constant(self, word: &str) -> Option<Expr> {
        match (self, word) {
            (Self::Text | Self::DeviceName, _) => return Some(Expr::Text(word.into())),
            (Self::Boolean | Self::FibDevice, "exists" | "true" | "1") => return Some(Expr::Bool(true)),
            (Self::Boolean | Self::FibDevice, "missing" | "false" | "0") => return Some(Expr::Bool(false)),
            _ => {}
        }
        let named = names::of(self).iter().find(|(name, _)| *name == word);
        named.map(|(_, value)| Expr::Number(*value)).or_else(|| number::read(self, word))
    }
}
