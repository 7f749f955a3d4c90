//! One shape for what dumps write in several ways.

use super::ast::{BinaryOp, Direction, Element, Expr, MatchOp, Nat, Reject, SetRef, Statement, TableFamily};
use super::datatype::Datatype;

/// `LEFT OP RIGHT`. `op` is as in the JSON form, `in` where the text form has none.
pub(super) fn comparison(op: &str, left: Expr, right: Expr) -> Option<Statement> {
    let masks = matches!(right, Expr::Number(_) | Expr::Text(_)) && Datatype::of(&left).is_bitmask();
    let op = match op {
        "in" if masks && !matches!(left, Expr::Binary { .. }) => MatchOp::In,
        "==" | "in" => MatchOp::Eq,
        "!=" => MatchOp::Ne,
        "!" => MatchOp::NotIn,
        "<" => MatchOp::Lt,
        ">" => MatchOp::Gt,
        "<=" => MatchOp::Le,
        ">=" => MatchOp::Ge,
        _ => return None,
    };
    Some(Statement::Match { op, left, right })
}

/// `LEFT OP RIGHT`; two numbers become one.
pub(super) fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    if let (Expr::Number(left), Expr::Number(right)) = (&left, &right) {
        return Expr::Number(match op {
            BinaryOp::And => left & right,
            BinaryOp::Or => left | right,
            BinaryOp::Xor => left ^ right,
            BinaryOp::ShiftLeft => u32::try_from(*right).ok().and_then(|bits| left.checked_shl(bits)).unwrap_or(0),
            BinaryOp::ShiftRight => u32::try_from(*right).ok().and_then(|bits| left.checked_shr(bits)).unwrap_or(0),
        });
    }
    Expr::Binary { op, left: Box::new(left), right: Box::new(right) }
}

/// Several values joined by commas: bits of a mask together, members of a set otherwise.
pub(super) fn list(of: Datatype, values: Vec<Expr>) -> Expr {
    let bits = |values: &[Expr]| {
        values.iter().try_fold(0, |bits, value| match value {
            Expr::Number(bit) => Some(bits | bit),
            _ => None,
        })
    };
    if of.is_bitmask()
        && let Some(bits) = bits(&values)
    {
        return Expr::Number(bits);
    }
    Expr::Set(values.into_iter().map(element).collect())
}

/// An element that is nothing but its key.
pub(super) fn element(key: Expr) -> Element {
    Element { key, value: None, statements: Vec::new(), expires_s: None, comment: None }
}

/// `ct KEY`, where the key may begin with a family (`ip daddr`).
pub(super) fn connection(key: &str, direction: Option<Direction>) -> Expr {
    let (family, key) = match key.split_once(' ') {
        Some(("ip", key)) => (Some(TableFamily::Ip), key),
        Some(("ip6", key)) => (Some(TableFamily::Ip6), key),
        _ => (None, key),
    };
    Expr::Ct { key: key.into(), direction, family }
}

/// Address and device of `dup` and `fwd`: a single operand may be either.
pub(super) fn way(address: Option<Expr>, device: Option<Expr>) -> (Option<Expr>, Option<Expr>) {
    let is_name = |expr: &Expr| matches!(expr, Expr::Text(_) | Expr::Number(_));
    let names_device = match &address {
        Some(Expr::Map { map: SetRef::Anonymous(elements), .. }) => {
            elements.iter().any(|element| element.value.as_ref().is_some_and(is_name))
        }
        Some(address) => is_name(address),
        None => false,
    };
    if device.is_none() && names_device { (None, address) } else { (address, device) }
}

/// Gives the addresses of connections the family of their table, where only some forms of printing name it.
pub(super) fn settle_families(statement: &mut Statement, family: TableFamily) {
    match statement {
        Statement::Match { left: expr, .. }
        | Statement::VerdictMap { key: expr, .. }
        | Statement::SetUpdate { key: expr, .. }
        | Statement::Meter { key: expr, .. } => settle(expr, family),
        Statement::Mangle { value, .. } => settle(value, family),
        _ => {}
    }
}

fn settle(expr: &mut Expr, of: TableFamily) {
    match expr {
        Expr::Ct { key, family: family @ None, .. } if matches!(&**key, "saddr" | "daddr") => *family = Some(of),
        Expr::Concat(parts) => parts.iter_mut().for_each(|part| settle(part, of)),
        Expr::Map { key: expr, .. } | Expr::Jhash { expr, .. } | Expr::Binary { left: expr, .. } => settle(expr, of),
        _ => {}
    }
}

/// `reject with KIND CODE`. Port unreachable is the default of every family; where a table is of one family the builder takes that
/// family's own kind for the default too.
pub(super) fn reject(kind: &str, code: Option<&Expr>) -> Option<Statement> {
    let code = match code {
        None => None,
        Some(Expr::Number(code)) => Some(u8::try_from(*code).ok()?),
        Some(_) => return None,
    };
    let with = match (kind, code) {
        ("tcp reset", _) => Some(Reject::TcpReset),
        ("icmpx", Some(1)) | (_, None) => None,
        ("icmp", Some(code)) => Some(Reject::Icmp(code)),
        ("icmpv6", Some(code)) => Some(Reject::Icmp6(code)),
        ("icmpx", Some(code)) => Some(Reject::Icmpx(code)),
        _ => return None,
    };
    Some(Statement::Reject(with))
}

/// Notes a concatenation of address and port where one stands in the statement itself.
pub(super) fn nat(mut nat: Nat) -> Statement {
    nat.concat |= match &nat.address {
        Some(Expr::Concat(_)) => true,
        Some(Expr::Map { map: SetRef::Anonymous(elements), .. }) => {
            elements.iter().any(|element| matches!(element.value, Some(Expr::Concat(_))))
        }
        _ => false,
    };
    Statement::Nat(nat)
}

/// The type of the codes of `reject with KIND`.
pub(super) fn reject_codes(kind: &str) -> Datatype {
    match kind {
        "icmpv6" => Datatype::Icmp6Code,
        "icmpx" => Datatype::Icmpx,
        _ => Datatype::IcmpCode,
    }
}

/// Bytes in a unit of quotas.
pub(super) fn unit_bytes(unit: &str) -> Option<u64> {
    match unit {
        "bytes" | "byte" => Some(1),
        "kbytes" | "kbyte" => Some(1 << 10),
        "mbytes" | "mbyte" => Some(1 << 20),
        "gbytes" | "gbyte" => Some(1 << 30),
        _ => None,
    }
}

/// A family by its name.
pub(super) fn family(name: &str) -> Option<TableFamily> {
    match name {
        "ip" => Some(TableFamily::Ip),
        "ip6" => Some(TableFamily::Ip6),
        "inet" => Some(TableFamily::Inet),
        "arp" => Some(TableFamily::Arp),
        "bridge" => Some(TableFamily::Bridge),
        "netdev" => Some(TableFamily::Netdev),
        _ => None,
    }
}
