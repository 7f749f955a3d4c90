//! Takes changes of a table over.

use skoop_model::Family;

use super::patched::{Patched, leads_to};
use super::stage::Stage;
use super::touched::{Entry, Touched};
use crate::netfilter::common::DevicePattern;
use crate::netfilter::harmless::{settle_flags, settle_some};
use crate::netfilter::index::Index;
use crate::netfilter::table::{Chain, Rule, Span, Table, Verdict};
use crate::netfilter::test::Test;

/// What callers of a chain, and the order at the hooks, go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flags([bool; 5]);

impl Flags {
    fn of(chain: &Chain) -> Self {
        Self([chain.drops, chain.harmless, chain.only_accepts, chain.decides_only, chain.reads_changes])
    }
}

/// Takes changes over. True if base chains now have to be sorted anew.
pub(super) fn apply(table: &mut Table, stage: Stage<'_>) -> bool {
    let Some(mut patched) = table.patched.take() else { return false };
    let bases = |table: &Table| -> Vec<Option<Flags>> {
        table.bases.iter().map(|base| table.chain(base.chain).map(Flags::of)).collect()
    };
    let before = bases(table);
    let family = stage.builder.family;
    let Stage { builder, mut touched, text, .. } = stage;
    patched.text.push_str(&text);
    let rules = moved(table, builder.rules, builder.tests, &builder.devices);
    table.targets.extend(builder.targets);
    let mut ids: Vec<u32> = touched.keys().copied().collect();
    ids.sort_unstable();
    let mut change = Change { table, patched: &mut patched, rules, family };
    let mut changed = Vec::new();
    for id in ids {
        let Some(touched) = touched.remove(&id) else { continue };
        let is_new = change.make(id, touched.name);
        if let (Some((drops, declared)), Some(chain)) = (touched.policy, change.chain(id)) {
            chain.drops = drops;
            chain.declared = declared;
        }
        let unchanged = touched.is_unchanged();
        if !unchanged {
            change.rules(id, &touched);
        }
        if !touched.alive {
            change.remove(id);
        } else if is_new || !unchanged {
            changed.push(id);
        }
    }
    table.patched = Some(patched);
    settle(table, &changed);
    bases(table) != before
}

/// Judges the changed chains, and all others if what they go by is no longer so.
fn settle(table: &mut Table, changed: &[u32]) {
    let flags = |table: &Table| -> Vec<Option<Flags>> {
        changed.iter().map(|chain| table.chain(*chain).map(Flags::of)).collect()
    };
    let uses = |table: &Table, id: &u32| {
        let patched = table.patched.as_ref()?;
        patched.uses.get(usize::try_from(*id).ok()?).copied()
    };
    let before = flags(table);
    settle_some(table, changed);
    let after = flags(table);
    let differs = changed
        .iter()
        .zip(before.iter().zip(&after))
        .any(|(id, (before, after))| before != after && uses(table, id).is_some_and(|uses| uses > 0));
    if differs {
        settle_flags(table);
    }
}

/// Rules of the text as they will stand in the table.
fn moved(table: &mut Table, rules: Vec<(u32, Rule)>, tests: Vec<Test>, devices: &[DevicePattern]) -> Vec<Option<Rule>> {
    let place = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let (first_test, first_target) = (place(table.tests.len()), place(table.targets.len()));
    table.tests.extend(tests);
    let mut places = Vec::new();
    for device in devices {
        let known = table.devices.iter().position(|known| known == device);
        places.push(place(known.unwrap_or_else(|| {
            table.devices.push(device.clone());
            table.devices.len() - 1
        })));
    }
    let device = |device: u32| usize::try_from(device).ok().and_then(|at| places.get(at)).copied().unwrap_or(u32::MAX);
    let of = |(_, mut rule): (u32, Rule)| {
        rule.first_test = rule.first_test.saturating_add(first_test);
        if let Verdict::Target(target) = &mut rule.verdict {
            *target = target.saturating_add(first_target);
        }
        rule.common.in_device = device(rule.common.in_device);
        rule.common.out_device = device(rule.common.out_device);
        Some(rule)
    };
    rules.into_iter().map(of).collect()
}

