//! From dumps to compiled rules.

mod finish;
mod rule;

use std::collections::HashMap;
use std::sync::Arc;

use skoop_model::{Backend, Evidence, Family, HookOwner, NetfilterDumps, Unseen};

use super::Hook;
use super::common::DevicePattern;
use super::ipset::Sets;
use super::matches::Known;
use super::nft::{self, ast};
use super::order::Order;
use super::parse::{Line, LineKind, lines};
use super::result::{RuleRef, RuleSource};
use super::table::{Base, BaseHook, BaseKind, Chain, Rule, RuleId, Span, Table, TableKind};
use super::targets::Target;
use super::test::Test;
use super::words::Word;

/// All rules of a namespace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Compiled {
    pub tables: Vec<Arc<Table>>,
    pub order: Order,
    /// The order at the hooks, where it is known.
    owners: Arc<[HookOwner]>,
    pub sets: Arc<Sets>,
    /// What single matches ask of the dumps.
    pub known: Arc<Known>,
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
        for family in Family::ALL {
            for backend in [Backend::Legacy, Backend::Nft] {
                let mut notes = Notes::default();
                match dumps.iptables(backend, family).get() {
                    Ok(text) => compile(backend, family, text, &mut compiled.tables, &mut notes),
                    Err(why) => {
                        let unseen = Unseen { what: dump_name(backend, family), why: why.to_string(), matters: false };
                        notes.unseen.push(unseen);
                    }
                }
                incompatible.extend(notes.incompatible.drain(..).map(|table| (family, table)));
                compiled.note(notes, &[family]);
            }
        }
        compiled.natives(dumps, &incompatible);
        compiled.sets = Arc::new(Sets::read(&dumps.ipset, &mut compiled.problems));
        compiled.known = Arc::new(Known::read(dumps));
        compiled.owners = Arc::from(dumps.hooks.get().map(Vec::as_slice).unwrap_or_default());
        compiled.reorder();
        compiled
    }

    /// Sorts the base chains of all tables.
    pub(super) fn reorder(&mut self) {
        let nat = Family::ALL.map(|family| self.has_nat(family));
        self.order = Order::of(&self.tables, &self.owners, nat);
    }

    /// Tables of nftables. One that `iptables-nft` wrote is taken from its own dump, which tells the options of its matches; one that it
    /// did not write, or not alone, from the dump of nftables: the other one would be silent about what it cannot say.
    fn natives(&mut self, dumps: &NetfilterDumps, incompatible: &[(Family, String)]) {
        let is_nft = |table: &Table| table.source == RuleSource::Iptables(Backend::Nft);
        let owned = |table: &ast::Table| {
            let is = |known: &Arc<Table>| is_nft(known) && known.family == table.family && known.name == table.name;
            let family = table.family.only();
            let left_out = incompatible.iter().any(|(of, name)| Some(*of) == family && **name == *table.name);
            self.tables.iter().any(is) && !left_out && nft::looks_like_iptables(table)
        };
        let native = nft::read(dumps, owned);
        self.tables.retain(|table| {
            let taken = |native: &Table| native.family == table.family && native.name == table.name;
            !is_nft(table) || !native.tables.iter().any(taken)
        });
        self.tables.extend(native.tables.into_iter().map(Arc::new));
        self.problems.extend(native.problems);
        for (family, unseen) in native.unseen {
            let families = family.map_or_else(|| Family::ALL.to_vec(), |family| vec![family]);
            self.note(Notes { unseen: vec![unseen], ..Notes::default() }, &families);
        }
    }

    fn note(&mut self, notes: Notes, families: &[Family]) {
        self.problems.extend(notes.unseen.iter().cloned().chain(notes.problems));
        for (place, _) in Family::ALL.iter().enumerate().filter(|(_, family)| families.contains(family)) {
            if let Some(unseen) = self.unseen.get_mut(place) {
                unseen.extend(notes.unseen.iter().cloned());
            }
        }
    }

    /// Whether NAT is at work: from the first nat chain of the family on, and where that is not known.
    fn has_nat(&self, family: Family) -> bool {
        let place = usize::from(family == Family::V6);
        let concerns = |table: &&Arc<Table>| table.family.only().is_none_or(|only| only == family);
        let mut bases = self.tables.iter().filter(concerns).flat_map(|table| &table.bases);
        self.unseen.get(place).is_some_and(|unseen| !unseen.is_empty()) || bases.any(|base| base.kind == BaseKind::Nat)
    }

    pub(super) fn table(&self, table: u32) -> Option<&Table> {
        self.tables.get(usize::try_from(table).ok()?).map(AsRef::as_ref)
    }

    /// A rule as evidence, as its reference would tell.
    pub(super) fn evidence(&self, id: RuleId, family: Family) -> Evidence {
        let found = self.table(id.table).and_then(|table| table.evidence(id.rule, family));
        found.unwrap_or_else(|| self.rule_ref(id, family).evidence())
    }

    /// A rule of a table for both families is told as one of `family`.
    pub(super) fn rule_ref(&self, id: RuleId, family: Family) -> RuleRef {
        let found = self.table(id.table).and_then(|table| table.rule_ref(id.rule, family));
        found.unwrap_or_else(|| unseen_ref(family, "a rule of another snapshot".to_owned()))
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
        handle: None,
        text,
        comment: None,
    }
}

