//! What only the text form says.
//!
//! nft 1.0.6 (Debian 12, RHEL 9) leaves out of its JSON the devices of chains at ingress and egress and the flag `dynamic` of
//! sets, and prints freed memory for the flags of a table, `dormant` among them.

use std::collections::HashMap;

use super::ast::{Ruleset, Table};

/// Fills what is missing in a ruleset from JSON with what the text of the same ruleset says.
pub(crate) fn complete(json: &mut Ruleset, text: &Ruleset) {
    let tables: HashMap<_, _> = text.tables.iter().map(|table| ((table.family, &*table.name), table)).collect();
    for table in &mut json.tables {
        if let Some(text) = tables.get(&(table.family, &*table.name)) {
            complete_table(table, text);
        }
    }
}

fn complete_table(table: &mut Table, text: &Table) {
    table.dormant |= text.dormant;
    // The doubt about the table itself is about its flags, which the text shows.
    if text.partial.is_none() && table.partial.as_ref().is_some_and(|doubt| doubt.what.starts_with("table ")) {
        table.partial = None;
    }
    let bases: HashMap<_, _> =
        text.chains.iter().filter_map(|chain| Some((&*chain.name, chain.base.as_ref()?))).collect();
    for chain in &mut table.chains {
        if let Some(base) = &mut chain.base
            && base.devices.is_empty()
            && let Some(text) = bases.get(&*chain.name)
        {
            base.devices.clone_from(&text.devices);
        }
    }
    let dynamic: HashMap<_, _> = text.sets.iter().map(|set| (&*set.name, set.dynamic)).collect();
    for set in &mut table.sets {
        set.dynamic |= dynamic.get(&*set.name).copied().unwrap_or(false);
    }
}
