//! The last steps of compiling a table: loops broken, harmless chains found, long chains indexed.

use skoop_model::Family;

use super::index::Index;
use super::nft::{SetData, Step};
use super::table::{Rule, Table, Verdict};
use super::targets::Target;
use super::test::Test;

/// Breaks loops, judges chains and indexes long ones. `family` is that of rules that name none.
pub(crate) fn settle(table: &mut Table, family: Family) {
    settle_flags(table);
    for chain in &mut table.chains {
        let (start, end) = (index(chain.rules.0), index(chain.rules.1));
        let rules = table.rules.get(start..end).unwrap_or_default();
        let numbered = (chain.rules.0..).zip(rules.iter().map(|rule| &rule.common));
        // `zip` with an open range has the exact size of the rules.
        chain.index = Index::build(family, numbered).map(Box::new);
    }
}

/// Breaks loops and judges all chains.
pub(crate) fn settle_flags(table: &mut Table) {
    Visits::new(table).run(table, 0..place(table.chains.len()));
}

/// Judges these chains only; what was judged of the others stands.
pub(crate) fn settle_some(table: &mut Table, chains: &[u32]) {
    let mut visits = Visits::new(table);
    visits.seen.fill(Seen::Done);
    for chain in chains {
        if let Some(seen) = visits.seen.get_mut(index(*chain)) {
            *seen = Seen::Not;
        }
    }
    visits.run(table, chains.iter().copied());
}

fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

