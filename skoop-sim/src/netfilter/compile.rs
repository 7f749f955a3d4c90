//! From dumps to compiled rules.

mod finish;
mod rule;

use std::collections::HashMap;
use std::sync::Arc;

use skoop_model::{Backend, Family, NetfilterDumps, Unseen};

use super::Hook;
use super::common::DevicePattern;
use super::ipset::Sets;
use super::matches::Match;
use super::native::{self, NativeChain};
use super::parse::{Line, LineKind, lines};
use super::result::{RuleRef, RuleSource};
use super::table::{Chain, Rule, RuleId, Ruleset, Span, Table, TableKind};
use super::targets::Target;
use super::words::Word;

/// All rules of a namespace.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    pub rulesets: Vec<Ruleset>,
    /// Native base chains that may change a packet's fate.
    pub natives: Vec<NativeChain>,
    pub sets: Sets,
    /// Rules that were not seen, by family as in [`Family::ALL`].
    pub unseen: [Vec<Unseen>; 2],
    pub problems: Vec<Unseen>,
}

/// What a dump held that concerns other dumps or everything.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Why rules may be missing.
    unseen: Vec<Unseen>,
    problems: Vec<Unseen>,
    /// Tables that `iptables-nft` cannot show.
    incompatible: Vec<String>,
}

impl Compiled {
    pub(super) fn new(dumps: &NetfilterDumps) -> Self {
        let mut compiled = Self::default();
        let mut incompatible = Vec::new();
        for (place, family) in Family::ALL.into_iter().enumerate() {
            for backend in [Backend::Legacy, Backend::Nft] {
                let mut notes = Notes::default();
                match dumps.iptables(backend, family).get() {
                    Ok(text) => compiled.rulesets.extend(compile(backend, family, text, &mut notes)),
                    Err(why) => {
                        let unseen = Unseen { what: dump_name(backend, family), why: why.to_string(), matters: false };
                        notes.unseen.push(unseen);
                    }
                }
                incompatible.extend(notes.incompatible.into_iter().map(|table| (family, table)));
                compiled.problems.extend(notes.unseen.iter().cloned().chain(notes.problems));
                if let Some(unseen) = compiled.unseen.get_mut(place) {
                    unseen.extend(notes.unseen);
                }
            }
        }
        let owned = |family: Family, table: &str| {
            let nft = compiled.rulesets.iter().find(|rules| rules.backend == Backend::Nft && rules.family == family);
            let kind = TableKind::from_name(table);
            let dumped = nft.zip(kind).is_some_and(|(rules, kind)| rules.table(kind).is_some());
            dumped && !incompatible.iter().any(|(of, name)| *of == family && name == table)
        };
        let native = native::read(&dumps.nft_json, owned);
        compiled.natives = native.chains;
        for unseen in native.unseen {
            compiled.problems.push(unseen.clone());
            compiled.unseen.iter_mut().for_each(|of_family| of_family.push(unseen.clone()));
        }
        compiled.sets = Sets::read(&dumps.ipset, &mut compiled.problems);
        compiled
    }

    pub(super) fn rule_ref(&self, id: RuleId) -> RuleRef {
        let found = self.rulesets.get(usize::from(id.ruleset)).and_then(|rules| {
            let rule = rules.table(id.table)?.rule(id.rule)?;
            Some(rules.rule_ref(id.table, rule))
        });
        found.unwrap_or_else(|| unseen_ref(Family::V4, "a rule of another snapshot".to_owned()))
    }
}

/// A reference to what was not seen.
pub(super) fn unseen_ref(family: Family, text: String) -> RuleRef {
    RuleRef {
        source: RuleSource::Unseen,
        family,
        table: String::new(),
        chain: String::new(),
        line: 0,
        text,
        comment: None,
    }
}

/// `rules of iptables-nft for IPv4`.
fn dump_name(backend: Backend, family: Family) -> String {
    format!("rules of iptables-{backend} for {family}")
}

