//! Compiles statements.

use std::sync::Arc;

use skoop_model::Family;

use super::{Compiler, Draft, Expr, Statement, Step, Test, Verdict};
use crate::netfilter::nft::action::{Action, HeaderField, NatAction, NatPart};
use crate::netfilter::nft::ast::{self, NatKind, ObjectKind, SetOp};
use crate::netfilter::nft::compiler::ranges;
use crate::netfilter::nft::source::{Source, TEXT};
use crate::netfilter::nft::step::VerdictMap;
use crate::netfilter::nft::test::Quota;
use crate::netfilter::targets::ZoneSide;

/// Fields that no walk looks at: setting them changes no packet's fate.
const IDLE_FIELDS: [&str; 8] = ["id", "checksum", "sequence", "ackseq", "window", "urgptr", "flowlabel", "mtu"];

impl Compiler<'_> {
    pub(super) fn statement(&mut self, statement: &Statement, draft: &mut Draft) {
        match statement {
            Statement::Match { op, left, right } => self.comparison(*op, left, right, draft),
            Statement::Verdict(verdict) => draft.verdict = Some(self.verdict(verdict)),
            Statement::VerdictMap { key, map } => {
                self.demand(key, draft);
                let key = self.key(key);
                let set = self.set_ref(map);
                self.step(Step::Map(VerdictMap { key, set }), draft);
            }
            Statement::Counter | Statement::Last | Statement::Log | Statement::FlowOffload(_) => {}
            Statement::Dup { address, device } => {
                address.iter().chain(device).for_each(|expr| self.demand(expr, draft));
            }
            Statement::SetUpdate { op, set, key, value, statements } => {
                self.demand(key, draft);
                if let Some(value) = value {
                    self.demand(value, draft);
                }
                let parts = self.key(key);
                let set = self.named_set(set);
                self.step(Step::Act(Action::Update { key: parts, set, added: *op != SetOp::Delete }), draft);
                if *op != SetOp::Delete {
                    limits(statements, draft);
                }
            }
            Statement::Meter { key, statement, .. } => {
                self.demand(key, draft);
                limits(std::slice::from_ref(statement), draft);
            }
            Statement::Limit(limit) => draft.tests.push(Test::Limit(limit.over)),
            Statement::Quota(quota) => draft.tests.push(quota_test(*quota)),
            Statement::ConnectionCount { .. } => {
                draft.tests.push(Test::Unknown("how many flows there are is not known".into()));
            }
            Statement::ObjectRef { kind, name } => self.object(kind, name, draft),
            Statement::Mangle { key, value } => self.mangle(key, value, draft),
            Statement::Nat(nat) => self.nat(nat, draft),
            Statement::Unknown(text) => {
                draft.tests.push(Test::Unknown(format!("`{text}` is not understood").into()));
            }
            Statement::Xt { kind, name } if **kind == *"match" => {
                let reason = format!("match `{name}` of iptables inside a rule of nftables: its options are not told");
                draft.tests.push(Test::Unknown(reason.into()));
            }
            other => self.act(other, draft),
        }
    }

    /// Statements that stop the packet, or of which more is not modelled.
    fn act(&mut self, statement: &Statement, draft: &mut Draft) {
        let unknown = |reason: &str, ends: bool| Action::Unknown(reason.into(), ends);
        let action = match statement {
            Statement::Reject(with) => {
                if matches!(with, Some(ast::Reject::TcpReset)) {
                    draft.demand_protocol(6);
                }
                match with {
                    Some(ast::Reject::Icmp(_)) => draft.demand_family(Family::V4),
                    Some(ast::Reject::Icmp6(_)) => draft.demand_family(Family::V6),
                    _ => {}
                }
                Action::Reject(with.clone())
            }
            Statement::Notrack => Action::Notrack,
            Statement::Fwd { device: Some(Expr::Text(device)), address: None, .. } => Action::Forward(device.clone()),
            Statement::Fwd { .. } => unknown("`fwd` to an address is not modelled", true),
            Statement::Tproxy { family, address, port } => {
                address.iter().chain(port).for_each(|expr| self.demand(expr, draft));
                let (address, port) = (address.as_ref(), port.as_ref());
                let family = family.and_then(ast::TableFamily::only).or_else(|| address.and_then(family_of));
                let address = address.map(|expr| self.nat_part(expr));
                Action::Tproxy { family, address, port: port.map(|expr| self.nat_part(expr)) }
            }
            Statement::Synproxy => unknown("`synproxy`: the proxied handshake is not modelled", true),
            Statement::Queue { bypass } => Action::Queue(*bypass),
            Statement::Xt { name, .. } => {
                let reason = format!("target `{name}` of iptables inside a rule of nftables: its options are not told");
                Action::Unknown(reason.into(), false)
            }
            // The rest, options of TCP, decides nothing that is walked.
            _ => return,
        };
        self.step(Step::Act(action), draft);
    }

    fn step(&mut self, step: Step, draft: &mut Draft) {
        if let (Step::Act(Action::Unknown(reason, _)), name) = (&step, &self.table.name) {
            let (reason, name) = (reason.clone(), name.to_string());
            self.note(reason, &name);
        }
        let tests = std::mem::take(&mut draft.tests);
        if draft.first.is_none() {
            draft.first = Some(tests);
        } else {
            self.push_tests(&mut draft.steps, tests);
        }
        draft.steps.push(step);
    }

    fn object(&mut self, kind: &str, name: &Expr, draft: &mut Draft) {
        self.demand(name, draft);
        let object = match name {
            Expr::Text(name) => self.table.objects.iter().find(|object| object.name == *name),
            _ => None,
        };
        match (kind, object.map(|object| &object.kind)) {
            ("limit", Some(ObjectKind::Limit(limit))) => draft.tests.push(Test::Limit(limit.over)),
            ("quota", Some(ObjectKind::Quota(quota))) => draft.tests.push(quota_test(*quota)),
            ("limit" | "quota", _) => {
                draft.tests.push(Test::Unknown(format!("the {kind} that it names was not seen").into()));
            }
            ("synproxy", _) => {
                let action = Action::Unknown("`synproxy`: the proxied handshake is not modelled".into(), true);
                self.step(Step::Act(action), draft);
            }
            ("ct helper", Some(ObjectKind::Helper(helper))) => {
                self.step(Step::Act(Action::Helper(Arc::from(&**helper))), draft);
            }
            // Counters, timeouts, expectations, labels of security: no packet fares differently.
            _ => {}
        }
    }

    fn mangle(&mut self, key: &Expr, value: &Expr, draft: &mut Draft) {
        self.demand(key, draft);
        self.demand(value, draft);
        let value = self.source(value);
        let unknown = |what: String| Action::Unknown(format!("setting `{what}` is not modelled").into(), false);
        let action = match key {
            Expr::Meta(key) => match &**key {
                "mark" => Action::Mark(value),
                "nftrace" | "priority" | "secmark" => return,
                other => unknown(format!("meta {other}")),
            },
            Expr::Ct { key, direction, .. } => match (&**key, direction) {
                ("mark", _) => Action::ConnectionMark(value),
                ("zone", None) => Action::Zone(value, ZoneSide::Both),
                ("zone", Some(ast::Direction::Original)) => Action::Zone(value, ZoneSide::Original),
                ("zone", Some(ast::Direction::Reply)) => Action::Zone(value, ZoneSide::Reply),
                ("label", _) => match label(&value) {
                    Some(bits) => Action::Labels(bits),
                    None => unknown("ct label".to_owned()),
                },
                ("event" | "secmark" | "timeout" | "expectation", _) => return,
                (other, _) => unknown(format!("ct {other}")),
            },
            Expr::Payload { protocol, field, tunnel: None } => match HeaderField::parse(protocol, field) {
                Some(header) => Action::Header(header, value),
                None if IDLE_FIELDS.contains(&&**field) => return,
                None => unknown(format!("{protocol} {field}")),
            },
            // Options of TCP and extension headers decide nothing that is walked.
            Expr::TcpOption { .. } | Expr::ExtensionHeader { .. } | Expr::IpOption { .. } => return,
            other => unknown(other.to_string()),
        };
        self.step(Step::Act(action), draft);
    }

    fn nat(&mut self, nat: &ast::Nat, draft: &mut Draft) {
        nat.address.iter().chain(&nat.port).for_each(|expr| self.demand(expr, draft));
        let own = nat.family.and_then(ast::TableFamily::only);
        let family = own.or_else(|| nat.address.as_ref().and_then(family_of));
        // `nft` puts the family before a statement that names it.
        if let Some(family) = own.filter(|_| self.table.family == ast::TableFamily::Inet) {
            draft.demand_family(family);
        }
        let address = nat.address.as_ref().map(|expr| self.nat_part(expr));
        let port = nat.port.as_ref().map(|expr| self.nat_part(expr));
        let (random, persistent) = (nat.random || nat.fully_random, nat.persistent);
        let action = match (nat.kind, address, port) {
            (NatKind::Masquerade | NatKind::Redirect, Some(_), _) => {
                Action::Unknown("NAT to an address of this host is not understood".into(), true)
            }
            (kind, address, port) => {
                let netmap = nat.netmap;
                Action::Nat(Box::new(NatAction { kind, family, address, port, random, persistent, netmap }))
            }
        };
        self.step(Step::Act(action), draft);
        // The verdict of NAT is that of the rule: it ends the chain.
        draft.verdict.get_or_insert(Verdict::Continue);
    }

    fn nat_part(&mut self, expr: &Expr) -> NatPart {
        if let Some(fixed) = ranges(expr) {
            return NatPart::Fixed(fixed);
        }
        match expr {
            Expr::Map { key, map } => {
                let key = self.key(key);
                NatPart::Map(key, self.set_ref(map))
            }
            other => NatPart::Value(self.source(other)),
        }
    }
}

