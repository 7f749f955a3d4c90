//! Traversal of a base chain (`ipt_do_table`, `net/ipv4/netfilter/ip_tables.c`; `nft_do_chain`, `net/netfilter/nf_tables_core.c`).

use super::index::Cursor;
use super::nft::Step;
use super::result::{NfEventKind, NfVerdict};
use super::run::{RuleDoubt, Run};
use super::table::{Chain, Rule, RuleId, Table, Verdict};
use super::targets::Effect;
use super::test::Test;
use crate::Tri;
use crate::mutation::{Mutation, is};

/// How traversal of the base chain goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// With the next rule.
    Next,
    /// Behind the jump to this chain.
    Return,
    Jump(u32),
    Goto(u32),
    End,
}

/// Chains that a jump left: the nearest to the base chain without an allocation, because few tables nest deeper.
#[derive(Default)]
struct Callers<'t> {
    near: [Cursor<'t>; 4],
    depth: usize,
    far: Vec<Cursor<'t>>,
}

impl<'t> Callers<'t> {
    fn push(&mut self, cursor: Cursor<'t>) {
        match self.near.get_mut(self.depth) {
            Some(place) => *place = cursor,
            None => self.far.push(cursor),
        }
        self.depth += 1;
    }

    fn pop(&mut self) -> Option<Cursor<'t>> {
        self.depth = self.depth.checked_sub(1)?;
        self.near.get(self.depth).copied().or_else(|| self.far.pop())
    }
}

