//! One packet at one hook: what rules may read and change.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use skoop_model::{Mark, Packet, Unseen};

use super::common::PacketKey;
use super::compile::Compiled;
use super::ipset::Sets;
use super::result::{HookResult, NfBlocker, NfEvent, NfEventKind, NfVerdict, RuleRef};
use super::table::RuleId;
use super::targets::Effect;
use super::{BridgePoint, DevicePoint, HookPoint, NetfilterEnv};
use crate::conntrack::{Manip, NatRange, Tracking};
use crate::{Conntrack, Forks, PacketState};

/// Of so many addresses each is walked; of more, the first one stands for all.
const MAX_ADDRESSES: u128 = 64;

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

/// What is unknown about a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleDoubt {
    /// Whether it matches.
    Match,
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

    /// Sets the mark of the packet.
    pub(crate) fn set_mark(&mut self, mark: Mark, rule: RuleId) {
        if mark != self.packet.mark {
            self.event(NfEventKind::Mark, rule, |packet| packet.mark = mark);
        }
    }

    /// Sets the TOS byte of the packet.
    pub(crate) fn set_tos(&mut self, tos: u8, rule: RuleId) {
        if tos != self.packet.tos {
            self.event(NfEventKind::Header, rule, |packet| packet.tos = tos);
        }
    }

    /// Sets the mark of the packet's flow.
    pub(crate) fn set_connection_mark(&mut self, mark: Mark, rule: RuleId) {
        if let Tracking::Tracked { id, .. } = self.state.tracking
            && let Some(connection) = self.conntrack.connection_mut(id)
            && connection.mark != mark
        {
            connection.mark = mark;
            self.event(NfEventKind::ConnectionMark(mark), rule, |_| {});
        }
    }

    /// Decides NAT of the packet's flow; the packet itself is translated once the chain was left.
    pub(crate) fn nat(&mut self, manip: Manip, range: NatRange, rule: RuleId) -> Effect {
        if let Tracking::Tracked { id, .. } = self.state.tracking {
            self.conntrack.set_up_nat(id, manip, range, Some(rule));
        }
        Effect::Accept
    }

    /// One address of a range, chosen by a hash (`find_best_ips_proto`, `net/netfilter/nf_nat_core.c`).
    pub(crate) fn choose_address(&mut self, (first, last): (IpAddr, IpAddr), rule: RuleId) -> IpAddr {
        let (start, end) = (super::common::bits(first), super::common::bits(last));
        let count = end.saturating_sub(start).saturating_add(1);
        if count > MAX_ADDRESSES {
            let rule = self.rule_ref(rule);
            let what = format!("which address `{rule}` takes{}", self.conntrack.on_place());
            let why = format!("a hash chooses among more than {MAX_ADDRESSES}");
            self.forks.unknown(Unseen { what, why, matters: true });
            return first;
        }
        let address = |option: usize| {
            let bits = start + option as u128;
            match (first, u32::try_from(bits)) {
                (IpAddr::V4(_), Ok(bits)) => IpAddr::V4(Ipv4Addr::from_bits(bits)),
                _ => IpAddr::V6(Ipv6Addr::from_bits(bits)),
            }
        };
        let weights = vec![1.0; usize::try_from(count).unwrap_or(1)];
        address(self.forks.hash(&weights, |option| address(option).to_string()))
    }

    /// Translates the packet as its flow demands.
    pub(super) fn translate(&mut self, manip: Manip, fresh: bool) {
        let mut after = self.packet.clone();
        if !self.conntrack.translate(self.state, manip, &mut after) || after == *self.packet {
            return;
        }
        let Some((kind, rule)) = self.nat_kind(manip, fresh) else { return };
        self.event_by(kind, rule, |packet| *packet = after);
        self.key = PacketKey::of(self.packet);
    }

    fn nat_kind(&self, manip: Manip, fresh: bool) -> Option<(NfEventKind, Option<RuleId>)> {
        use crate::conntrack::Direction::{Original, Reply};
        let (connection, _, direction) = self.conntrack.of_packet(self.state)?;
        let side = match (manip, direction) {
            (Manip::Source, Original) | (Manip::Destination, Reply) => connection.source,
            (Manip::Destination, Original) | (Manip::Source, Reply) => connection.destination,
        };
        let kind = match (direction, manip) {
            (Reply, _) => NfEventKind::NatReverse,
            (Original, _) if !fresh => NfEventKind::NatAgain,
            (Original, Manip::Source) => NfEventKind::SourceNat { random_port: side.random_port },
            (Original, Manip::Destination) => NfEventKind::DestinationNat,
        };
        Some((kind, side.rule))
    }

    fn event_by(&mut self, kind: NfEventKind, rule: Option<RuleId>, change: impl FnOnce(&mut Packet)) {
        if self.state.untraced {
            return change(self.packet);
        }
        let before = self.packet.clone();
        change(self.packet);
        let by = rule.map(|rule| self.rule_ref(rule));
        self.result.events.push(NfEvent { kind, by, before, after: self.packet.clone() });
    }

    /// Records what stops the packet.
    pub(super) fn block(&mut self, verdict: NfVerdict, by: RuleRef, because: Option<&str>) {
        let because = because.map(str::to_owned);
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
