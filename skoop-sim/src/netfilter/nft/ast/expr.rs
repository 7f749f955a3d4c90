//! Expressions of an nftables ruleset.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Element, SetRef, TableFamily, Verdict};

/// One expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Number(u64),
    /// Names of devices, helpers, labels, systems, objects; numbers over 64 bits (`0x…`); constants that the reader does not know.
    Text(Box<str>),
    Address(IpAddr),
    Prefix(IpNet),
    /// An Ethernet address.
    Mac([u8; 6]),
    Bool(bool),
    /// From, to, both included.
    Range(Box<(Expr, Expr)>),
    /// The catch-all element `*`, or a device pattern's tail is in [`Expr::Text`] as `eth*`.
    Wildcard,
    /// An anonymous set, or several flags as a list (`ct state established,related`).
    Set(Vec<Element>),
    /// `@NAME`.
    SetRef(Box<str>),
    /// `KEY map { … }`.
    Map {
        key: Box<Expr>,
        map: SetRef,
    },
    Concat(Vec<Expr>),
    Binary {
        op: BinaryOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// A header field by protocol and name: `ip daddr`, `th dport`, `ether saddr`.
    Payload {
        protocol: Box<str>,
        field: Box<str>,
        /// The field of an inner packet: `vxlan`, `geneve`, `gre`, with its own protocol and field.
        tunnel: Option<Box<str>>,
    },
    /// `@nh,OFFSET,LENGTH` in bits.
    RawPayload {
        base: PayloadBase,
        offset: u32,
        length: u32,
    },
    /// IPv6 extension header; without field: whether it is there.
    ExtensionHeader {
        name: Box<str>,
        field: Option<Box<str>>,
    },
    /// TCP option; without field: whether it is there.
    TcpOption {
        name: Box<str>,
        field: Option<Box<str>>,
    },
    /// IPv4 option; without field: whether it is there.
    IpOption {
        name: Box<str>,
        field: Option<Box<str>>,
    },
    SctpChunk {
        name: Box<str>,
        field: Option<Box<str>>,
    },
    DccpOption(u32),
    Meta(Box<str>),
    /// Key, and `original` or `reply`; with `ip` or `ip6` where the family is given.
    Ct {
        key: Box<str>,
        direction: Option<Direction>,
        family: Option<TableFamily>,
    },
    Rt {
        key: Box<str>,
        family: Option<TableFamily>,
    },
    Socket(Box<str>),
    /// `osf name`, `osf version`.
    Osf(Box<str>),
    Fib {
        result: Box<str>,
        /// `saddr`, `daddr`, `mark`, `iif`, `oif`.
        flags: Vec<Box<str>>,
    },
    Numgen {
        random: bool,
        modulus: u32,
        offset: u32,
    },
    Jhash {
        expr: Box<Expr>,
        modulus: u32,
        offset: u32,
        seed: Option<u32>,
    },
    Symhash {
        modulus: u32,
        offset: u32,
    },
    /// Direction `in` or `out`, key, number of the SA.
    Ipsec {
        key: Box<str>,
        inbound: bool,
        spnum: u32,
    },
    /// The value of a verdict map's element.
    Verdict(Verdict),
    /// Not understood; the text of it.
    Unknown(Box<str>),
}

/// Directions of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Original,
    Reply,
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

/// Where raw payload begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PayloadBase {
    Link,
    Network,
    Transport,
    Inner,
}
