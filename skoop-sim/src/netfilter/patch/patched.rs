//! What a table needs to be changed: its chains by name, who leads to them, the text of what was added.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::hash::FastMap;
use crate::netfilter::table::{Rule, Table, Verdict};

/// Kept from the first change of a table on.
#[derive(Debug, Default)]
pub(crate) struct Patched {
    /// Text of the rules that were added.
    pub text: String,
    pub names: FastMap<Box<str>, u32>,
    /// Chains that were deleted, whose numbers may be given away again.
    pub free: Vec<u32>,
    /// How many rules lead to each chain.
    pub uses: Vec<u32>,
    /// Chains that hold rules, by their first one.
    pub starts: BTreeMap<u32, u32>,
    /// How many rules of the list no chain holds.
    pub garbage: usize,
}

impl Patched {
    pub(super) fn of(table: &Table) -> Self {
        let mut patched = Self { uses: vec![0; table.chains.len()], ..Self::default() };
        for (id, chain) in (0_u32..).zip(&table.chains) {
            patched.names.insert(chain.name.clone(), id);
            if chain.rules.0 < chain.rules.1 {
                patched.starts.insert(chain.rules.0, id);
            }
        }
        for to in table.rules.iter().filter_map(leads_to) {
            patched.count(to, 1);
        }
        patched
    }

    /// Notes that more or fewer rules lead to a chain.
    pub(super) fn count(&mut self, chain: u32, by: i32) {
        let place = usize::try_from(chain).unwrap_or(usize::MAX);
        if let Some(uses) = self.uses.get_mut(place) {
            *uses = uses.saturating_add_signed(by);
        }
    }

    /// The chain whose rules begin last before `rule` or there.
    pub(crate) fn chain_at(&self, rule: u32) -> Option<u32> {
        self.starts.range(..=rule).next_back().map(|(_, chain)| *chain)
    }

    /// Whether more is left over than is in use.
    pub(super) fn is_wasteful(&self, table: &Table) -> bool {
        const SMALL: usize = if cfg!(test) { 20 } else { 1_000 };
        let texts = self.text.len() / 2 > table.text.len().max(SMALL * 100);
        let freed = self.free.len() > SMALL && 2 * self.free.len() > table.chains.len();
        (self.garbage > SMALL && 2 * self.garbage > table.rules.len()) || texts || freed
    }
}

/// The chain that a rule of iptables leads to.
pub(super) fn leads_to(rule: &Rule) -> Option<u32> {
    match rule.verdict {
        Verdict::Jump(chain) | Verdict::Goto(chain) => Some(chain),
        _ => None,
    }
}

/// The table as `iptables-save` would print it.
pub(super) fn text_of(table: &Table) -> String {
    let mut text = format!("*{}\n", table.name);
    for (id, chain) in (0_u32..).zip(&table.chains).filter(|(_, chain)| !chain.name.is_empty()) {
        let policy = match table.bases.iter().any(|base| base.chain == id) {
            true if chain.drops => "DROP",
            true => "ACCEPT",
            false => "-",
        };
        let _ = writeln!(text, ":{} {policy} [0:0]", chain.name);
    }
    for chain in &table.chains {
        for rule in (chain.rules.0..chain.rules.1).filter_map(|rule| table.rule(rule)) {
            text.push_str(table.line(rule.source));
            text.push('\n');
        }
    }
    text + "COMMIT\n"
}
