//! Whether it matters for a packet in which order base chains of one priority run: tried on copies.

use skoop_model::{Family, Packet};

use super::order::Stage;
use super::result::{HookResult, NfVerdict};
use super::run::Run;
use crate::conntrack::Manip;
use crate::{Conntrack, Forks, PacketState};

/// What came of one order.
struct Trial {
    packet: Packet,
    state: PacketState,
    conntrack: Conntrack,
    result: HookResult,
    /// It hung on something else that is not known.
    asked: bool,
}

impl Run<'_> {
    /// Whether the packet fares alike in all these orders. False where that hangs on something else. `nat` is the end that chains of
    /// type nat decide about.
    pub(super) fn fares_alike<'s>(
        &self,
        orders: impl Iterator<Item = Vec<&'s Stage>>,
        nat: Option<Manip>,
        family: Family,
    ) -> bool {
        // It is stopped already: nothing after that happens.
        if !self.result.blockers.is_empty() {
            return true;
        }
        let mut first = None;
        for order in orders {
            let trial = self.tried(&order, nat, family);
            if trial.asked || first.as_ref().is_some_and(|first| !trial.is_like(first)) {
                return false;
            }
            first.get_or_insert(trial);
        }
        true
    }

    fn tried(&self, stages: &[&Stage], nat: Option<Manip>, family: Family) -> Trial {
        let (mut packet, mut state) = (self.packet.clone(), self.state.clone());
        let (mut conntrack, mut forks) = (self.conntrack.clone(), Forks::unlabelled());
        let mut run = Run {
            rules: self.rules,
            at: self.at,
            layer: self.layer,
            packet: &mut packet,
            state: &mut state,
            conntrack: &mut conntrack,
            env: self.env,
            forks: &mut forks,
            result: HookResult { tproxy: self.result.tproxy, ..HookResult::default() },
            events: Vec::new(),
            key: self.key,
        };
        for stage in stages {
            match (nat, stage) {
                (None, _) => run.stage(**stage, family),
                (Some(manip), Stage::Chain { table, chain, .. }) if !run.nat_decided(manip) => {
                    run.traverse(*table, *chain);
                }
                _ => {}
            }
        }
        let result = run.result;
        Trial { packet, state, conntrack, result, asked: !forks.choices().is_empty() }
    }
}

impl Trial {
    fn is_like(&self, other: &Self) -> bool {
        let stopped = |trial: &Self| trial.result.blockers.first().map(|blocker| blocker.verdict);
        match (stopped(self), stopped(other)) {
            (None, None) => {
                self.packet == other.packet
                    && self.state.fares_like(&other.state)
                    && self.conntrack.is_like(&other.conntrack)
                    && (self.result.rerouted_by, self.result.tproxy) == (other.result.rerouted_by, other.result.tproxy)
                    && self.result.redirect == other.result.redirect
            }
            (Some(one), Some(two)) => {
                let answers = matches!(one, NfVerdict::Reject(_));
                one == two
                    && (!answers || self.result.stopped == other.result.stopped)
                    && self.conntrack.leaves_like(&other.conntrack)
            }
            _ => false,
        }
    }
}
