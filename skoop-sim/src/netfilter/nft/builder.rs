//! Puts a ruleset together from its objects, in whatever order a dump brings them.
//!
//! Where a chain or set comes twice (several commands printed one after the other), the last listing counts.

use std::collections::{HashMap, HashSet};

use super::ast::{
    Chain, Expr, Nat, Object, Problem, Reject, Rule, Ruleset, Set, SetOp, SetRef, Source, Statement, Table, TableFamily,
};
use super::normal;

/// A ruleset that is being read.
#[derive(Debug, Default)]
pub(super) struct Builder {
    tables: Vec<TableBuilder>,
    places: HashMap<TableFamily, HashMap<Box<str>, usize>>,
    pub problems: Vec<Problem>,
}

/// A table that is being read.
#[derive(Debug)]
pub(super) struct TableBuilder {
    table: Table,
    chains: HashMap<Box<str>, usize>,
    sets: HashMap<Box<str>, usize>,
    /// The chain that the last rule went to: rules of a chain come together.
    last: Option<usize>,
}

impl Builder {
    /// The table of this name; it is made if need be.
    pub(super) fn table(&mut self, family: TableFamily, name: &str) -> &mut TableBuilder {
        let places = self.places.entry(family).or_default();
        let place = if let Some(place) = places.get(name) {
            *place
        } else {
            let place = self.tables.len();
            places.insert(name.into(), place);
            self.tables.push(TableBuilder::new(family, name));
            place
        };
        self.tables.get_mut(place).expect("places are indices of tables")
    }

    /// Notes something that cannot be laid to one table.
    pub(super) fn problem(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.problems.push(Problem { what: what.into(), why: why.into() });
    }

    /// All that was read.
    pub(super) fn finish(self) -> Ruleset {
        Ruleset { tables: self.tables.into_iter().map(TableBuilder::finish).collect(), problems: self.problems }
    }
}

impl TableBuilder {
    fn new(family: TableFamily, name: &str) -> Self {
        let table = Table {
            family,
            name: name.into(),
            dormant: false,
            chains: Vec::new(),
            sets: Vec::new(),
            objects: Vec::new(),
            partial: None,
        };
        Self { table, chains: HashMap::new(), sets: HashMap::new(), last: None }
    }

    pub(super) fn dormant(&mut self) {
        self.table.dormant = true;
    }

    pub(super) fn chain(&mut self, chain: Chain) {
        let known = self.chains.get(&chain.name).copied().and_then(|place| self.table.chains.get_mut(place));
        if let Some(known) = known {
            *known = chain;
        } else {
            self.chains.insert(chain.name.clone(), self.table.chains.len());
            self.table.chains.push(chain);
        }
    }

    /// Adds a rule to a chain. A chain whose head never came is one that only jumps lead to.
    pub(super) fn rule(&mut self, chain: &str, rule: Rule) {
        let last = self.last.filter(|place| self.table.chains.get(*place).is_some_and(|last| *last.name == *chain));
        let place = last.or_else(|| self.chains.get(chain).copied()).unwrap_or_else(|| {
            let place = self.table.chains.len();
            self.chains.insert(chain.into(), place);
            let source = Source::default();
            self.table.chains.push(Chain { name: chain.into(), base: None, rules: Vec::new(), source });
            self.doubt(format!("chain {chain}"), "its head is not in the dump");
            place
        });
        self.last = Some(place);
        if let Some(chain) = self.table.chains.get_mut(place) {
            chain.rules.push(rule);
        }
    }

    pub(super) fn set(&mut self, set: Set) {
        let known = self.sets.get(&set.name).copied().and_then(|place| self.table.sets.get_mut(place));
        if let Some(known) = known {
            *known = set;
        } else {
            self.sets.insert(set.name.clone(), self.table.sets.len());
            self.table.sets.push(set);
        }
    }

    pub(super) fn object(&mut self, object: Object) {
        self.table.objects.push(object);
    }

    /// Notes something that may concern any chain of the table; the first one is kept.
    pub(super) fn doubt(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.table.partial.get_or_insert_with(|| Problem { what: what.into(), why: why.into() });
    }

    fn finish(self) -> Table {
        let mut table = self.table;
        let updated: HashSet<Box<str>> = table
            .chains
            .iter()
            .flat_map(|chain| &chain.rules)
            .flat_map(|rule| &rule.statements)
            .filter_map(|statement| match statement {
                Statement::SetUpdate { op: SetOp::Add | SetOp::Update | SetOp::Delete, set, .. } => Some(set.clone()),
                _ => None,
            })
            .collect();
        let mut pairs = HashSet::new();
        let default = match table.family {
            TableFamily::Ip => Some(Reject::Icmp(3)),
            TableFamily::Ip6 => Some(Reject::Icmp6(4)),
            _ => None,
        };
        let rules = table.chains.iter_mut().flat_map(|chain| &mut chain.rules);
        for statement in rules.flat_map(|rule| &mut rule.statements) {
            if let Statement::Reject(with) = statement
                && *with == default
            {
                *with = None;
            }
        }
        for set in &mut table.sets {
            set.dynamic |= updated.contains(&set.name);
            if set.data.len() > 1 {
                pairs.insert(&set.name);
            }
        }
        // Some versions do not print that a map gives address and port.
        for statement in
            table.chains.iter_mut().flat_map(|chain| &mut chain.rules).flat_map(|rule| &mut rule.statements)
        {
            if let Statement::Nat(Nat { address: Some(Expr::Map { map: SetRef::Named(name), .. }), concat, .. }) =
                statement
            {
                *concat |= pairs.contains(name);
            }
            if matches!(table.family, TableFamily::Ip | TableFamily::Ip6) {
                normal::settle_families(statement, table.family);
            }
        }
        table
    }
}
