//! One packet at one hook: what rules may read and change.

use skoop_model::{Packet, Unseen};

use super::common::PacketKey;
use super::compile::Compiled;
use super::event::Event;
use super::ipset::Sets;
use super::result::{HookResult, NfBlocker, NfEventKind, NfVerdict, RuleRef, Stopped};
use super::table::RuleId;
use super::{BridgePoint, DevicePoint, HookPoint, NetfilterEnv};
use crate::{Conntrack, Forks, PacketState};

/// One packet at one hook.
pub(crate) struct Run<'r> {
    pub rules: &'r Compiled,
    pub at: &'r HookPoint<'r>,
    pub layer: Layer<'r>,
    pub packet: &'r mut Packet,
    pub state: &'r mut PacketState,
    pub conntrack: &'r mut Conntrack,
    pub env: &'r dyn NetfilterEnv,
    pub forks: &'r mut Forks,
    pub result: HookResult,
    /// What changed the packet or its tracking, in order: becomes [`HookResult::events`] where somebody asks for rules word by word.
    pub events: Vec<Event>,
    /// What rules compare most; always that of `packet`.
    pub key: PacketKey,
}

/// Whose hook it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layer<'r> {
    /// That of an address family.
    Inet,
    Bridge(&'r BridgePoint<'r>),
    Device(&'r DevicePoint<'r>),
}

impl Layer<'_> {
    /// Whether it is that of an address family.
    pub fn is_inet(self) -> bool {
        matches!(self, Self::Inet)
    }
}

/// What is unknown about a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleDoubt {
    /// Whether it matches.
    Match,
    /// Whether the tests behind this many of its statements hold.
    Tests(u8),
    /// Whether the packet is within a limit, after this many of its statements.
    Limit(u8),
    /// Whether its target lets the packet pass.
    Target,
}

impl Run<'_> {
    /// The sets of the namespace.
    pub(crate) fn sets(&self) -> &Sets {
        &self.rules.sets
    }

    /// Changes the packet and records it.
    pub(crate) fn event(&mut self, kind: NfEventKind, rule: RuleId, change: impl FnOnce(&mut Packet)) {
        self.event_by(kind, Some(rule), change);
    }

    /// The same, by nothing but connection tracking if there is no rule.
    pub(super) fn event_by(&mut self, kind: NfEventKind, rule: Option<RuleId>, change: impl FnOnce(&mut Packet)) {
        if self.state.untraced {
            return change(self.packet);
        }
        let before = self.packet.clone();
        change(self.packet);
        let entry = match kind {
            NfEventKind::NatAgain | NfEventKind::NatReverse => self.conntrack.entry_text(self.state),
            _ => None,
        };
        self.events.push(Event { kind, rule, entry, before, after: self.packet.clone() });
    }

    /// Records what stops the packet.
    pub(super) fn block(&mut self, verdict: NfVerdict, by: RuleRef, because: Option<&str>) {
        let because = because.map(str::to_owned);
        if self.result.blockers.is_empty() {
            let confirmed = self.conntrack.of_packet(self.state).is_some_and(|(connection, ..)| connection.confirmed);
            let (packet, tracking) = (self.packet.clone(), self.state.tracking);
            self.result.stopped = Some(Box::new(Stopped { packet, tracking, confirmed, rerouted: None }));
        }
        self.result.blockers.push(NfBlocker { verdict, by, by_policy: false, because });
    }

    /// The answer about an unknown rule: the same one for the same packet.
    pub(super) fn ask(&mut self, rule: RuleId, doubt: RuleDoubt, why: String) -> bool {
        let known = self.state.answers.iter().find(|(known, of, _)| *known == rule && *of == doubt);
        if let Some((_, _, answer)) = known {
            return *answer;
        }
        let question = match doubt {
            RuleDoubt::Match => "matches",
            RuleDoubt::Tests(_) => "matches to its end",
            RuleDoubt::Limit(_) => "is within its limit",
            RuleDoubt::Target => "lets the packet pass",
        };
        let what = format!("whether `{}` {question}{}", self.rule_ref(rule), self.conntrack.on_place());
        let answer = self.forks.unknown(Unseen { what, why, matters: true });
        self.state.answers.push((rule, doubt, answer));
        answer
    }

    /// A rule as it stands in its dump.
    pub(super) fn rule_ref(&self, id: RuleId) -> RuleRef {
        self.rules.rule_ref(id, self.packet.family())
    }
}