impl Run<'_> {
    /// Traverses a base chain. A drop is recorded, then the chain is left as with ACCEPT.
    pub(super) fn traverse(&mut self, place: u32, base: u32) {
        let rules = self.rules;
        let Some(table) = rules.table(place) else { return };
        let Some(chain) = table.chain(base) else { return };
        let decided = self.walk_chains(table, RuleId { table: place, rule: 0 }, chain);
        if !decided && chain.drops && !is(Mutation::PolicyIgnored) {
            let by = table.policy_ref(chain, self.packet.family());
            self.block(NfVerdict::Drop, by, None);
            if let Some(blocker) = self.result.blockers.last_mut() {
                blocker.by_policy = true;
            }
        }
    }

    /// True if a rule decided, false if the policy has to.
    fn walk_chains(&mut self, table: &Table, place: RuleId, base: &Chain) -> bool {
        let mut callers = Callers::default();
        let mut cursor = self.enter(base);
        loop {
            let next = cursor.next().and_then(|number| Some((number, table.rule(number)?)));
            let Some((number, rule)) = next else {
                let Some(caller) = callers.pop() else { return false };
                cursor = caller;
                continue;
            };
            let id = RuleId { rule: number, ..place };
            if !self.rule_matches(table, rule, id) {
                continue;
            }
            let flow = match rule.verdict {
                Verdict::Program(program) => self.execute(table, table.program(program), id),
                verdict => self.follow(table, verdict, id),
            };
            let into = match flow {
                Flow::Next => continue,
                Flow::Return if is(Mutation::ReturnAccepts) => return true,
                Flow::Return => None,
                Flow::Jump(target) if !is(Mutation::JumpForgets) => {
                    let Some(chain) = table.chain(target) else { continue };
                    if !cursor.is_done() {
                        callers.push(cursor);
                    }
                    Some(self.enter(chain))
                }
                Flow::Jump(target) | Flow::Goto(target) => table.chain(target).map(|chain| self.enter(chain)),
                Flow::End => return true,
            };
            let Some(into) = into.or_else(|| callers.pop()) else { return false };
            cursor = into;
        }
    }

    fn enter<'t>(&self, chain: &'t Chain) -> Cursor<'t> {
        match &chain.index {
            Some(index) => index.cursor(&self.key),
            None => Cursor::Scan(chain.rules.0, chain.rules.1),
        }
    }

    fn follow(&mut self, table: &Table, verdict: Verdict, id: RuleId) -> Flow {
        match verdict {
            Verdict::Continue | Verdict::Program(_) => Flow::Next,
            Verdict::Return => Flow::Return,
            Verdict::Jump(target) => {
                self.tell_remembered(table, id);
                Flow::Jump(target)
            }
            Verdict::Goto(target) => {
                self.tell_remembered(table, id);
                Flow::Goto(target)
            }
            Verdict::Accept => Flow::End,
            Verdict::Drop => {
                self.block(NfVerdict::Drop, self.rule_ref(id), None);
                Flow::End
            }
            Verdict::Target(target) => {
                let Some(target) = table.target(target) else { return Flow::Next };
                let effect = target.apply(self, id);
                self.effect(effect, id, target.ends_chain()).unwrap_or(Flow::Next)
            }
        }
    }

    /// Records that a rule sends the packet to a chain because of what an earlier packet left behind: the affinity of a service.
    fn tell_remembered(&mut self, table: &Table, id: RuleId) {
        if self.state.untraced {
            return;
        }
        let Some(rule) = table.rule(id.rule) else { return };
        let any = |tests: &[Test]| tests.iter().any(|test| test.remembers(&table.sets));
        let steps = match rule.verdict {
            Verdict::Program(program) => table.program(program),
            _ => &[],
        };
        let in_step = |step: &Step| matches!(step, Step::Tests(first, count) if any(table.tests_from(*first, *count)));
        if any(table.tests_of(rule)) || steps.iter().any(in_step) {
            self.event(NfEventKind::Remembered, id, |_| {});
        }
    }

    /// The statements of a rule that matched so far.
    fn execute(&mut self, table: &Table, steps: &[Step], id: RuleId) -> Flow {
        for (number, step) in (0_u8..=u8::MAX).zip(steps) {
            match step {
                Step::Tests(first, count) => {
                    let tests = table.tests_from(*first, *count);
                    if !self.tests_hold(table, tests, id, RuleDoubt::Tests(number))
                        || !self.draw(table, tests, || table.rule(id.rule))
                    {
                        return Flow::Next;
                    }
                }
                Step::Act(action) => match action.apply(self, table, id) {
                    Effect::Break => return Flow::Next,
                    effect => {
                        if let Some(flow) = self.effect(effect, id, action.ends_chain()) {
                            return flow;
                        }
                    }
                },
                Step::Map(map) => match map.find(self, table, id) {
                    None => return Flow::Next,
                    Some(Verdict::Continue) => {}
                    Some(verdict) => return self.follow(table, verdict, id),
                },
                Step::Verdict(verdict) => return self.follow(table, *verdict, id),
            }
        }
        Flow::Next
    }

    /// What comes of a target or statement; none if the rule goes on.
    fn effect(&mut self, effect: Effect, id: RuleId, ends_chain: bool) -> Option<Flow> {
        match effect {
            Effect::Continue => return None,
            Effect::Break => return Some(Flow::Next),
            Effect::Accept => {}
            Effect::Drop(because) => self.block(NfVerdict::Drop, self.rule_ref(id), Some(because)),
            Effect::Reject(_) if is(Mutation::RejectSilent) => self.block(NfVerdict::Drop, self.rule_ref(id), None),
            Effect::Reject(with) => self.block(NfVerdict::Reject(with), self.rule_ref(id), None),
            Effect::Opaque(reason) => {
                if !self.ask(id, RuleDoubt::Target, reason.into()) {
                    self.block(NfVerdict::Drop, self.rule_ref(id), None);
                } else if !ends_chain {
                    return None;
                }
            }
        }
        Some(Flow::End)
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
        if rule.tests == 0 {
            return true;
        }
        let tests = table.tests_of(rule);
        self.tests_hold(table, tests, id, RuleDoubt::Match) && (!rule.chance || self.draw(table, tests, || Some(rule)))
    }

    fn tests_hold(&mut self, table: &Table, tests: &[Test], id: RuleId, doubt: RuleDoubt) -> bool {
        let mut all = Tri::Yes;
        for test in tests {
            all = all.and(test.eval(self, &table.sets));
            if all == Tri::No {
                return false;
            }
        }
        if all == Tri::Maybe {
            let doubtful = tests.iter().find(|test| test.eval(self, &table.sets) == Tri::Maybe);
            if !self.ask(id, doubt, doubtful.map(|test| test.doubt(&table.sets)).unwrap_or_default()) {
                return false;
            }
        }
        // What is beyond a limit is not the main way.
        if tests.iter().any(|test| matches!(test, Test::Limit(true))) {
            let number = if let RuleDoubt::Tests(number) = doubt { number } else { u8::MAX };
            return !self.ask(id, RuleDoubt::Limit(number), "it depends on how much came before".to_owned());
        }
        true
    }

    fn draw<'t>(&mut self, table: &Table, tests: &[Test], rule: impl FnOnce() -> Option<&'t Rule>) -> bool {
        let mut probability = 1.0;
        let mut hashed = false;
        for (chance, by_hash) in tests.iter().filter_map(Test::chance) {
            probability *= chance;
            hashed |= by_hash;
        }
        if probability >= 1.0 || probability <= 0.0 {
            return probability >= 1.0;
        }
        let label = |option| {
            let name = rule().map(|rule| table.label(rule)).unwrap_or_default();
            if option == 0 { name.into_owned() } else { format!("not {name}") }
        };
        let options = [probability, 1.0 - probability];
        let taken = if hashed { self.forks.hash(&options, label) } else { self.forks.random(&options, label) };
        taken == 0
    }
}