/// The bit of a label, which is told by its number (`connlabel.conf` gives it a name, which is not collected).
fn label(value: &Source) -> Option<u128> {
    match value {
        Source::Constant(number, width) if *width < TEXT => 1_u128.checked_shl(u32::try_from(*number).ok()?),
        _ => None,
    }
}

/// Statements of an element that a rule adds: they may end the rule.
fn limits(statements: &[impl std::borrow::Borrow<Statement>], draft: &mut Draft) {
    for statement in statements {
        match statement.borrow() {
            Statement::Limit(limit) => draft.tests.push(Test::Limit(limit.over)),
            Statement::ConnectionCount { over: true, .. } => draft.tests.push(Test::Limit(true)),
            Statement::ConnectionCount { .. } => draft.tests.push(Test::Limit(false)),
            Statement::Quota(quota) => draft.tests.push(Test::Limit(quota.over)),
            _ => {}
        }
    }
}

fn quota_test(quota: ast::Quota) -> Test {
    Test::Quota(Quota { over: quota.over, bytes: quota.bytes, used_bytes: quota.used_bytes })
}

/// The family of an address, as far as it is written down.
fn family_of(expr: &Expr) -> Option<Family> {
    match expr {
        Expr::Address(address) => Some(Family::of(*address)),
        Expr::Prefix(net) => Some(Family::of(net.addr())),
        Expr::Range(ends) => family_of(&ends.0),
        Expr::Concat(parts) => parts.first().and_then(family_of),
        _ => None,
    }
}
