//! Header fields and what is asked of other parts of the kernel.

use super::super::ast::{Direction, Expr, PayloadBase, TableFamily};
use super::super::normal;
use super::expr;
use super::lexer::Token;
use super::parser::Parser;

/// Protocols whose fields are named.
const PROTOCOLS: &[&str] = &[
    "ether", "vlan", "arp", "ip", "ip6", "icmp", "icmpv6", "igmp", "tcp", "udp", "udplite", "sctp", "dccp", "th", "ah",
    "esp", "comp", "gre", "gretap", "vxlan", "geneve",
];
/// Protocols that carry packets of their own.
const TUNNELS: &[&str] = &["gre", "gretap", "vxlan", "geneve"];
/// IPv6 extension headers.
const EXTENSION_HEADERS: &[&str] = &["hbh", "rt", "rt0", "rt2", "rt4", "srh", "frag", "dst", "mh"];
/// Keys of `meta` that stand without it.
const META: &[&str] = &[
    "mark",
    "iif",
    "oif",
    "iifname",
    "oifname",
    "iiftype",
    "oiftype",
    "iifgroup",
    "oifgroup",
    "iifkind",
    "oifkind",
    "skuid",
    "skgid",
    "nftrace",
    "rtclassid",
    "ibrname",
    "obrname",
    "ibriport",
    "obriport",
    "pkttype",
    "cpu",
    "cgroup",
    "ibrpvid",
    "ibrvproto",
];
const OTHERS: &[&str] = &[
    "meta", "ct", "exthdr", "socket", "osf", "fib", "numgen", "jhash", "symhash", "ipsec", "accept", "drop", "counter",
];
/// Fields of TCP options, IP options and SCTP chunks.
const OPTION_FIELDS: &[&str] = &[
    "kind",
    "type",
    "length",
    "size",
    "count",
    "left",
    "right",
    "tsval",
    "tsecr",
    "subtype",
    "ptr",
    "addr",
    "value",
    "flags",
    "init-tag",
    "a-rwnd",
    "num-outbound-streams",
    "num-inbound-streams",
    "initial-tsn",
    "num-out-streams",
    "num-in-streams",
    "init-tsn",
    "cum-tsn-ack",
    "num-gap-ack-blocks",
    "num-dup-tsns",
    "lowest-tsn",
    "seqno",
    "new-cum-tsn",
    "tsn",
    "stream",
    "ssn",
    "ppid",
];

/// A word that begins an expression or statement and is no constant.
pub(super) fn is_keyword(word: &str) -> bool {
    PROTOCOLS.contains(&word) || META.contains(&word) || EXTENSION_HEADERS.contains(&word) || OTHERS.contains(&word)
}

/// An expression that is no constant. None: it is one, or not understood.
pub(super) fn expression(parser: &mut Parser<'_>) -> Option<Expr> {
    let word = parser.any_word()?;
    match word {
        "meta" => parser.any_word().map(|key| Expr::Meta(key.into())),
        "ct" => connection(parser),
        "tcp" if parser.word("option") => option(parser).map(|(name, field)| Expr::TcpOption { name, field }),
        "ip" if parser.word("option") => option(parser).map(|(name, field)| Expr::IpOption { name, field }),
        "sctp" if parser.word("chunk") => option(parser).map(|(name, field)| Expr::SctpChunk { name, field }),
        "dccp" if parser.word("option") => parser.number32().map(Expr::DccpOption),
        "exthdr" => parser.any_word().map(|name| Expr::ExtensionHeader { name: name.into(), field: None }),
        "rt" => route(parser),
        "socket" => socket(parser),
        "osf" => {
            if parser.word("ttl") {
                parser.any_word()?;
            }
            parser.any_word().map(|key| Expr::Osf(key.into()))
        }
        "fib" => fib(parser),
        "numgen" => {
            let random = match parser.any_word()? {
                "random" => true,
                "inc" => false,
                _ => return None,
            };
            let (modulus, offset, _) = modulus(parser)?;
            Some(Expr::Numgen { random, modulus, offset })
        }
        "jhash" => {
            let expr = Box::new(parser.nested(expr::key)?);
            let (modulus, offset, seed) = modulus(parser)?;
            Some(Expr::Jhash { expr, modulus, offset, seed })
        }
        "symhash" => modulus(parser).map(|(modulus, offset, _)| Expr::Symhash { modulus, offset }),
        "ipsec" => ipsec(parser),
        "@ll" | "@nh" | "@th" | "@ih" => raw(parser, word),
        word if EXTENSION_HEADERS.contains(&word) => {
            parser.any_word().map(|field| Expr::ExtensionHeader { name: word.into(), field: Some(field.into()) })
        }
        word if PROTOCOLS.contains(&word) => payload(parser, word),
        word if META.contains(&word) => Some(Expr::Meta(word.into())),
        _ => None,
    }
}

