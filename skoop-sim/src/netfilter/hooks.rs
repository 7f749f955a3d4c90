//! Passing a packet through one hook: stage by stage, in the order of [`Order`](super::order::Order).

use skoop_model::{Family, Unseen};

use super::compile::unseen_ref;
use super::order::{Group, Stage};
use super::result::NfVerdict;
use super::run::{Layer, Run};
use super::targets::NatTurn;
use super::{DeviceHook, Hook};
use crate::conntrack::{Doubt, Manip, Origin};

impl Run<'_> {
    /// Passes the packet through the hook.
    pub(super) fn hook(&mut self) {
        let rules = self.rules;
        let hook = self.at.hook;
        let family = self.packet.family();
        let order = &rules.order;
        let groups = match self.layer {
            Layer::Inet => {
                let origin = if hook == Hook::Output { Origin::Local } else { Origin::Received };
                self.state.origin.get_or_insert(origin);
                self.unseen_rules(family);
                order.inet.get(place(family)).and_then(|hooks| hooks.get(hook as usize))
            }
            Layer::Bridge(_) => order.bridge.get(hook as usize),
            Layer::Device(at) => {
                let mut devices = order.devices.iter();
                let is_here = |(device, of, _): &&(Box<str>, DeviceHook, Vec<Group>)| {
                    *of == at.hook && **device == *at.device.name
                };
                devices.find(is_here).map(|(.., groups)| groups)
            }
        };
        for group in groups.into_iter().flatten() {
            self.group(group, family);
        }
    }

    fn group(&mut self, group: &Group, family: Family) {
        if self.is_reversed(group) {
            group.stages.iter().rev().for_each(|stage| self.stage(*stage, family));
        } else {
            group.stages.iter().for_each(|stage| self.stage(*stage, family));
        }
    }

    fn stage(&mut self, stage: Stage, family: Family) {
        match stage {
            Stage::Chain { table, chain, route } => {
                let before = (self.packet.mark, self.packet.tos, self.packet.ttl);
                let addresses = (self.packet.src, self.packet.dst);
                self.traverse(table, chain);
                // `nf_route_table_inet`, `ipt_mangle_out`, `ip6t_mangle_out`: IPv6 looks at the hop limit too.
                if route && self.at.hook == Hook::Output {
                    let ttl_counts = family == Family::V6 && self.packet.ttl != before.2;
                    let changed = (self.packet.mark, self.packet.tos) != (before.0, before.1);
                    self.result.reroute |= changed || ttl_counts || (self.packet.src, self.packet.dst) != addresses;
                }
            }
            Stage::Track => self.track(),
            Stage::Nat(manip) => self.nat_stage(manip, family),
            Stage::Confirm => self.confirm(),
        }
    }

    /// Whether a group whose order is not known, and matters, runs the other way round.
    fn is_reversed(&mut self, group: &Group) -> bool {
        let Some(doubt) = group.doubt else { return false };
        if let Some(in_order) = self.conntrack.answered(Doubt::Order(doubt)) {
            return !in_order;
        }
        let question = usize::try_from(doubt).ok().and_then(|doubt| self.rules.order.doubts.get(doubt));
        let what = question.cloned().unwrap_or_default() + &self.conntrack.on_place();
        let why = "one changes what the other heeds at the same hook and priority, and which was registered first is not known"
            .to_owned();
        let in_order = self.forks.unknown(Unseen { what, why, matters: true });
        self.conntrack.remember(Doubt::Order(doubt), in_order);
        !in_order
    }

    /// Only the first packets of a flow meet the rules, of which the first that matches decides (`nf_nat_inet_fn`).
    fn nat_stage(&mut self, manip: Manip, family: Family) {
        let turn = self.nat_turn(manip);
        if turn == NatTurn::Rules {
            self.nat_chains(manip, family);
        }
        self.nat_finish(manip, turn);
    }

    fn nat_chains(&mut self, manip: Manip, family: Family) {
        let rules = self.rules;
        let hooks = rules.order.nat.get(place(family)).and_then(|hooks| hooks.get(self.at.hook as usize));
        for group in hooks.into_iter().flatten() {
            let reversed = self.is_reversed(group);
            let count = group.stages.len();
            for step in 0..count {
                let stage = group.stages.get(if reversed { count - 1 - step } else { step });
                if let Some(Stage::Chain { table, chain, .. }) = stage
                    && !self.nat_decided(manip)
                {
                    self.traverse(*table, *chain);
                }
            }
        }
    }

    /// Rules that were not seen: asked once in a walk for the namespace, and blamed once.
    fn unseen_rules(&mut self, family: Family) {
        let place = place(family);
        let rules = self.rules;
        let Some([first, rest @ ..]) = rules.unseen.get(place).map(Vec::as_slice) else { return };
        if self.conntrack.answered(Doubt::Rules(place)).is_some() {
            return;
        }
        let reason = |unseen: &Unseen| format!("{}: {}", unseen.what, unseen.why);
        let why = rest.iter().fold(reason(first), |all, unseen| all + "; " + &reason(unseen));
        let what =
            format!("whether netfilter rules that were not seen let the packet pass{}", self.conntrack.on_place());
        let passes = self.forks.unknown(Unseen { what, why: why.clone(), matters: true });
        self.conntrack.remember(Doubt::Rules(place), passes);
        if !passes {
            self.block(NfVerdict::Drop, unseen_ref(family, format!("netfilter rules not seen: {why}")), None);
        }
    }
}

/// Place of a family in [`Family::ALL`].
fn place(family: Family) -> usize {
    usize::from(family == Family::V6)
}
