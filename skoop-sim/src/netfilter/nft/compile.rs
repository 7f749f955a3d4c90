//! From dumps of nftables to compiled tables.

mod wording;

use std::sync::Arc;

use skoop_model::{Family, NetfilterDumps, Unseen};

use super::ast::{self, ChainKind, Expr, Statement, TableFamily};
use super::compiler::Compiler;
use super::{json, merge, text};
use crate::netfilter::harmless::settle;
use crate::netfilter::result::RuleSource;
use crate::netfilter::table::{Base, BaseHook, BaseKind, Chain, Table};
use crate::netfilter::{DeviceHook, Hook};
use wording::Wording;

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Native {
    pub tables: Vec<Table>,
    /// Why rules may be missing, and for which family.
    pub unseen: Vec<(Option<Family>, Unseen)>,
    pub problems: Vec<Unseen>,
}

const WHAT: &str = "nftables ruleset";

/// Reads `nft list ruleset`: the JSON form if it is there, else the text. `owned` says which tables the dumps of iptables hold.
pub(crate) fn read(dumps: &NetfilterDumps, owned: impl Fn(&ast::Table) -> bool) -> Native {
    let mut native = Native::default();
    let words = dumps.nft_text.get().ok().filter(|words| u32::try_from(words.len()).is_ok());
    let (mut ruleset, is_text) = match (dumps.nft_json.get(), words) {
        (Ok(json), _) if !json.trim_ascii().is_empty() => (json::read(json), false),
        (_, Some(words)) => (text::read(words), true),
        (Ok(_), None) => return native,
        (Err(why), None) => {
            let unseen = Unseen { what: WHAT.to_owned(), why: why.to_string(), matters: false };
            native.unseen.push((None, unseen));
            return native;
        }
    };
    let as_text = words.filter(|_| !is_text).map(|words| text::read(words));
    if let Some(as_text) = &as_text {
        merge::complete(&mut ruleset, as_text);
    }
    for problem in &ruleset.problems {
        native.unseen.push((None, unseen(problem)));
    }
    let mut tables = ruleset.tables.iter().filter(|table| !owned(table)).peekable();
    if tables.peek().is_none() {
        return native;
    }
    let text: Option<Arc<str>> = words.map(|words| Arc::from(words.as_str()));
    for table in tables {
        let source =
            if is_text { Some(table) } else { as_text.as_ref().and_then(|ruleset| same_table(ruleset, table)) };
        let verbatim = text.as_ref().zip(source).and_then(|(text, source)| Wording::verbatim(table, source, text));
        native.table(table, verbatim.unwrap_or_else(|| Wording::printed(table)));
    }
    native
}

fn same_table<'t>(ruleset: &'t ast::Ruleset, table: &ast::Table) -> Option<&'t ast::Table> {
    ruleset.tables.iter().find(|known| known.family == table.family && known.name == table.name)
}

/// Whether all rules of a table may be of `iptables-nft`: it counts at each rule, and asks no sets.
pub(crate) fn looks_like_iptables(table: &ast::Table) -> bool {
    let is_lookup = |statement: &Statement| match statement {
        Statement::Match { right, .. } => matches!(right, Expr::Set(_) | Expr::SetRef(_) | Expr::Concat(_)),
        Statement::VerdictMap { .. } | Statement::SetUpdate { .. } => true,
        _ => false,
    };
    let rules = || table.chains.iter().flat_map(|chain| &chain.rules);
    table.sets.is_empty()
        && rules().all(|rule| rule.statements.contains(&Statement::Counter) && !rule.statements.iter().any(is_lookup))
}

fn unseen(problem: &ast::Problem) -> Unseen {
    Unseen { what: problem.what.clone(), why: problem.why.clone(), matters: false }
}

impl Native {
    fn table(&mut self, table: &ast::Table, wording: Wording) {
        if table.family == TableFamily::Arp {
            return;
        }
        if let Some(problem) = &table.partial {
            let mut unseen = unseen(problem);
            unseen.what = format!("nftables table {} {}, {}", table.family, table.name, unseen.what);
            self.unseen.push((table.family.only(), unseen));
        }
        let mut compiler = Compiler::new(table);
        let mut chains = Vec::new();
        let mut places = wording.rules.iter().copied();
        for (number, chain) in table.chains.iter().enumerate() {
            let first = super::set::place(compiler.rules.len());
            for rule in &chain.rules {
                compiler.rule(rule, &chain.name, places.next().unwrap_or_default());
            }
            chains.push(Chain {
                declared: wording.chains.get(number).copied().unwrap_or_default(),
                name: chain.name.clone(),
                rules: (first, super::set::place(compiler.rules.len())),
                drops: chain.base.as_ref().is_some_and(|base| base.drops),
                harmless: false,
                only_accepts: false,
                decides_only: false,
                reads_changes: false,
                index: None,
            });
        }
        let title = format!("nftables table {} {}", table.family, table.name);
        let mut unknown: Vec<_> = compiler.unknown.drain().collect();
        unknown.sort();
        for (reason, (count, chain)) in unknown {
            let what = format!("{title}: {count} rule(s), first in chain {chain}");
            self.problems.push(Unseen { what, why: reason.into(), matters: false });
        }
        let Compiler { rules, tests, programs, sets, targets, devices, .. } = compiler;
        let mut done = Table {
            source: RuleSource::Nftables,
            family: table.family,
            name: table.name.clone(),
            text: wording.text,
            patched: None,
            chains,
            bases: self.bases(table),
            rules,
            tests,
            programs,
            sets,
            targets,
            devices,
        };
        settle(&mut done, table.family.only().unwrap_or(Family::V4));
        self.tables.push(done);
    }

    fn bases(&mut self, table: &ast::Table) -> Vec<Base> {
        if table.dormant {
            return Vec::new();
        }
        let mut bases = Vec::new();
        for (chain, base) in (0..).zip(&table.chains).filter_map(|(number, chain)| Some((number, chain.base.as_ref()?)))
        {
            let kind = match base.kind {
                ChainKind::Filter => BaseKind::Filter,
                ChainKind::Nat => BaseKind::Nat,
                ChainKind::Route => BaseKind::Route,
                ChainKind::Unknown => {
                    self.unseen_base(table, "its type is not known");
                    continue;
                }
            };
            match hook_of(base) {
                // nft 1.0.6 does not tell them in JSON.
                Some(BaseHook::Device(_, devices)) if devices.is_empty() => {
                    self.unseen_base(table, "its devices are not told");
                }
                Some(hook) => bases.push(Base { chain, kind, hook, priority: base.priority }),
                None => self.unseen_base(table, &format!("hook `{}` is not known", base.hook)),
            }
        }
        bases
    }

    fn unseen_base(&mut self, table: &ast::Table, why: &str) {
        let what = format!("base chain of nftables table {} {}", table.family, table.name);
        self.unseen.push((table.family.only(), Unseen { what, why: why.to_owned(), matters: false }));
    }
}

fn hook_of(base: &ast::Base) -> Option<BaseHook> {
    match &*base.hook {
        "ingress" => Some(BaseHook::Device(DeviceHook::Ingress, base.devices.clone())),
        "egress" => Some(BaseHook::Device(DeviceHook::Egress, base.devices.clone())),
        name => Hook::ALL.into_iter().find(|hook| hook.name() == name).map(BaseHook::Inet),
    }
}

#[cfg(test)]
mod tests;
