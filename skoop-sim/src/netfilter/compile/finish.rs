//! The last steps of compiling a table: rules by chain, loops broken, harmless chains found, long chains indexed.

use std::sync::Arc;

use skoop_model::{Backend, Unseen};

use super::{Builder, Notes, dump_name, place};
use crate::netfilter::index::Index;
use crate::netfilter::matches::Match;
use crate::netfilter::result::RuleSource;
use crate::netfilter::table::{Rule, Table, TableKind, Verdict};
use crate::netfilter::targets::Target;

/// Makes a table of what was read.
pub(super) fn finish(
    builder: Builder<'_>,
    backend: Backend,
    kind: TableKind,
    text: Arc<str>,
    notes: &mut Notes,
) -> Table {
    for (reason, (count, line)) in sorted(&builder) {
        let what = format!(
            "{}, table {}: {count} rule(s), first in line {line}",
            dump_name(backend, builder.family),
            kind.name()
        );
        notes.problems.push(Unseen { what, why: reason, matters: false });
    }
    let Builder { family, mut chains, bases, mut rules, matches, targets, devices, .. } = builder;
    rules.sort_by_key(|(chain, _)| *chain);
    let mut next = 0;
    for (id, chain) in chains.iter_mut().enumerate() {
        let rest = rules.get(next..).unwrap_or_default();
        let count = rest.iter().take_while(|(of, _)| *of == place(id)).count();
        chain.rules = (place(next), place(next + count));
        next += count;
    }
    let rules = rules.into_iter().map(|(_, rule)| rule).collect();
    let mut table = Table {
        source: RuleSource::Iptables(backend),
        family: family.into(),
        name: kind.name().into(),
        text,
        chains,
        bases,
        rules,
        matches,
        targets,
        devices,
    };
    Visits::new(&table).run(&mut table);
    for chain in &mut table.chains {
        let (start, end) = (index(chain.rules.0), index(chain.rules.1));
        let rules = table.rules.get(start..end).unwrap_or_default();
        let numbered = (chain.rules.0..).zip(rules.iter().map(|rule| &rule.common));
        // `zip` with an open range has the exact size of the rules.
        chain.index = Index::build(family, numbered);
    }
    table
}

fn sorted(builder: &Builder<'_>) -> Vec<(String, (u32, u32))> {
    let mut opaque: Vec<_> = builder.opaque.iter().map(|(reason, seen)| (reason.to_string(), *seen)).collect();
    opaque.sort();
    opaque
}

fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// A depth-first visit of all chains, without recursion: a dump may nest as deep as it likes.
struct Visits {
    seen: Vec<Seen>,
    /// Chains on the way, each with its next rule.
    path: Vec<(u32, u32)>,
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

    fn run(mut self, table: &mut Table) {
        for chain in 0..place(table.chains.len()) {
            self.enter(chain, table);
            while let Some((chain, rule)) = self.path.last().copied() {
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
            self.path.push((chain, entered.rules.0));
        }
    }

    /// Looks at the next rule of the chain at hand. Where it leads into a chain that was not visited yet, that one comes first.
    fn visit(&mut self, number: u32, table: &mut Table) {
        let verdict = table.rule(number).map(|rule| rule.verdict);
        if let Some(Verdict::Jump(to) | Verdict::Goto(to)) = verdict {
            match self.seen.get(index(to)) {
                Some(Seen::Not) => return self.enter(to, table),
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
        if let Some((_, next)) = self.path.last_mut() {
            *next += 1;
        }
    }

    /// Every chain below was judged: judges the rules of this one, then the chain.
    fn leave(&mut self, id: u32, table: &mut Table) {
        self.path.pop();
        if let Some(seen) = self.seen.get_mut(index(id)) {
            *seen = Seen::Done;
        }
        let (start, end) = table.chain(id).map_or((0, 0), |chain| chain.rules);
        let (mut all, mut decides_only, mut reads_changes) = (true, true, false);
        for number in start..end {
            let harmless = table.rule(number).is_some_and(|rule| is_harmless(rule, table));
            let ends_here = table.rule(number).is_some_and(|rule| leads_nowhere(rule, table));
            all &= harmless || ends_here;
            decides_only &= harmless || table.rule(number).is_some_and(|rule| only_decides(rule, table));
            reads_changes |= !harmless && table.rule(number).is_some_and(|rule| reads_changes_of(rule, table));
            if let Some(rule) = table.rules.get_mut(index(number)) {
                rule.harmless = harmless;
            }
        }
        if let Some(chain) = table.chains.get_mut(index(id)) {
            chain.harmless = all;
            chain.decides_only = decides_only;
            chain.reads_changes = reads_changes;
        }
    }
}

/// Whether a rule changes nothing and traversal goes on behind it.
fn is_harmless(rule: &Rule, table: &Table) -> bool {
    match rule.verdict {
        Verdict::Continue => true,
        Verdict::Target(target) => table.target(target).is_some_and(Target::is_harmless),
        Verdict::Jump(chain) => table.chain(chain).is_some_and(|chain| chain.harmless),
        Verdict::Accept | Verdict::Drop | Verdict::Return | Verdict::Goto(_) => false,
    }
}

/// Whether a rule changes no packet, but for stopping it.
fn only_decides(rule: &Rule, table: &Table) -> bool {
    match rule.verdict {
        Verdict::Continue | Verdict::Accept | Verdict::Drop | Verdict::Return => true,
        Verdict::Jump(chain) | Verdict::Goto(chain) => table.chain(chain).is_some_and(|chain| chain.decides_only),
        Verdict::Target(target) => matches!(table.target(target), Some(Target::Reject(_))),
    }
}

fn reads_changes_of(rule: &Rule, table: &Table) -> bool {
    let below = match rule.verdict {
        Verdict::Jump(chain) | Verdict::Goto(chain) => table.chain(chain).is_some_and(|chain| chain.reads_changes),
        _ => false,
    };
    below || table.matches_of(rule).iter().any(Match::reads_changes)
}

/// Whether a rule changes nothing but ends its chain, which matters only if other rules of the chain do.
fn leads_nowhere(rule: &Rule, table: &Table) -> bool {
    match rule.verdict {
        Verdict::Return => true,
        Verdict::Goto(chain) => table.chain(chain).is_some_and(|chain| chain.harmless),
        _ => false,
    }
}
