//! Statements.

use std::fmt::{self, Display};

use super::Joined;
use crate::netfilter::nft::ast::{Expr, MatchOp, Nat, NatKind, Reject, SetOp, Statement};

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match { op, left, right } => comparison(*op, left, right, f),
            Self::Verdict(verdict) => verdict.fmt(f),
            Self::VerdictMap { key, map } => write!(f, "{key} vmap {map}"),
            Self::Counter => f.write_str("counter"),
            Self::Last => f.write_str("last"),
            Self::Log => f.write_str("log"),
            Self::Notrack => f.write_str("notrack"),
            Self::Synproxy => f.write_str("synproxy"),
            Self::ObjectRef { kind, name: Expr::Text(name) } => write!(f, "{kind} name \"{name}\""),
            Self::ObjectRef { kind, name } => write!(f, "{kind} name {name}"),
            Self::Limit(limit) => write!(f, "limit rate {}…", over(limit.over)),
            Self::Quota(quota) => write!(f, "quota {}{} bytes", over(quota.over), quota.bytes),
            Self::ConnectionCount { over: flag, count } => write!(f, "ct count {}{count}", over(*flag)),
            Self::Mangle { key, value } => write!(f, "{key} set {value}"),
            Self::Nat(nat) => nat.fmt(f),
            Self::Queue { bypass } => f.write_str(if *bypass { "queue flags bypass" } else { "queue" }),
            Self::Unknown(text) => f.write_str(text),
            Self::Xt { kind, name } => write!(f, "xt {kind} \"{name}\""),
            other => effects(other, f),
        }
    }
}

fn over(over: bool) -> &'static str {
    if over { "over " } else { "" }
}

fn comparison(op: MatchOp, left: &Expr, right: &Expr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let sign = match op {
        MatchOp::Eq if matches!(left, Expr::Binary { .. }) => "== ",
        MatchOp::Eq | MatchOp::In => "",
        MatchOp::Ne => "!= ",
        MatchOp::Lt => "< ",
        MatchOp::Gt => "> ",
        MatchOp::Le => "<= ",
        MatchOp::Ge => ">= ",
        MatchOp::NotIn => "! ",
    };
    write!(f, "{left} {sign}")?;
    match (left, right) {
        (Expr::Ct { key, .. }, Expr::Number(bits)) if **key == *"state" => states(*bits, f),
        (Expr::Meta(key), Expr::Number(number)) if **key == *"l4proto" => protocol(*number, f),
        (Expr::Meta(key), Expr::Number(mark)) if **key == *"mark" => write!(f, "{mark:#x}"),
        (_, right) => right.fmt(f),
    }
}

fn states(bits: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const STATES: [(u64, &str); 5] =
        [(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")];
    let names: Vec<_> = STATES.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    Joined(&names, ",").fmt(f)
}

fn protocol(number: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match u8::try_from(number) {
        Ok(number) => write!(f, "{}", skoop_model::Protocol(number)),
        Err(_) => write!(f, "{number}"),
    }
}

fn effects(statement: &Statement, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match statement {
        Statement::Reject(with) => match with {
            None => f.write_str("reject"),
            Some(Reject::TcpReset) => f.write_str("reject with tcp reset"),
            Some(Reject::Icmp(code)) => write!(f, "reject with icmp {code}"),
            Some(Reject::Icmp6(code)) => write!(f, "reject with icmpv6 {code}"),
            Some(Reject::Icmpx(code)) => write!(f, "reject with icmpx {code}"),
        },
        Statement::SetUpdate { op, set, key, value, statements } => {
            let op = match op {
                SetOp::Add => "add",
                SetOp::Update => "update",
                SetOp::Delete => "delete",
            };
            write!(f, "{op} @{set} {{ {key}")?;
            for statement in statements {
                write!(f, " {statement}")?;
            }
            value.iter().try_for_each(|value| write!(f, " : {value}"))?;
            f.write_str(" }")
        }
        Statement::Meter { name, key, statement } => write!(f, "meter {name} {{ {key} {statement} }}"),
        Statement::Dup { address, device } => towards("dup", address.as_ref(), device.as_ref(), f),
        Statement::Fwd { address, device, .. } => towards("fwd", address.as_ref(), device.as_ref(), f),
        Statement::FlowOffload(name) => write!(f, "flow add @{name}"),
        Statement::Tproxy { address, port, .. } => {
            f.write_str("tproxy to")?;
            address.iter().try_for_each(|address| write!(f, " {address}"))?;
            port.iter().try_for_each(|port| write!(f, " :{port}"))
        }
        Statement::OptstripTcp(name) => write!(f, "reset tcp option {name}"),
        _ => f.write_str("?"),
    }
}

fn towards(word: &str, address: Option<&Expr>, device: Option<&Expr>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{word} to")?;
    address.iter().try_for_each(|address| write!(f, " {address}"))?;
    device.iter().try_for_each(|device| write!(f, " device {device}"))
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            NatKind::Snat => "snat",
            NatKind::Dnat => "dnat",
            NatKind::Masquerade => "masquerade",
            NatKind::Redirect => "redirect",
        })?;
        self.family.iter().try_for_each(|family| write!(f, " {family}"))?;
        if self.netmap {
            f.write_str(" prefix")?;
        }
        if self.address.is_some() || self.port.is_some() {
            f.write_str(" to ")?;
        }
        match (&self.address, &self.port) {
            (Some(Expr::Address(address)), Some(port)) if address.is_ipv6() => write!(f, "[{address}]:{port}")?,
            (Some(address), Some(port)) => write!(f, "{address}:{port}")?,
            (Some(address), None) => write!(f, "{address}")?,
            (None, Some(port)) => write!(f, ":{port}")?,
            (None, None) => {}
        }
        let flags = [(self.random, "random"), (self.fully_random, "fully-random"), (self.persistent, "persistent")];
        let names: Vec<_> = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        if names.is_empty() { Ok(()) } else { write!(f, " {}", Joined(&names, ",")) }
    }
}