/// A table that is being changed.
struct Change<'c> {
    table: &'c mut Table,
    patched: &'c mut Patched,
    /// New rules that no chain took yet.
    rules: Vec<Option<Rule>>,
    family: Family,
}

impl Change<'_> {
    fn chain(&mut self, id: u32) -> Option<&mut Chain> {
        self.table.chains.get_mut(usize::try_from(id).ok()?)
    }

    /// Makes room for a chain that the text names first. Numbers of new chains come in order.
    fn make(&mut self, id: u32, name: Option<&str>) -> bool {
        let Some(name) = name else { return false };
        let chain = Chain {
            declared: Span::default(),
            name: name.into(),
            rules: (0, 0),
            drops: false,
            harmless: false,
            only_accepts: false,
            decides_only: false,
            reads_changes: false,
            index: None,
        };
        match self.chain(id) {
            Some(known) => *known = chain,
            None => self.table.chains.push(chain),
        }
        self.patched.uses.resize(self.table.chains.len().max(self.patched.uses.len()), 0);
        self.patched.free.retain(|free| *free != id);
        self.patched.names.insert(name.into(), id);
        true
    }

    fn remove(&mut self, id: u32) {
        let Some(chain) = self.chain(id) else { return };
        let name = std::mem::take(&mut chain.name);
        chain.index = None;
        self.patched.names.remove(&name);
        self.patched.free.push(id);
    }

    /// Gives a chain its rules, behind all others.
    fn rules(&mut self, id: u32, touched: &Touched<'_>) {
        for to in touched.dropped().filter_map(|rule| leads_to(self.table.rule(rule)?)) {
            self.patched.count(to, -1);
        }
        let place = |rules: &Vec<Rule>| u32::try_from(rules.len()).unwrap_or(u32::MAX);
        let index = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
        let end = place(&self.table.rules);
        let (start, behind) = touched.old;
        let stays = touched.keeps && behind == end && start < behind;
        let first = if stays { start } else { end };
        if !stays {
            self.patched.garbage += index(behind - start);
            if touched.keeps && index(behind) <= self.table.rules.len() {
                self.table.rules.extend_from_within(index(start)..index(behind));
            }
        }
        let added = place(&self.table.rules);
        for entry in &touched.entries {
            let rule = match entry {
                Entry::Old(number) => self.table.rule(*number).cloned(),
                Entry::New(place) => self.rules.get_mut(index(*place)).and_then(Option::take),
            };
            let Some(rule) = rule else { continue };
            if let (Entry::New(_), Some(to)) = (entry, leads_to(&rule)) {
                self.patched.count(to, 1);
            }
            self.table.rules.push(rule);
        }
        let last = place(&self.table.rules);
        if start < behind {
            self.patched.starts.remove(&start);
        }
        if first < last {
            self.patched.starts.insert(first, id);
        }
        let known = self.chain(id).and_then(|chain| chain.index.take()).filter(|_| touched.keeps);
        let built = self.index(known, first - start, (first, added, last));
        if let Some(chain) = self.chain(id) {
            chain.rules = if first < last { (first, last) } else { (0, 0) };
            chain.index = built;
        }
    }

    /// The index of rules `first` to `last`: the one that there was, moved, with those from `added` on filed, or a new one.
    fn index(
        &self,
        known: Option<Box<Index>>,
        moved: u32,
        (first, added, last): (u32, u32, u32),
    ) -> Option<Box<Index>> {
        let rules = |from: u32| {
            let [from, to] = [from, last].map(|place| usize::try_from(place).unwrap_or(usize::MAX));
            (0_u32..).zip(self.table.rules.get(from..to).unwrap_or_default())
        };
        if let Some(mut index) = known {
            index.shift(moved);
            let filed = rules(added).all(|(at, rule)| index.push(self.family, added + at, &rule.common));
            if filed {
                return Some(index);
            }
        }
        let all = self.table.rules.get(usize::try_from(first).ok()?..usize::try_from(last).ok()?)?;
        Index::build(self.family, (first..last).zip(all.iter().map(|rule| &rule.common))).map(Box::new)
    }
}
