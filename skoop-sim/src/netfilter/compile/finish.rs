//! The last step of reading a table: rules by chain.

use std::sync::Arc;

use skoop_model::{Backend, Unseen};

use super::{Builder, Notes, dump_name, place};
use crate::netfilter::harmless::settle;
use crate::netfilter::result::RuleSource;
use crate::netfilter::table::{Table, TableKind};

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
    let Builder { family, mut chains, bases, mut rules, tests, targets, devices, .. } = builder;
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
        patched: None,
        chains,
        bases,
        rules,
        tests,
        programs: Vec::new(),
        sets: Vec::new(),
        targets,
        devices,
    };
    settle(&mut table, family);
    table
}

fn sorted(builder: &Builder<'_>) -> Vec<(String, (u32, u32))> {
    let mut opaque: Vec<_> = builder.opaque.iter().map(|(reason, seen)| (reason.to_string(), *seen)).collect();
    opaque.sort();
    opaque
}
