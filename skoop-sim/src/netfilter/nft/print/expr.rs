//! Expressions.

use std::fmt;

use super::{Joined, Quoted};
use crate::netfilter::nft::ast::{BinaryOp, Direction, Element, Expr, PayloadBase, SetRef, Verdict};

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => Quoted(text).fmt(f),
            Self::Unknown(text) => f.write_str(text),
            Self::Address(address) => write!(f, "{address}"),
            Self::Prefix(net) => write!(f, "{net}"),
            Self::Mac(bytes) => skoop_model::MacAddr(*bytes).fmt(f),
            Self::Bool(flag) => f.write_str(if *flag { "exists" } else { "missing" }),
            Self::Range(ends) => write!(f, "{}-{}", ends.0, ends.1),
            Self::Wildcard => f.write_str("*"),
            Self::Set(elements) => write!(f, "{{ {} }}", Joined(elements, ", ")),
            Self::SetRef(name) => write!(f, "@{name}"),
            Self::Map { key, map } => write!(f, "{key} map {map}"),
            Self::Concat(parts) => Joined(parts, " . ").fmt(f),
            Self::Binary { op, left, right } => binary(*op, left, right, f),
            Self::Verdict(verdict) => verdict.fmt(f),
            header => fields(header, f),
        }
    }
}

fn binary(op: BinaryOp, left: &Expr, right: &Expr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let sign = match op {
        BinaryOp::And => "&",
        BinaryOp::Or => "|",
        BinaryOp::Xor => "^",
        BinaryOp::ShiftLeft => "<<",
        BinaryOp::ShiftRight => ">>",
    };
    match right {
        // Masks are easier to read so.
        Expr::Number(number) if *number > 9 => write!(f, "{left} {sign} {number:#x}"),
        right => write!(f, "{left} {sign} {right}"),
    }
}

/// What is taken from the packet.
fn fields(expr: &Expr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let after = |f: &mut fmt::Formatter<'_>, word: &str, name: &str, field: &Option<Box<str>>| match field {
        Some(field) => write!(f, "{word}{name} {field}"),
        None => write!(f, "{word}{name}"),
    };
    match expr {
        Expr::Payload { protocol, field, tunnel: None } => write!(f, "{protocol} {field}"),
        Expr::Payload { protocol, field, tunnel: Some(tunnel) } => write!(f, "{tunnel} {protocol} {field}"),
        Expr::RawPayload { base, offset, length } => {
            let base = match base {
                PayloadBase::Link => "ll",
                PayloadBase::Network => "nh",
                PayloadBase::Transport => "th",
                PayloadBase::Inner => "ih",
            };
            write!(f, "@{base},{offset},{length}")
        }
        Expr::ExtensionHeader { name, field } => after(f, if field.is_none() { "exthdr " } else { "" }, name, field),
        Expr::TcpOption { name, field } => after(f, "tcp option ", name, field),
        Expr::IpOption { name, field } => after(f, "ip option ", name, field),
        Expr::SctpChunk { name, field } => after(f, "sctp chunk ", name, field),
        Expr::DccpOption(number) => write!(f, "dccp option {number}"),
        other => known(other, f),
    }
}

/// What the kernel knows about the packet, and what is drawn.
fn known(expr: &Expr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match expr {
        Expr::Meta(key) => write!(f, "meta {key}"),
        Expr::Ct { key, direction, family } => {
            f.write_str("ct ")?;
            match direction {
                Some(Direction::Original) => f.write_str("original ")?,
                Some(Direction::Reply) => f.write_str("reply ")?,
                None => {}
            }
            match family {
                Some(family) => write!(f, "{family} {key}"),
                None => f.write_str(key),
            }
        }
        Expr::Rt { key, family: Some(family) } => write!(f, "rt {family} {key}"),
        Expr::Rt { key, family: None } => write!(f, "rt {key}"),
        Expr::Socket(key) => write!(f, "socket {key}"),
        Expr::Osf(key) => write!(f, "osf {key}"),
        Expr::Fib { result, flags } => write!(f, "fib {} {result}", Joined(flags, " . ")),
        Expr::Numgen { random, modulus, offset } => {
            let mode = if *random { "random" } else { "inc" };
            write!(f, "numgen {mode} mod {modulus}")?;
            write_offset(*offset, f)
        }
        Expr::Jhash { expr, modulus, offset, seed } => {
            write!(f, "jhash {expr} mod {modulus}")?;
            if let Some(seed) = seed {
                write!(f, " seed {seed:#x}")?;
            }
            write_offset(*offset, f)
        }
        Expr::Symhash { modulus, offset } => {
            write!(f, "symhash mod {modulus}")?;
            write_offset(*offset, f)
        }
        Expr::Ipsec { key, inbound, spnum } => {
            write!(f, "ipsec {} spnum {spnum} {key}", if *inbound { "in" } else { "out" })
        }
        _ => f.write_str("?"),
    }
}

fn write_offset(offset: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if offset == 0 { Ok(()) } else { write!(f, " offset {offset}") }
}

impl fmt::Display for SetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(f, "@{name}"),
            Self::Anonymous(elements) => write!(f, "{{ {} }}", Joined(elements, ", ")),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)?;
        match &self.value {
            Some(value) => write!(f, " : {value}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Continue => f.write_str("continue"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}
