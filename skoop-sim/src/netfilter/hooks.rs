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
            if let Layer::Bridge(at) = self.layer
                && !at.part.holds(group.priority)
            {
                continue;
            }
            self.group(group, family);
        }
    }

    fn group(&mut self, group: &Group, family: Family) {
        if let Some(doubt) = group.late.filter(|_| self.result.blockers.is_empty()) {
            return self.late_group(group, family, doubt);
        }
        let order = if group.doubt.is_some() { self.order_of(group, None, family) } else { None };
        match order {
            None => group.stages.iter().for_each(|stage| self.stage(*stage, family)),
            Some(order) => {
                for stage in order.into_iter().filter_map(|place| group.stages.get(place)) {
                    self.stage(*stage, family);
                }
            }
        }
    }

    /// A group that changes nothing, so that its order matters only for which of several refusals comes first.
    fn late_group(&mut self, group: &Group, family: Family, doubt: u32) {
        let mut refusals = Vec::new();
        for (place, stage) in group.stages.iter().enumerate() {
            let before = self.result.blockers.len();
            self.stage(*stage, family);
            if let Some(blocker) = self.result.blockers.get(before) {
                refusals.push((place, before, blocker.verdict));
            }
        }
        let Some((.., first)) = refusals.first() else { return };
        if refusals.iter().all(|(.., verdict)| verdict == first) {
            return;
        }
        let Some(order) = self.chosen_order(doubt, group.stages.len()) else { return };
        let chosen = order.iter().find_map(|place| refusals.iter().find(|(of, ..)| of == place));
        if let Some((_, at, _)) = chosen {
            self.result.blockers.swap(0, *at);
        }
    }

    pub(super) fn stage(&mut self, stage: Stage, family: Family) {
        if self.result.unroutable || (self.state.copy && !self.result.blockers.is_empty()) {
            return;
        }
        let rerouted = std::mem::take(&mut self.result.reroute);
        let passed = self.result.stopped.is_none();
        self.pass_stage(stage, family);
        if let Some(stopped) = self.result.stopped.as_mut().filter(|_| passed) {
            stopped.rerouted = self.result.rerouted_by;
        }
        if self.result.reroute {
            self.result.rerouted_by = Some((self.packet.mark, self.packet.tos));
        }
        self.result.unroutable = self.result.reroute && !self.env.routes(self.packet, self.state.sender.uid);
        self.result.reroute |= rerouted;
    }

    fn pass_stage(&mut self, stage: Stage, family: Family) {
        match stage {
            Stage::Chain { table, chain, route } if !route || self.at.hook != Hook::Output => {
                self.traverse(table, chain);
            }
            Stage::Chain { table, chain, .. } => {
                let before = (self.packet.mark, self.packet.tos, self.packet.ttl);
                let addresses = (self.packet.src, self.packet.dst);
                self.traverse(table, chain);
                // `nf_route_table_inet`, `ipt_mangle_out`, `ip6t_mangle_out`: IPv6 looks at the hop limit too.
                let ttl_counts = family == Family::V6 && self.packet.ttl != before.2;
                let changed = (self.packet.mark, self.packet.tos) != (before.0, before.1);
                self.result.reroute |= changed || ttl_counts || (self.packet.src, self.packet.dst) != addresses;
            }
            Stage::Track => self.track(),
            Stage::Nat(manip) => self.nat_stage(manip, family),
            Stage::Confirm => self.confirm(),
        }
    }

    /// The order of a group's stages, where it is not known, matters for the packet, and is not the one in which they stand.
    fn order_of(&mut self, group: &Group, nat: Option<Manip>, family: Family) -> Option<Vec<usize>> {
        let (doubt, count) = (group.doubt?, group.stages.len());
        let stages = |number| order(count, number).into_iter().filter_map(|place| group.stages.get(place)).collect();
        let asked = self.conntrack.answered(Doubt::Order(doubt)).is_some();
        if !asked && self.fares_alike((0..orders(count)).map(stages), nat, family) {
            return None;
        }
        self.chosen_order(doubt, count)
    }

    fn chosen_order(&mut self, doubt: u32, count: usize) -> Option<Vec<usize>> {
        let orders = orders(count);
        let chosen = self.conntrack.answered(Doubt::Order(doubt)).unwrap_or_else(|| {
            let question = usize::try_from(doubt).ok().and_then(|doubt| self.rules.order.doubts.get(doubt));
            let what = question.cloned().unwrap_or_default() + &self.conntrack.on_place();
            let why = "one changes what the other heeds or answers otherwise, at the same hook and priority, and which was registered first is not known"
                .to_owned();
            let unseen = Unseen { what, why, matters: true };
            let chosen = if orders == 2 {
                usize::from(!self.forks.unknown(unseen))
            } else {
                self.forks.unknown_among(unseen, orders, |order| format!("order {order}"))
            };
            self.conntrack.remember(Doubt::Order(doubt), chosen);
            chosen
        });
        (chosen > 0).then(|| order(count, chosen))
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
            let order = if group.doubt.is_some() { self.order_of(group, Some(manip), family) } else { None };
            for step in 0..group.stages.len() {
                let place = order.as_ref().map_or(Some(step), |order| order.get(step).copied());
                let stage = place.and_then(|place| group.stages.get(place));
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
        self.conntrack.remember(Doubt::Rules(place), usize::from(passes));
        if !passes {
            self.block(NfVerdict::Drop, unseen_ref(family, format!("netfilter rules not seen: {why}")), None);
        }
    }
}

/// Place of a family in [`Family::ALL`].
fn place(family: Family) -> usize {
    usize::from(family == Family::V6)
}

/// How many orders of so many stages are tried: of more than four only the rotations.
fn orders(count: usize) -> usize {
    if count <= 4 { (1..=count).product() } else { count }
}

/// One of them; the first is as they stand.
fn order(count: usize, number: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..count).collect();
    if count > 4 {
        left.rotate_left(number % count);
        return left;
    }
    let (mut number, mut taken) = (number, Vec::with_capacity(count));
    while !left.is_empty() {
        let others: usize = (1..left.len()).product();
        taken.push(left.remove(number / others % left.len()));
        number %= others;
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_orders_of_few() {
        let all: Vec<_> = (0..orders(3)).map(|number| order(3, number)).collect();
        assert_eq!(all, [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]);
        assert_eq!((order(2, 1), orders(5), order(5, 4)), (vec![1, 0], 5, vec![4, 0, 1, 2, 3]));
    }
}
