//! Statements of a rule, one after the other.

use skoop_model::Unseen;

use super::action::Action;
use super::set::{Found, SetData, Stored};
use super::source::{Generator, Scope, Source, key_of};
use crate::netfilter::run::{RuleDoubt, Run};
use crate::netfilter::table::{RuleId, Table, Verdict};

/// Of so many numbers that chance may give each is walked.
const MAX_OPTIONS: u32 = 64;

/// One step.
#[derive(Debug)]
pub(crate) enum Step {
    /// Tests, by their place in the table and their number.
    Tests(u32, u16),
    Act(Action),
    Map(VerdictMap),
    Verdict(Verdict),
}

/// `KEY vmap …`.
#[derive(Debug)]
pub(crate) struct VerdictMap {
    pub key: Box<[Source]>,
    /// By its place in the table.
    pub set: u32,
}

impl VerdictMap {
    /// The verdict for the packet; none if the map holds none, and the rule does not match.
    pub(crate) fn find(&self, run: &mut Run<'_>, table: &Table, rule: RuleId) -> Option<Verdict> {
        let set = table.set(self.set)?;
        let drawn = draw(&self.key, self.set, run, table, rule);
        let values = key_of(&self.key, run, Scope { sets: &table.sets, drawn })?;
        let verdict = |element: u32| match set.stored.get(usize::try_from(element).ok()?)? {
            Stored::Verdict(verdict) => Some(*verdict),
            Stored::Nothing | Stored::Data(_) => None,
        };
        match set.find(values.as_slice(), run.conntrack.set_changes()) {
            Found::Hit(element) => verdict(element),
            Found::Miss => None,
            // The verdict that came with it is not kept.
            Found::Added => self.choose(&[None], run, table, rule),
            Found::Doubt { elements, or_none } => {
                let mut options: Vec<Option<Verdict>> = elements.into_iter().map(verdict).collect();
                options.dedup();
                if options.is_empty() || or_none {
                    options.push(None);
                }
                self.choose(&options, run, table, rule)
            }
        }
    }

    /// Whether it looks at things that rules can change.
    pub(crate) fn reads_changes(&self) -> bool {
        self.key.iter().any(Source::reads_changes)
    }

    fn choose(&self, options: &[Option<Verdict>], run: &mut Run<'_>, table: &Table, rule: RuleId) -> Option<Verdict> {
        let why = self.key.iter().find_map(Source::doubt);
        let why = why.unwrap_or_else(|| "not all elements of the map were seen".to_owned());
        if let [None] = options {
            // An element that was not understood may lead anywhere.
            run.ask(rule, RuleDoubt::Match, why);
            return None;
        }
        let what = format!("which element of its map `{}` takes{}", run.rule_ref(rule), run.conntrack.on_place());
        let label = |option: usize| match options.get(option) {
            Some(Some(verdict)) => table.verdict_name(*verdict),
            _ => "none".to_owned(),
        };
        let taken = run.forks.unknown_among(Unseen { what, why, matters: true }, options.len(), label);
        options.get(taken).copied().flatten()
    }
}

/// Draws the number of the generator in a key, if there is one: an element of the map by its share, or any number.
pub(super) fn draw(key: &[Source], set: u32, run: &mut Run<'_>, table: &Table, rule: RuleId) -> Option<u128> {
    let generator = key.iter().find_map(Source::generator)?;
    let options = match (key, table.set(set)) {
        ([Source::Generator(_)], Some(set)) => shares(generator, set),
        _ if generator.modulus <= MAX_OPTIONS => {
            (0..generator.modulus).map(|number| (number + generator.offset, 1, None)).collect()
        }
        _ => {
            let what = format!("what number `{}` gives{}", run.rule_ref(rule), run.conntrack.on_place());
            let why = format!("it is one of {}", generator.modulus);
            run.forks.unknown(Unseen { what, why, matters: true });
            return Some(generator.offset.into());
        }
    };
    let weights: Vec<f64> =
        options.iter().map(|(_, count, _)| f64::from(*count) / f64::from(generator.modulus)).collect();
    let label = |option: usize| match options.get(option) {
        Some((_, _, Some(Verdict::Jump(chain) | Verdict::Goto(chain)))) => {
            table.chain(*chain).map(|chain| chain.name.to_string()).unwrap_or_default()
        }
        Some((number, ..)) => number.to_string(),
        None => String::new(),
    };
    let taken = if generator.hashed { run.forks.hash(&weights, label) } else { run.forks.random(&weights, label) };
    options.get(taken).map(|(number, ..)| u128::from(*number))
}

/// A number of each element with how many numbers lead to it, and one that leads to none.
fn shares(generator: Generator, set: &SetData) -> Vec<(u32, u32, Option<Verdict>)> {
    let (start, end) = (u128::from(generator.offset), u128::from(generator.offset) + u128::from(generator.modulus));
    let mut options = Vec::new();
    let mut rest = generator.modulus;
    for (ranges, element) in set.elements() {
        let [(first, last)] = &*ranges else { continue };
        let (first, behind) = ((*first).max(start), last.saturating_add(1).min(end));
        let (Ok(number), Ok(count)) = (u32::try_from(first), u32::try_from(behind.saturating_sub(first))) else {
            continue;
        };
        let stored = usize::try_from(element).ok().and_then(|element| set.stored.get(element));
        let verdict = match stored {
            Some(Stored::Verdict(verdict)) => Some(*verdict),
            _ => None,
        };
        if count > 0 {
            options.push((number, count, verdict));
            rest = rest.saturating_sub(count);
        }
    }
    options.sort_unstable_by_key(|(number, ..)| *number);
    if rest > 0 {
        let covered = |number: &u32| {
            options.iter().any(|(first, count, _)| (*first..first.saturating_add(*count)).contains(number))
        };
        let free =
            (generator.offset..generator.offset.saturating_add(generator.modulus)).find(|number| !covered(number));
        options.extend(free.map(|number| (number, rest, None)));
    }
    options
}
