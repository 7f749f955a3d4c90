//! What is asked of all changes of a table together.

use skoop_model::Unseen;

use super::patched::leads_to;
use super::stage::{Done, Stage};
use super::touched::{Entry, Touched};
use crate::hash::FastMap;
use crate::netfilter::table::Table;

impl Stage<'_> {
    /// What is asked of the whole: no deleted chain is led to, and no chains lead in a circle.
    pub(super) fn check(&self, table: &Table) -> Done {
        let mut uses: FastMap<u32, i64> = FastMap::default();
        for touched in self.touched.values() {
            for to in touched.dropped().filter_map(|rule| leads_to(table.rule(rule)?)) {
                *uses.entry(to).or_default() -= 1;
            }
            for to in touched.added().filter_map(|rule| leads_to(self.new_rule(rule)?)) {
                *uses.entry(to).or_default() += 1;
            }
        }
        let before = |id: u32| {
            let known = table.patched.as_ref()?.uses.get(usize::try_from(id).ok()?);
            known.map(|uses| i64::from(*uses))
        };
        for (id, _) in self.touched.iter().filter(|(_, touched)| !touched.alive) {
            if before(*id).unwrap_or_default() + uses.get(id).copied().unwrap_or_default() > 0 {
                let name = table.chain(*id).map(|chain| chain.name.to_string()).unwrap_or_default();
                return Err(format!("chain `{name}` is deleted, and rules lead to it"));
            }
        }
        self.leads_in_circles(table)
    }

    /// The kernel refuses loops (`mark_source_chains`, `nft_chain_validate`). One that was not there before has to pass a new rule.
    /// It takes one to which no hook leads; here such a text is refused too.
    fn leads_in_circles(&self, table: &Table) -> Done {
        let new = |touched: &Touched<'_>| touched.added().filter_map(|rule| leads_to(self.new_rule(rule)?)).collect();
        let starts: Vec<u32> = self.touched.values().flat_map(|touched| -> Vec<u32> { new(touched) }).collect();
        // False: on the way; true: no circle is behind it.
        let mut seen: FastMap<u32, bool> = FastMap::default();
        for start in starts {
            if seen.contains_key(&start) {
                continue;
            }
            seen.insert(start, false);
            let mut path = vec![(start, self.ways_on(table, start))];
            while let Some((chain, ways)) = path.last_mut() {
                let Some(to) = ways.pop() else {
                    seen.insert(*chain, true);
                    path.pop();
                    continue;
                };
                match seen.get(&to) {
                    Some(true) => {}
                    Some(false) => return Err("chains lead in a circle".to_owned()),
                    None => {
                        seen.insert(to, false);
                        let on = self.ways_on(table, to);
                        path.push((to, on));
                    }
                }
            }
        }
        Ok(())
    }

    /// The chains to which the rules of a chain will lead.
    fn ways_on(&self, table: &Table, chain: u32) -> Vec<u32> {
        let old = |number: u32| leads_to(table.rule(number)?);
        let Some(touched) = self.touched.get(&chain) else {
            let (start, end) = table.chain(chain).map_or((0, 0), |chain| chain.rules);
            return (start..end).filter_map(old).collect();
        };
        let kept = if touched.keeps { touched.old } else { (0, 0) };
        let entries = touched.entries.iter().filter_map(|entry| match entry {
            Entry::Old(number) => old(*number),
            Entry::New(place) => leads_to(self.new_rule(*place)?),
        });
        (kept.0..kept.1).filter_map(old).chain(entries).collect()
    }

    /// What was not understood.
    pub(super) fn problems(&self, dump: &str) -> Vec<Unseen> {
        let mut opaque: Vec<_> = self.builder.opaque.iter().collect();
        opaque.sort();
        let what = |count: u32| format!("{dump}, table {}: {count} rule(s) of a change", self.kind.name());
        let unseen = opaque.into_iter().map(|(reason, (count, _))| (what(*count), reason.to_string()));
        unseen.map(|(what, why)| Unseen { what, why, matters: false }).collect()
    }
}