fn payload(parser: &mut Parser<'_>, protocol: &str) -> Option<Expr> {
    let field = parser.any_word()?;
    if TUNNELS.contains(&protocol) && PROTOCOLS.contains(&field) {
        let (tunnel, inner) = (Some(protocol.into()), parser.any_word()?);
        return Some(Expr::Payload { protocol: field.into(), field: inner.into(), tunnel });
    }
    let field = match (protocol, field, parser.peek_word()) {
        ("arp", "saddr" | "daddr", Some(kind @ ("ip" | "ether"))) => {
            parser.advance();
            format!("{field} {kind}").into()
        }
        _ => field.into(),
    };
    Some(Expr::Payload { protocol: protocol.into(), field, tunnel: None })
}

/// `@nh,OFFSET,LENGTH`.
fn raw(parser: &mut Parser<'_>, base: &str) -> Option<Expr> {
    let base = match base {
        "@ll" => PayloadBase::Link,
        "@nh" => PayloadBase::Network,
        "@th" => PayloadBase::Transport,
        _ => PayloadBase::Inner,
    };
    parser.require(Token::Comma)?;
    let offset = parser.number32()?;
    parser.require(Token::Comma)?;
    Some(Expr::RawPayload { base, offset, length: parser.number32()? })
}

/// Behind `ct`: `[original|reply] [ip|ip6] KEY`.
fn connection(parser: &mut Parser<'_>) -> Option<Expr> {
    let direction = if parser.word("original") {
        Some(Direction::Original)
    } else if parser.word("reply") {
        Some(Direction::Reply)
    } else {
        None
    };
    let key = parser.any_word()?;
    match key {
        "ip" | "ip6" => Some(normal::connection(&format!("{key} {}", parser.any_word()?), direction)),
        _ => Some(normal::connection(key, direction)),
    }
}

/// Behind `tcp option`, `ip option`, `sctp chunk`: `NAME [FIELD]`, or `@NUMBER,OFFSET,LENGTH`.
fn option(parser: &mut Parser<'_>) -> Option<(Box<str>, Option<Box<str>>)> {
    let name = parser.any_word()?;
    if let Some(number) = name.strip_prefix('@') {
        parser.require(Token::Comma)?;
        let offset = parser.number32()?;
        parser.require(Token::Comma)?;
        return Some((number.into(), Some(format!("@{offset},{}", parser.number32()?).into())));
    }
    let field = parser.peek_word().filter(|word| OPTION_FIELDS.contains(word));
    if field.is_some() {
        parser.advance();
    }
    Some((name.into(), field.map(Box::from)))
}

/// `rt` is the routing decision, and also the routing extension header.
fn route(parser: &mut Parser<'_>) -> Option<Expr> {
    let family = match parser.peek_word() {
        Some("ip") => Some(TableFamily::Ip),
        Some("ip6") => Some(TableFamily::Ip6),
        _ => None,
    };
    if family.is_some() {
        parser.advance();
    }
    let key = parser.any_word()?;
    Some(match key {
        "classid" | "nexthop" | "mtu" | "ipsec" => Expr::Rt { key: key.into(), family },
        _ if family.is_none() => Expr::ExtensionHeader { name: "rt".into(), field: Some(key.into()) },
        _ => return None,
    })
}

fn socket(parser: &mut Parser<'_>) -> Option<Expr> {
    let key = parser.any_word()?;
    if key == "cgroupv2" {
        parser.word("level").then_some(())?;
        parser.number()?;
    }
    Some(Expr::Socket(key.into()))
}

/// `fib saddr . iif oif`: flags, then what is asked.
fn fib(parser: &mut Parser<'_>) -> Option<Expr> {
    let mut flags = Vec::new();
    loop {
        flags.push(parser.any_word()?.into());
        if !parser.word(".") {
            break;
        }
    }
    let result = parser.any_word().filter(|result| matches!(*result, "oif" | "oifname" | "type" | "check"))?;
    Some(Expr::Fib { result: result.into(), flags })
}

/// `mod N [seed N] [offset N]`.
fn modulus(parser: &mut Parser<'_>) -> Option<(u32, u32, Option<u32>)> {
    parser.word("mod").then_some(())?;
    let modulus = parser.number32()?;
    let seed = if parser.word("seed") { Some(parser.number32()?) } else { None };
    let offset = if parser.word("offset") { parser.number32()? } else { 0 };
    Some((modulus, offset, seed))
}

/// `ipsec in [spnum N] [ip|ip6] KEY`.
fn ipsec(parser: &mut Parser<'_>) -> Option<Expr> {
    let inbound = match parser.any_word()? {
        "in" => true,
        "out" => false,
        _ => return None,
    };
    let spnum = if parser.word("spnum") { parser.number32()? } else { 0 };
    let _ = parser.word("ip") || parser.word("ip6");
    Some(Expr::Ipsec { key: parser.any_word()?.into(), inbound, spnum })
}
