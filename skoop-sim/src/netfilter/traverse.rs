//! Traversal of one table at one hook (`ipt_do_table`, `net/ipv4/netfilter/ip_tables.c`; `nft_do_chain` for iptables-nft).

use super::index::Cursor;
use super::result::NfVerdict;
use super::run::{RuleDoubt, Run};
use super::table::{Chain, Rule, RuleId, Table, Verdict};
use super::targets::Effect;
use crate::Tri;
use crate::mutation::{Mutation, is};

/// A chain that is being traversed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    chain: u32,
    cursor: Cursor,
}

/// Whether traversal of the base chain goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    End,
}

impl Run<'_> {
    /// Traverses a base chain. A drop is recorded, then the chain is left as with ACCEPT.
    pub(super) fn traverse(&mut self, place: u32, base: u32) {
        let rules = self.rules;
        let Some(table) = rules.table(place) else { return };
        let Some(chain) = table.chain(base) else { return };
        let mut frames = std::mem::take(&mut self.state.frames);
        frames.clear();
        frames.push(self.enter(base, chain));
        let decided = self.walk_chains(table, RuleId { table: place, rule: 0 }, &mut frames);
        self.state.frames = frames;
        if !decided && chain.drops && !is(Mutation::PolicyIgnored) {
            let by = table.policy_ref(chain, self.packet.family());
            self.block(NfVerdict::Drop, by, None);
            if let Some(blocker) = self.result.blockers.last_mut() {
                blocker.by_policy = true;
            }
        }
    }

    /// True if a rule decided, false if the policy has to.
    fn walk_chains(&mut self, table: &Table, place: RuleId, frames: &mut Vec<Frame>) -> bool {
        while let Some(frame) = frames.last_mut() {
            let chain = table.chain(frame.chain);
            let next = chain.and_then(|chain| frame.cursor.next(chain.index.as_ref()));
            let Some((number, rule)) = next.and_then(|number| Some((number, table.rule(number)?))) else {
                frames.pop();
                continue;
            };
            let id = RuleId { rule: number, ..place };
            if !self.rule_matches(table, rule, id) {
                continue;
            }
            match rule.verdict {
                Verdict::Continue => {}
                Verdict::Return if is(Mutation::ReturnAccepts) => return true,
                Verdict::Return => {
                    frames.pop();
                }
                Verdict::Jump(target) if !is(Mutation::JumpForgets) => {
                    frames.extend(table.chain(target).map(|chain| self.enter(target, chain)))
                }
                Verdict::Jump(target) | Verdict::Goto(target) => {
                    frames.pop();
                    frames.extend(table.chain(target).map(|chain| self.enter(target, chain)));
                }
                Verdict::Accept => return true,
                Verdict::Drop => {
                    self.block(NfVerdict::Drop, self.rule_ref(id), None);
                    return true;
                }
                Verdict::Target(target) => {
                    if self.apply(table, target, id) == Flow::End {
                        return true;
                    }
                }
            }
        }
        false
    }

    fn enter(&self, id: u32, chain: &Chain) -> Frame {
        let cursor = match &chain.index {
            Some(index) => index.cursor(&self.key),
            None => Cursor::Scan(chain.rules.0, chain.rules.1),
        };
        Frame { chain: id, cursor }
    }

    fn apply(&mut self, table: &Table, target: u32, id: RuleId) -> Flow {
        let Some(target) = table.target(target) else { return Flow::Next };
        match target.apply(self, id) {
            Effect::Continue => return Flow::Next,
            Effect::Accept => {}
            Effect::Drop(because) => self.block(NfVerdict::Drop, self.rule_ref(id), Some(because)),
            Effect::Reject(_) if is(Mutation::RejectSilent) => self.block(NfVerdict::Drop, self.rule_ref(id), None),
            Effect::Reject(with) => self.block(NfVerdict::Reject(with), self.rule_ref(id), None),
            Effect::Opaque(reason) => {
                if !self.ask(id, RuleDoubt::Target, reason.into()) {
                    self.block(NfVerdict::Drop, self.rule_ref(id), None);
                } else if !target.ends_chain() {
                    return Flow::Next;
                }
            }
        }
        Flow::End
    }

    /// Whether a rule matches. Rules that change nothing are passed over; chance is drawn only once all else matches.
    fn rule_matches(&mut self, table: &Table, rule: &Rule, id: RuleId) -> bool {
        let common = &rule.common;
        if rule.harmless || !common.matches(&self.key) {
            return false;
        }
        if common.in_device != 0 || common.out_device != 0 {
            let input = self.at.in_device.map(|link| link.name.as_str());
            let output = self.at.out_device.map(|link| link.name.as_str());
            if !table.device_matches(common.in_device, common.inverted.in_device, input)
                || !table.device_matches(common.out_device, common.inverted.out_device, output)
            {
                return false;
            }
        }
        if rule.matches == 0 {
            return true;
        }
        let matches = table.matches_of(rule);
        let mut all = Tri::Yes;
        for matcher in matches {
            all = all.and(matcher.eval(self));
            if all == Tri::No {
                return false;
            }
        }
        if all == Tri::Maybe {
            let doubtful = matches.iter().find(|matcher| matcher.eval(self) == Tri::Maybe);
            if !self.ask(id, RuleDoubt::Match, doubtful.map(super::matches::Match::doubt).unwrap_or_default()) {
                return false;
            }
        }
        !rule.chance || self.draw(table, rule)
    }

    fn draw(&mut self, table: &Table, rule: &Rule) -> bool {
        let probability: f64 = table.matches_of(rule).iter().filter_map(super::matches::Match::chance).product();
        if probability >= 1.0 || probability <= 0.0 {
            return probability >= 1.0;
        }
        let name = table.label(rule);
        let label = |option| if option == 0 { name.into_owned() } else { format!("not {name}") };
        self.forks.random(&[probability, 1.0 - probability], label) == 0
    }
}