/// Compiles one dump; none if it has no table at all.
fn compile(backend: Backend, family: Family, text: &str, notes: &mut Notes) -> Option<Ruleset> {
    let name = dump_name(backend, family);
    let mut ruleset = Ruleset { backend, family, text: Arc::from(text), tables: Default::default() };
    if u32::try_from(text.len()).is_err() {
        let why = "the dump is 4 GiB or longer".to_owned();
        notes.unseen.push(Unseen { what: name, why, matters: false });
        return None;
    }
    let mut builder: Option<(TableKind, Builder<'_>)> = None;
    for line in lines(text) {
        match (line.kind, builder.as_mut()) {
            (LineKind::Table(table), open) => {
                if open.is_some() {
                    notes.cut(&name, line.number);
                }
                close(&mut ruleset, builder.take(), notes);
                builder = TableKind::from_name(table).map(|kind| (kind, Builder::new(family)));
                if builder.is_none() {
                    notes.garbage(&name, &line);
                }
            }
            (LineKind::Commit, _) => close(&mut ruleset, builder.take(), notes),
            (LineKind::Chain { name: chain, policy }, Some((kind, table))) => table.chain(*kind, chain, policy, &line),
            (LineKind::Rule, Some((_, table))) => {
                if table.rule(&line).is_none() {
                    notes.garbage(&name, &line);
                }
            }
            (LineKind::Incompatible(table), _) => notes.incompatible.push(table.to_owned()),
            (LineKind::Garbage | LineKind::Chain { .. } | LineKind::Rule, _) => notes.garbage(&name, &line),
        }
    }
    if builder.is_some() {
        notes.cut(&name, u32::try_from(text.lines().count()).unwrap_or(u32::MAX));
    }
    close(&mut ruleset, builder.take(), notes);
    Some(ruleset)
}

fn close(ruleset: &mut Ruleset, builder: Option<(TableKind, Builder<'_>)>, notes: &mut Notes) {
    if let Some((kind, builder)) = builder
        && let Some(place) = ruleset.tables.get_mut(kind as usize)
    {
        *place = Some(builder.finish(ruleset.backend, kind, notes));
    }
}

impl Notes {
    fn cut(&mut self, dump: &str, line: u32) {
        let why = format!("the dump breaks off before line {line}: no COMMIT");
        self.unseen.push(Unseen { what: dump.to_owned(), why, matters: false });
    }

    fn garbage(&mut self, dump: &str, line: &Line<'_>) {
        let text: String = line.text.chars().take(80).collect();
        let why = format!("line {} is not understood: `{text}`", line.number);
        // One is enough to make the dump doubtful; a file of another kind would give thousands.
        if !self.unseen.iter().any(|unseen| unseen.what == dump) {
            self.unseen.push(Unseen { what: dump.to_owned(), why, matters: false });
        }
    }
}

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Builder<'t> {
    family: Family,
    chains: Vec<Chain>,
    names: HashMap<&'t str, u32>,
    base: [Option<u32>; 5],
    /// Rules with their chains.
    rules: Vec<(u32, Rule)>,
    matches: Vec<Match>,
    targets: Vec<Target>,
    devices: Vec<DevicePattern>,
    device_places: HashMap<&'t str, u32>,
    /// Words of the line that is being read.
    words: Vec<Word<'t>>,
    /// How many rules have which unknown match or target, and the line of the first one.
    opaque: HashMap<Box<str>, (u32, u32)>,
}

impl<'t> Builder<'t> {
    fn new(family: Family) -> Self {
        Self {
            family,
            chains: Vec::new(),
            names: HashMap::new(),
            base: [None; 5],
            rules: Vec::new(),
            matches: Vec::new(),
            targets: Vec::new(),
            devices: vec![DevicePattern::parse("+")],
            device_places: HashMap::new(),
            words: Vec::new(),
            opaque: HashMap::new(),
        }
    }

    fn chain(&mut self, kind: TableKind, name: &'t str, policy: &str, line: &Line<'t>) {
        let id = self.chain_id(name, line);
        if policy == "-" {
            return;
        }
        if let Some(chain) = self.chains.get_mut(usize::try_from(id).unwrap_or(usize::MAX)) {
            chain.drops = policy == "DROP";
        }
        let hook = Hook::ALL.into_iter().find(|hook| hook.chain() == name);
        if let Some(hook) = hook.filter(|hook| kind.hooks().contains(hook))
            && let Some(base) = self.base.get_mut(hook as usize)
        {
            *base = Some(id);
        }
    }

    /// The chain of this name; declared by `line` if it is not known yet.
    fn chain_id(&mut self, name: &'t str, line: &Line<'t>) -> u32 {
        let chains = &mut self.chains;
        *self.names.entry(name).or_insert_with(|| {
            chains.push(Chain {
                declared: span(line),
                name: name.into(),
                rules: (0, 0),
                drops: false,
                harmless: false,
                decides_only: false,
                reads_changes: false,
                index: None,
            });
            place(chains.len() - 1)
        })
    }

    fn device(&mut self, text: &'t str) -> u32 {
        let devices = &mut self.devices;
        *self.device_places.entry(text).or_insert_with(|| {
            devices.push(DevicePattern::parse(text));
            place(devices.len() - 1)
        })
    }

    fn finish(self, backend: Backend, kind: TableKind, notes: &mut Notes) -> Table {
        finish::finish(self, backend, kind, notes)
    }
}

fn span(line: &Line<'_>) -> Span {
    Span { offset: line.offset, length: place(line.text.len()), line: line.number }
}

/// A place in a list. Lists are shorter than their dump, which is shorter than 4 GiB.
fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