fn place(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// A depth-first visit of all chains, without recursion: a dump may nest as deep as it likes.
struct Visits {
    seen: Vec<Seen>,
    /// Chains on the way, each with its next rule, and the ways on from that rule that were not taken yet.
    path: Vec<(u32, u32, Option<Vec<u32>>)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Seen {
    Not,
    OnPath,
    Done,
}

impl Visits {
    fn new(table: &Table) -> Self {
        Self { seen: vec![Seen::Not; table.chains.len()], path: Vec::new() }
    }

    fn run(mut self, table: &mut Table, chains: impl Iterator<Item = u32>) {
        for chain in chains {
            self.enter(chain, table);
            while let Some((chain, rule)) = self.path.last().map(|(chain, rule, _)| (*chain, *rule)) {
                let end = table.chain(chain).map_or(0, |chain| chain.rules.1);
                if rule < end {
                    self.visit(rule, table);
                } else {
                    self.leave(chain, table);
                }
            }
        }
    }

    fn enter(&mut self, chain: u32, table: &Table) {
        if let (Some(seen), Some(entered)) = (self.seen.get_mut(index(chain)), table.chain(chain))
            && *seen == Seen::Not
        {
            *seen = Seen::OnPath;
            self.path.push((chain, entered.rules.0, None));
        }
    }

    /// Looks at the next way on from the next rule of the chain at hand. A chain that was not visited yet comes first.
    fn visit(&mut self, number: u32, table: &mut Table) {
        let Some((_, next, ways)) = self.path.last_mut() else { return };
        let ways =
            ways.get_or_insert_with(|| table.rule(number).map_or_else(Vec::new, |rule| ways_on(rule.verdict, table)));
        let Some(to) = ways.pop() else {
            *next += 1;
            if let Some((.., ways)) = self.path.last_mut() {
                *ways = None;
            }
            return;
        };
        match self.seen.get(index(to)) {
            Some(Seen::Not) => self.enter(to, table),
            // The kernel refuses loops (`mark_source_chains`, `nft_chain_validate`): the dump is not what was loaded.
            Some(Seen::OnPath) => {
                table.targets.push(Target::Opaque("chains that lead in a circle".into(), false));
                let target = place(table.targets.len() - 1);
                if let Some(rule) = table.rules.get_mut(index(number)) {
                    rule.verdict = Verdict::Target(target);
                }
            }
            _ => {}
        }
    }

    /// Every chain below was judged: judges the rules of this one, then the chain.
    fn leave(&mut self, id: u32, table: &mut Table) {
        self.path.pop();
        if let Some(seen) = self.seen.get_mut(index(id)) {
            *seen = Seen::Done;
        }
        let (start, end) = table.chain(id).map_or((0, 0), |chain| chain.rules);
        let (mut all, mut only_accepts, mut decides_only, mut reads_changes) = (true, true, true, false);
        for number in start..end {
            let Some(rule) = table.rule(number) else { continue };
            let traces = table.tests_of(rule).iter().any(Test::leaves_traces);
            let harmless = is_harmless(rule.verdict, table) && !traces;
            all &= harmless || (leads_nowhere(rule.verdict, table) && !traces);
            only_accepts &= harmless || (accepts(rule.verdict, table) && !traces);
            decides_only &= harmless || only_decides(rule.verdict, table);
            reads_changes |= !harmless && reads_changes_of(rule, table);
            if let Some(rule) = table.rules.get_mut(index(number)) {
                rule.harmless = harmless;
            }
        }
        if let Some(chain) = table.chains.get_mut(index(id)) {
            chain.harmless = all;
            chain.only_accepts = only_accepts;
            chain.decides_only = decides_only;
            chain.reads_changes = reads_changes;
        }
    }
}

/// The chains to which a verdict may lead.
fn ways_on(verdict: Verdict, table: &Table) -> Vec<u32> {
    let chain = |verdict: Verdict| match verdict {
        Verdict::Jump(chain) | Verdict::Goto(chain) => Some(chain),
        _ => None,
    };
    let Verdict::Program(program) = verdict else { return chain(verdict).into_iter().collect() };
    let mut ways = Vec::new();
    for step in table.program(program) {
        match step {
            Step::Map(map) => {
                let verdicts = table.set(map.set).into_iter().flat_map(SetData::verdicts);
                ways.extend(verdicts.filter_map(chain));
            }
            Step::Verdict(verdict) => ways.extend(chain(*verdict)),
            Step::Tests(..) | Step::Act(_) => {}
        }
    }
    ways
}

/// Whether all that a verdict may come to is so.
fn all(verdict: Verdict, table: &Table, is: impl Fn(Verdict) -> bool, of_step: impl Fn(&Step) -> bool) -> bool {
    let Verdict::Program(program) = verdict else { return is(verdict) };
    table.program(program).iter().all(|step| match step {
        Step::Tests(..) => true,
        Step::Verdict(verdict) => is(*verdict),
        Step::Map(map) => table.set(map.set).is_some_and(|set| !set.partial && set.verdicts().all(&is)),
        Step::Act(_) => of_step(step),
    })
}

/// Whether a statement changes nothing.
fn idles(step: &Step, table: &Table) -> bool {
    matches!(step, Step::Act(action) if action.is_harmless(table))
}

/// Whether it changes nothing and traversal goes on behind the rule.
fn is_harmless(verdict: Verdict, table: &Table) -> bool {
    let is = |verdict| match verdict {
        Verdict::Continue => true,
        Verdict::Target(target) => table.target(target).is_some_and(Target::is_harmless),
        Verdict::Jump(chain) => table.chain(chain).is_some_and(|chain| chain.harmless),
        Verdict::Accept | Verdict::Drop | Verdict::Return | Verdict::Goto(_) | Verdict::Program(_) => false,
    };
    all(verdict, table, is, |step| idles(step, table))
}

/// Whether it lets the packet pass and changes nothing.
fn accepts(verdict: Verdict, table: &Table) -> bool {
    let is = |verdict| match verdict {
        Verdict::Continue | Verdict::Accept | Verdict::Return => true,
        Verdict::Target(target) => table.target(target).is_some_and(Target::is_harmless),
        Verdict::Jump(chain) | Verdict::Goto(chain) => table.chain(chain).is_some_and(|chain| chain.only_accepts),
        Verdict::Drop | Verdict::Program(_) => false,
    };
    all(verdict, table, is, |step| idles(step, table))
}

/// Whether it changes no packet, but for stopping it.
fn only_decides(verdict: Verdict, table: &Table) -> bool {
    let is = |verdict| match verdict {
        Verdict::Continue | Verdict::Accept | Verdict::Drop | Verdict::Return => true,
        Verdict::Jump(chain) | Verdict::Goto(chain) => table.chain(chain).is_some_and(|chain| chain.decides_only),
        Verdict::Target(target) => {
            table.target(target).is_some_and(|target| matches!(target, Target::Reject(_)) || target.is_harmless())
        }
        Verdict::Program(_) => false,
    };
    all(verdict, table, is, |step| idles(step, table) || matches!(step, Step::Act(action) if action.only_stops()))
}

fn reads_changes_of(rule: &Rule, table: &Table) -> bool {
    let leads = |to: u32| table.chain(to).is_some_and(|chain| chain.reads_changes);
    let below = ways_on(rule.verdict, table).into_iter().any(leads);
    let own = match rule.verdict {
        Verdict::Program(program) => table.program(program).iter().any(|step| match step {
            Step::Tests(first, count) => table.tests_from(*first, *count).iter().any(Test::reads_changes),
            Step::Act(action) => action.reads_changes(),
            Step::Map(map) => map.reads_changes(),
            Step::Verdict(_) => false,
        }),
        _ => false,
    };
    below || own || table.tests_of(rule).iter().any(Test::reads_changes)
}

/// Whether it changes nothing but ends its chain, which matters only if other rules of the chain do.
fn leads_nowhere(verdict: Verdict, table: &Table) -> bool {
    match verdict {
        Verdict::Return => true,
        Verdict::Goto(chain) => table.chain(chain).is_some_and(|chain| chain.harmless),
        _ => false,
    }
}
