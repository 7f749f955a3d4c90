//! What of a rule becomes its common part, which is compared fast and indexed.

use skoop_model::{Family, PortRange};

use super::{Compare, Compiler, Draft, Expr, MatchOp, Operand, Source, Test, constant};
use crate::netfilter::common::Net;
use crate::netfilter::nft::source::MetaKey;

/// Protocols with ports at the same place.
const WITH_PORTS: [u8; 5] = [6, 17, 136, 132, 33];

impl Draft {
    /// Only tests before the first statement that does something may become part of the common part.
    fn is_open(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn demand_family(&mut self, family: Family) {
        if self.is_open() && self.common.family.is_none_or(|own| own == family) {
            self.common.family = Some(family);
        } else {
            let number = if family == Family::V4 { 0x0800 } else { 0x86dd };
            self.push(Source::Meta(MetaKey::Protocol), number);
        }
    }

    pub(super) fn demand_protocol(&mut self, protocol: u8) {
        if self.has_protocol(protocol) {
            return;
        }
        if self.is_open() && self.common.protocol == 0 && protocol != 0 {
            self.common.protocol = protocol;
        } else {
            self.push(Source::Meta(MetaKey::L4Proto), protocol.into());
        }
    }

    fn has_protocol(&self, protocol: u8) -> bool {
        self.common.protocol == protocol && !self.common.inverted.protocol && protocol != 0
    }

    fn push(&mut self, left: Source, value: u128) {
        let right = Operand::Range(value, value);
        self.tests.push(Test::Compare(Box::new(Compare { left, right, negated: false })));
    }
}

impl Compiler<'_> {
    /// Takes a comparison into the common part, if there is a place for it.
    pub(super) fn fold(&mut self, op: MatchOp, left: &Expr, right: &Expr, draft: &mut Draft) -> bool {
        let negated = op == MatchOp::Ne;
        if !draft.is_open() || !(negated || op == MatchOp::Eq) {
            return false;
        }
        match left {
            Expr::Payload { protocol, field, tunnel: None } if **protocol == *"ip" && **field == *"protocol" => {
                self.fold_meta("l4proto", right, negated, draft)
            }
            Expr::Payload { protocol, field, tunnel: None } => fold_field(protocol, field, right, negated, draft),
            Expr::Meta(key) => self.fold_meta(key, right, negated, draft),
            _ => false,
        }
    }

    fn fold_meta(&mut self, key: &str, right: &Expr, negated: bool, draft: &mut Draft) -> bool {
        let common = &mut draft.common;
        match (key, right) {
            ("iifname" | "iif", Expr::Text(name)) if common.in_device == 0 && !name.is_empty() => {
                common.in_device = self.device(name);
                common.inverted.in_device = negated;
                true
            }
            ("oifname" | "oif", Expr::Text(name)) if common.out_device == 0 && !name.is_empty() => {
                common.out_device = self.device(name);
                common.inverted.out_device = negated;
                true
            }
            ("l4proto", _) if common.protocol == 0 => match constant(right) {
                Some((first, last)) if first == last && first != 0 => match u8::try_from(first) {
                    Ok(protocol) => {
                        common.protocol = protocol;
                        common.inverted.protocol = negated;
                        true
                    }
                    Err(_) => false,
                },
                _ => false,
            },
            _ => false,
        }
    }
}

fn fold_field(protocol: &str, field: &str, right: &Expr, negated: bool, draft: &mut Draft) -> bool {
    let common = &mut draft.common;
    let family = match protocol {
        "ip" => Some(Family::V4),
        "ip6" => Some(Family::V6),
        _ => None,
    };
    // A rule that demands both families has its tests one by one.
    let same_family = family.is_some() && common.family == family;
    match field {
        "saddr" if same_family && common.src == Net::default() && !common.inverted.src => {
            let Some(net) = net(right, family) else { return false };
            common.src = net;
            common.inverted.src = negated;
            true
        }
        "daddr" if same_family && common.dst == Net::default() && !common.inverted.dst => {
            let Some(net) = net(right, family) else { return false };
            common.dst = net;
            common.inverted.dst = negated;
            true
        }
        "dport" if !negated && common.dports.is_none() && WITH_PORTS.contains(&common.protocol) => {
            let range = constant(right).and_then(|(first, last)| {
                Some(PortRange { first: u16::try_from(first).ok()?.into(), last: u16::try_from(last).ok()?.into() })
            });
            // The demand of the field's own protocol stands in the common part or among the tests.
            if common.inverted.protocol || range.is_none() {
                return false;
            }
            common.dports = range;
            true
        }
        _ => false,
    }
}

/// A prefix as address and mask.
fn net(expr: &Expr, family: Option<Family>) -> Option<Net> {
    let all = u128::MAX >> (128 - u32::from(family?.bits()));
    let (first, last) = constant(expr)?;
    let host = first ^ last;
    (host & host.wrapping_add(1) == 0 && first & host == 0).then_some(Net { address: first, mask: all & !host })
}