/// `rules of iptables-nft for IPv4`.
pub(super) fn dump_name(backend: Backend, family: Family) -> String {
    format!("rules of iptables-{backend} for {family}")
}

/// Compiles the text of one table by itself; none if it holds none.
pub(super) fn compile_table(backend: Backend, family: Family, text: &str) -> Option<Table> {
    let mut tables = Vec::new();
    compile(backend, family, text, &mut tables, &mut Notes::default());
    Arc::into_inner(tables.pop()?)
}

/// Compiles one dump.
fn compile(backend: Backend, family: Family, text: &str, tables: &mut Vec<Arc<Table>>, notes: &mut Notes) {
    let name = dump_name(backend, family);
    if u32::try_from(text.len()).is_err() {
        let why = "the dump is 4 GiB or longer".to_owned();
        notes.unseen.push(Unseen { what: name, why, matters: false });
        return;
    }
    let first = tables.len();
    let mut closed = Closed { backend, family, text: Arc::from(text), tables, first };
    let mut builder: Option<(TableKind, Builder<'_>)> = None;
    for line in lines(text) {
        match (line.kind, builder.as_mut()) {
            (LineKind::Table(table), open) => {
                if open.is_some() {
                    notes.cut(&name, line.number);
                }
                closed.close(builder.take(), notes);
                builder = TableKind::from_name(table).map(|kind| (kind, Builder::new(family)));
                if builder.is_none() {
                    notes.garbage(&name, &line);
                }
            }
            (LineKind::Commit, _) => closed.close(builder.take(), notes),
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
    closed.close(builder.take(), notes);
}

/// The tables of one dump that were read to their end.
struct Closed<'t> {
    backend: Backend,
    family: Family,
    text: Arc<str>,
    tables: &'t mut Vec<Arc<Table>>,
    /// The first table of the dump.
    first: usize,
}

impl Closed<'_> {
    /// Takes a table in; one that the dump holds twice counts as it stands there last.
    fn close(&mut self, builder: Option<(TableKind, Builder<'_>)>, notes: &mut Notes) {
        let Some((kind, builder)) = builder else { return };
        let table = builder.finish(self.backend, kind, Arc::clone(&self.text), notes);
        let mut known = self.tables.iter_mut().skip(self.first);
        match known.find(|known| known.name == table.name && known.family.only() == Some(self.family)) {
            Some(known) => *known = Arc::new(table),
            None => self.tables.push(Arc::new(table)),
        }
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
pub(in crate::netfilter) struct Builder<'t> {
    pub family: Family,
    chains: Vec<Chain>,
    pub names: HashMap<&'t str, u32>,
    bases: Vec<Base>,
    /// Rules with their chains.
    pub rules: Vec<(u32, Rule)>,
    pub tests: Vec<Test>,
    pub targets: Vec<Target>,
    pub devices: Vec<DevicePattern>,
    device_places: HashMap<&'t str, u32>,
    /// Words of the line that is being read.
    pub words: Vec<Word<'t>>,
    /// How many rules have which unknown match or target, and the line of the first one.
    pub opaque: HashMap<Box<str>, (u32, u32)>,
}

impl<'t> Builder<'t> {
    pub(super) fn new(family: Family) -> Self {
        Self {
            family,
            chains: Vec::new(),
            names: HashMap::new(),
            bases: Vec::new(),
            rules: Vec::new(),
            tests: Vec::new(),
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
            && !self.bases.iter().any(|base| base.chain == id)
        {
            let (base, priority) = kind.base(hook);
            self.bases.push(Base { chain: id, kind: base, hook: BaseHook::Inet(hook), priority });
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
                only_accepts: false,
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

    fn finish(self, backend: Backend, kind: TableKind, text: Arc<str>, notes: &mut Notes) -> Table {
        finish::finish(self, backend, kind, text, notes)
    }
}

fn span(line: &Line<'_>) -> Span {
    Span { offset: line.offset, length: place(line.text.len()), line: line.number }
}

/// A place in a list. Lists are shorter than their dump, which is shorter than 4 GiB.
fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
