//! Changes of iptables tables in place, as `iptables-restore --noflush` makes them (`iptables_restore_main`,
//! `iptables/iptables-restore.c`).
//!
//! A text is read to its end against the tables as they are, and only then taken over, so that an error changes nothing. Rules of
//! a changed chain come behind all others; where they stood is left over until more than half of the table is, which is then compiled
//! anew. Chains keep their numbers, so that chains that lead to a changed one need no change.

mod apply;
mod check;
mod patched;
mod same;
mod stage;
mod touched;

use std::fmt;
use std::sync::Arc;

use skoop_model::{Backend, Family};

pub(crate) use patched::Patched;

use super::compile::{Compiled, compile_table, dump_name};
use super::parse::{Line, LineKind, lines};
use super::result::RuleSource;
use super::table::{Table, TableKind};
use stage::Stage;

/// Why a text of changes is refused. Nothing was changed then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchError {
    /// Line in the text, from 1; that of the last line where the whole is at fault.
    pub line: usize,
    /// Why.
    pub why: String,
}

/// `line 3: there is no chain `KUBE-X``.
impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for PatchError {}

/// Applies a text to the tables of one tool.
pub(super) fn patch(
    compiled: &mut Compiled,
    backend: Backend,
    family: Family,
    changes: &str,
) -> Result<(), PatchError> {
    let before = compiled.tables.len();
    let tool = Tool { backend, family };
    match tool.read(compiled, changes) {
        Ok(stages) => {
            tool.apply(compiled, stages, before);
            Ok(())
        }
        Err((line, why)) => {
            compiled.tables.truncate(before);
            Err(PatchError { line: usize::try_from(line).unwrap_or_default(), why })
        }
    }
}

/// Whose tables they are.
#[derive(Debug, Clone, Copy)]
struct Tool {
    backend: Backend,
    family: Family,
}

impl Tool {
    /// Reads all changes, by table. Tables that are not there yet are made, behind those that are.
    fn read<'t>(self, compiled: &mut Compiled, changes: &'t str) -> Result<Vec<(usize, Stage<'t>)>, (u32, String)> {
        let mut stages: Vec<(usize, Stage<'t>)> = Vec::new();
        let mut open: Option<usize> = None;
        let mut last = 0;
        for line in lines(changes) {
            last = line.number;
            let fail = |why: String| (line.number, why);
            match (line.kind, open) {
                (LineKind::Table(_), Some(_)) => return Err(fail("no COMMIT before the next table".to_owned())),
                (LineKind::Table(name), None) => open = Some(self.open(compiled, &mut stages, name).map_err(fail)?),
                (LineKind::Commit, Some(_)) => open = None,
                (LineKind::Incompatible(_), _) => {}
                (_, Some(at)) => {
                    let Some((place, stage)) = stages.get_mut(at) else { continue };
                    let Some(table) = compiled.tables.get(*place) else { continue };
                    stage.line(table, &line).map_err(fail)?;
                }
                (_, None) => return Err(fail(format!("`{}` outside of a table", start_of(&line)))),
            }
        }
        if open.is_some() {
            return Err((last, "no COMMIT at the end".to_owned()));
        }
        for (place, stage) in &stages {
            if let Some(table) = compiled.tables.get(*place) {
                stage.check(table).map_err(|why| (last, why))?;
            }
        }
        Ok(stages)
    }

    /// The place among `stages` of the changes of a table.
    fn open(self, compiled: &mut Compiled, stages: &mut Vec<(usize, Stage<'_>)>, name: &str) -> Result<usize, String> {
        let kind = TableKind::from_name(name).ok_or_else(|| format!("there is no table `{name}`"))?;
        let place = self.table(compiled, kind)?;
        if let Some(known) = stages.iter().position(|(of, _)| *of == place) {
            return Ok(known);
        }
        let table = compiled.tables.get_mut(place).ok_or_else(|| format!("there is no table `{name}`"))?;
        stages.push((place, Stage::new(kind, self.family, self.own(table)?)));
        Ok(stages.len() - 1)
    }

    /// The place of a table; it is made if need be.
    fn table(self, compiled: &mut Compiled, kind: TableKind) -> Result<usize, String> {
        let source = RuleSource::Iptables(self.backend);
        let is = |table: &Arc<Table>| table.family.only() == Some(self.family) && *table.name == *kind.name();
        if let Some(place) = compiled.tables.iter().position(|table| table.source == source && is(table)) {
            return Ok(place);
        }
        let native = |table: &Arc<Table>| table.source == RuleSource::Nftables && is(table);
        if self.backend == Backend::Nft && compiled.tables.iter().any(native) {
            return Err(format!("table `{}` holds rules that only nft can show", kind.name()));
        }
        let dump = dump_name(self.backend, self.family);
        if compiled.unseen.iter().flatten().any(|unseen| unseen.what == dump) {
            return Err(format!("table `{}` was not seen: {dump}", kind.name()));
        }
        let chains = kind.hooks().iter().map(|hook| format!(":{} ACCEPT [0:0]\n", hook.chain()));
        let text: String = [format!("*{}\n", kind.name())].into_iter().chain(chains).collect();
        let table = compile_table(self.backend, self.family, &(text + "COMMIT\n"));
        compiled.tables.extend(table.map(Arc::new));
        Ok(compiled.tables.len() - 1)
    }

    /// The table itself, ready for changes: compiled anew if somebody else holds it too.
    fn own(self, table: &mut Arc<Table>) -> Result<&mut Table, String> {
        if Arc::get_mut(table).is_none() {
            let own = self.recompiled(table).ok_or("the table cannot be read again")?;
            *table = Arc::new(own);
        }
        let own = Arc::get_mut(table).ok_or("the table is in use")?;
        if own.patched.is_none() {
            own.patched = Some(Box::new(Patched::of(own)));
        }
        Ok(own)
    }

    /// The table, compiled from its rules as they are now.
    fn recompiled(self, table: &Table) -> Option<Table> {
        let mut fresh = compile_table(self.backend, self.family, &patched::text_of(table))?;
        // Lines of a text that nobody has seen.
        fresh.rules.iter_mut().for_each(|rule| rule.source.line = 0);
        fresh.chains.iter_mut().for_each(|chain| chain.declared.line = 0);
        Some(fresh)
    }

    /// Takes all changes over. Tables from `made` on are new.
    fn apply(self, compiled: &mut Compiled, stages: Vec<(usize, Stage<'_>)>, made: usize) {
        let mut reorder = compiled.tables.len() > made;
        for (place, stage) in stages {
            compiled.problems.extend(stage.problems(&dump_name(self.backend, self.family)));
            let Some(table) = compiled.tables.get_mut(place) else { continue };
            let Some(own) = Arc::get_mut(table) else { continue };
            reorder |= apply::apply(own, stage);
            if own.patched.as_ref().is_some_and(|patched| patched.is_wasteful(own))
                && let Some(mut fresh) = self.recompiled(own)
            {
                fresh.patched = Some(Box::new(Patched::of(&fresh)));
                *own = fresh;
            }
        }
        if reorder {
            compiled.reorder();
        }
    }
}

/// Enough of a line to know it by.
fn start_of(line: &Line<'_>) -> String {
    line.text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
