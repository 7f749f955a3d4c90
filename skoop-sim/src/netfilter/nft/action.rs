//! Statements that do something to the packet or its flow.

mod header;
mod nat;

use std::sync::Arc;

use skoop_model::{Family, Mark};

pub(super) use header::HeaderField;
pub(super) use nat::{NatAction, NatPart};

use super::ast::Reject;
use super::set::{Key, SetChange};
use super::source::{Scope, Source, key_of};
use super::step;
use crate::netfilter::result::RejectWith;
use crate::netfilter::run::Run;
use crate::netfilter::table::{RuleId, Table};
use crate::netfilter::targets::{Effect, ZoneSide};

/// One statement.
#[derive(Debug)]
pub(crate) enum Action {
    /// `net/netfilter/nft_reject.c` and its siblings; none: the default.
    Reject(Option<Reject>),
    Nat(Box<NatAction>),
    /// `nft_notrack_eval`.
    Notrack,
    /// `meta mark set`.
    Mark(Source),
    /// `ct mark set`.
    ConnectionMark(Source),
    /// `ct zone set`, before tracking.
    Zone(Source, ZoneSide),
    /// `ct label set`: these bits.
    Labels(u128),
    /// `ct helper set`.
    Helper(Arc<str>),
    /// `tproxy to`.
    Tproxy {
        family: Option<Family>,
        address: Option<NatPart>,
        port: Option<NatPart>,
    },
    /// `queue`, and whether it is bypassed where no program listens.
    Queue(bool),
    Header(HeaderField, Source),
    /// `add`, `update`, `delete`: an element of a set, by its place in the table (`net/netfilter/nft_dynset.c`).
    Update {
        key: Box<[Source]>,
        set: u32,
        added: bool,
    },
    /// `fwd to DEVICE`: the frame goes on there (`nft_fwd_netdev_eval`).
    Forward(Box<str>),
    /// What it does is not known, for this reason; and whether a packet that it lets pass leaves the base chain.
    Unknown(Box<str>, bool),
}

impl Action {
    pub(crate) fn apply(&self, run: &mut Run<'_>, table: &Table, rule: RuleId) -> Effect {
        match self {
            Self::Reject(with) => run.reject(reject_with(with.as_ref(), run)),
            Self::Nat(nat) => nat.apply(run, table, rule),
            Self::Notrack => {
                run.notrack(rule);
                Effect::Continue
            }
            Self::Mark(source) => with_number(source, run, table, rule, |run, mark| run.set_mark(Mark(mark), rule)),
            Self::ConnectionMark(source) => {
                with_number(source, run, table, rule, |run, mark| run.set_connection_mark(Mark(mark), rule))
            }
            Self::Zone(source, side) => with_number(source, run, table, rule, |run, zone| {
                run.set_zone(u16::try_from(zone).unwrap_or(0), *side);
            }),
            Self::Labels(bits) => {
                run.add_connection_labels(*bits);
                Effect::Continue
            }
            Self::Helper(helper) => {
                run.set_helper(helper);
                Effect::Continue
            }
            Self::Tproxy { family, address, port } => {
                let parts = [address.as_ref(), port.as_ref()];
                nat::tproxy(run, table, rule, *family, parts)
            }
            Self::Queue(bypass) => Run::queue(*bypass),
            Self::Header(field, source) => {
                with_value(source, run, table, rule, |run, value| field.write(run, value, rule))
            }
            Self::Update { key, set, added } => {
                let Some(values) = key_of(key, run, Scope { sets: &table.sets, drawn: None }) else {
                    return Effect::Break;
                };
                if let (Some(key), Some(set)) = (Key::of(values.as_slice()), table.set(*set)) {
                    run.conntrack.change_set(SetChange { set: set.id, key, added: *added });
                }
                Effect::Continue
            }
            Self::Forward(device) => {
                run.result.redirect = Some(device.to_string());
                Effect::Accept
            }
            Self::Unknown(reason, _) => Effect::Opaque(reason.clone()),
        }
    }

    /// Whether a packet that it lets pass leaves the base chain, if what it does is not known.
    pub(crate) fn ends_chain(&self) -> bool {
        matches!(self, Self::Unknown(_, true) | Self::Queue(_))
    }

    /// Whether no packet fares differently for it.
    pub(crate) fn is_harmless(&self, table: &Table) -> bool {
        matches!(self, Self::Update { set, .. } if table.set(*set).is_none_or(|set| !set.asked))
    }

    pub(crate) fn only_stops(&self) -> bool {
        matches!(self, Self::Reject(_))
    }

    /// Whether it looks at things that rules can change.
    pub(crate) fn reads_changes(&self) -> bool {
        match self {
            Self::Mark(source) | Self::ConnectionMark(source) | Self::Zone(source, _) | Self::Header(_, source) => {
                source.reads_changes()
            }
            Self::Unknown(..) | Self::Nat(_) | Self::Tproxy { .. } | Self::Helper(_) | Self::Labels(_) => true,
            Self::Update { key, .. } => key.iter().any(Source::reads_changes),
            Self::Reject(_) | Self::Notrack | Self::Forward(_) | Self::Queue(_) => false,
        }
    }
}

/// Evaluates a value and does something with it. A value that the packet does not have ends the rule.
fn with_value(
    source: &Source,
    run: &mut Run<'_>,
    table: &Table,
    rule: RuleId,
    act: impl FnOnce(&mut Run<'_>, u128) -> Option<()>,
) -> Effect {
    let drawn = match source {
        Source::Map(key, set) => step::draw(key, *set, run, table, rule),
        other => step::draw(std::slice::from_ref(other), u32::MAX, run, table, rule),
    };
    match source.eval(run, Scope { sets: &table.sets, drawn }) {
        None => Effect::Break,
        Some(value) => {
            if value.exact().and_then(|value| act(run, value)).is_some() {
                return Effect::Continue;
            }
            let reason = source.doubt().unwrap_or_else(|| "a value that it sets is not known".to_owned());
            Effect::Opaque(reason.into())
        }
    }
}

fn with_number(
    source: &Source,
    run: &mut Run<'_>,
    table: &Table,
    rule: RuleId,
    act: impl FnOnce(&mut Run<'_>, u32),
) -> Effect {
    with_value(source, run, table, rule, |run, value| {
        act(run, u32::try_from(value).ok()?);
        Some(())
    })
}

/// `nft_reject_icmp_code`, `nft_reject_icmpv6_code` (`net/netfilter/nft_reject.c`).
fn reject_with(with: Option<&Reject>, run: &Run<'_>) -> RejectWith {
    let v4 = run.packet.src.is_ipv4();
    let icmp = |code| RejectWith::Icmp { kind: if v4 { 3 } else { 1 }, code };
    match with {
        None => RejectWith::default_of(run.packet.family()),
        Some(Reject::TcpReset) => RejectWith::TcpReset,
        Some(Reject::Icmp(code)) => RejectWith::Icmp { kind: 3, code: *code },
        Some(Reject::Icmp6(code)) => RejectWith::Icmp { kind: 1, code: *code },
        Some(Reject::Icmpx(code)) => icmp(match (code, v4) {
            (0, _) => 0,
            (1, true) | (2, false) => 3,
            (1, false) => 4,
            (2, true) | (_, false) => 1,
            (_, true) => 13,
        }),
    }
}
