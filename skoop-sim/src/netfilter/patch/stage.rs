//! Changes of one table as they are read, beside the table.

use std::borrow::Cow;

use skoop_model::Family;

use super::same::Rules;
use super::start_of;
use super::touched::{Entry, Touched};
use crate::hash::FastMap;
use crate::netfilter::compile::Builder;
use crate::netfilter::parse::{Line, LineKind};
use crate::netfilter::table::{Rule, Span, Table, TableKind};
use crate::netfilter::targets::{MODELLED, UNMODELLED};
use crate::netfilter::words::{Word, Words};

/// Changes of one table.
#[derive(Debug)]
pub(super) struct Stage<'t> {
    pub kind: TableKind,
    pub builder: Builder<'t>,
    pub touched: FastMap<u32, Touched<'t>>,
    /// Chains that the text made, also those that it deleted again.
    names: FastMap<&'t str, u32>,
    /// Text to be added to that of the table.
    pub text: String,
    /// Where it will begin.
    offset: usize,
    /// How many chains there are with the new ones; and how many free numbers are left.
    chains: u32,
    free: usize,
}

/// Nothing, or why the text is refused.
pub(super) type Done = Result<(), String>;

impl<'t> Stage<'t> {
    pub(super) fn new(kind: TableKind, family: Family, table: &Table) -> Self {
        let (added, free) = table.patched.as_ref().map_or((0, 0), |known| (known.text.len(), known.free.len()));
        Self {
            kind,
            builder: Builder::new(family),
            touched: FastMap::default(),
            names: FastMap::default(),
            text: String::new(),
            offset: table.text.len() + added,
            chains: u32::try_from(table.chains.len()).unwrap_or(u32::MAX),
            free,
        }
    }

    /// Takes one line in.
    pub(super) fn line(&mut self, table: &Table, line: &Line<'t>) -> Done {
        match line.kind {
            LineKind::Chain { name, policy } => self.declare(table, name, policy, line),
            LineKind::Rule => self.append(table, line),
            _ => self.command(table, line),
        }
    }

    fn command(&mut self, table: &Table, line: &Line<'t>) -> Done {
        let words: Vec<Word<'t>> = Words::new(line.text).collect();
        let text = |place: usize| words.get(place).map(|word: &Word<'t>| &word.text);
        let (Some(command), Some(Cow::Borrowed(name))) = (text(0), text(1)) else {
            return Err(format!("`{}` is not understood", start_of(line)));
        };
        let number = words.get(2).and_then(|word| word.text.parse::<usize>().ok());
        match (command.as_ref(), words.len()) {
            ("-I" | "--insert", _) => self.insert(table, name, line, words, number),
            ("-D" | "--delete", 3..) => self.delete(table, name, line, &words, number),
            ("-X" | "--delete-chain", 2) => self.remove(table, name),
            ("-F" | "--flush", 2) => {
                let id = self.find(table, name).ok_or_else(|| no_chain(name))?;
                self.touch(table, id).empty();
                Ok(())
            }
            ("-N" | "--new-chain", 2) if self.find(table, name).is_some() => {
                Err(format!("chain `{name}` is there already"))
            }
            ("-N" | "--new-chain", 2) => self.make(table, name),
            ("-P" | "--policy", 3) => {
                let policy = words.get(2).map(|word| word.text.to_string()).unwrap_or_default();
                self.policy(table, name, &policy)
            }
            _ => Err(format!("`{}` is not understood", start_of(line))),
        }
    }

    /// `:CHAIN POLICY`: a chain of the user's is made or emptied, a built-in one gets its policy.
    fn declare(&mut self, table: &Table, name: &'t str, policy: &str, line: &Line<'_>) -> Done {
        if self.is_built_in(name) {
            return if policy == "-" { Ok(()) } else { self.policy(table, name, policy) };
        }
        if policy != "-" {
            return Err(format!("`{}`: only built-in chains have a policy", start_of(line)));
        }
        match self.find(table, name) {
            Some(id) => {
                self.touch(table, id).empty();
                Ok(())
            }
            None => self.make(table, name),
        }
    }

    fn is_built_in(&self, name: &str) -> bool {
        self.kind.hooks().iter().any(|hook| hook.chain() == name)
    }

    fn policy(&mut self, table: &Table, name: &'t str, policy: &str) -> Done {
        let id = self.find(table, name).filter(|_| self.is_built_in(name)).ok_or_else(|| no_chain(name))?;
        if !matches!(policy, "ACCEPT" | "DROP") {
            return Err(format!("`{policy}` is no policy"));
        }
        let span = self.add_text(&format!(":{name} {policy} [0:0]"))?;
        self.touch(table, id).policy = Some((policy == "DROP", span));
        Ok(())
    }

    /// The chain of this name, as things stand at this line.
    fn find(&self, table: &Table, name: &str) -> Option<u32> {
        let known = || table.patched.as_ref().and_then(|patched| patched.names.get(name));
        let id = self.names.get(name).or_else(known)?;
        self.touched.get(id).is_none_or(|touched| touched.alive).then_some(*id)
    }

    fn touch(&mut self, table: &Table, id: u32) -> &mut Touched<'t> {
        self.touched.entry(id).or_insert_with(|| Touched {
            name: None,
            alive: true,
            policy: None,
            old: table.chain(id).map_or((0, 0), |chain| chain.rules),
            keeps: true,
            entries: Vec::new(),
            next: 0,
        })
    }

    /// Makes a chain; one that the text has deleted gets its number back.
    fn make(&mut self, table: &Table, name: &'t str) -> Done {
        // `XT_EXTENSION_MAXNAMELEN`, `include/uapi/linux/netfilter/x_tables.h`.
        const LONGEST: usize = 28;
        if name.is_empty() || name.len() > LONGEST {
            return Err(format!("`{name}` is too long for a chain"));
        }
        let patched = table.patched.as_ref();
        let deleted = self.names.get(name).or_else(|| patched.and_then(|patched| patched.names.get(name))).copied();
        if let Some(id) = deleted {
            let touched = self.touch(table, id);
            touched.alive = true;
            touched.empty();
            return Ok(());
        }
        let reused = self.free.checked_sub(1).and_then(|place| Some((place, *patched?.free.get(place)?)));
        let id = if let Some((place, id)) = reused {
            self.free = place;
            id
        } else {
            self.chains += 1;
            self.chains - 1
        };
        self.names.insert(name, id);
        let touched = self.touch(table, id);
        touched.name = Some(name);
        touched.empty();
        Ok(())
    }

    fn remove(&mut self, table: &Table, name: &str) -> Done {
        let id = self.find(table, name).ok_or_else(|| no_chain(name))?;
        if self.is_built_in(name) {
            return Err(format!("chain `{name}` is built in"));
        }
        let touched = self.touch(table, id);
        if touched.length() > 0 {
            return Err(format!("chain `{name}` holds rules"));
        }
        touched.alive = false;
        touched.empty();
        self.builder.names.remove(name);
        Ok(())
    }

    fn append(&mut self, table: &Table, line: &Line<'t>) -> Done {
        let rest = line.text.trim_start_matches(|char: char| !char.is_ascii_whitespace()).trim_ascii_start();
        let name = rest.split(|char: char| char.is_ascii_whitespace()).next().unwrap_or_default();
        let id = self.find(table, name).ok_or_else(|| no_chain(name))?;
        let touched = self.touch(table, id);
        if let Some(number) = touched.again(table, line.text) {
            touched.entries.push(Entry::Old(number));
            return Ok(());
        }
        let words: Vec<_> = Words::new(line.text).collect();
        let entry = self.compile(table, line, line.text, &words)?;
        self.touch(table, id).entries.push(entry);
        Ok(())
    }

    fn insert(
        &mut self,
        table: &Table,
        name: &'t str,
        line: &Line<'t>,
        mut words: Vec<Word<'t>>,
        number: Option<usize>,
    ) -> Done {
        let id = self.find(table, name).ok_or_else(|| no_chain(name))?;
        if number.is_some() {
            words.remove(2);
        }
        let text = format!("-A {name} {}", rest_of(line.text, if number.is_some() { 3 } else { 2 }));
        let entry = self.compile(table, line, text.trim_ascii_end(), &words)?;
        let touched = self.touch(table, id);
        touched.spell_out();
        let place = number.unwrap_or(1).checked_sub(1).filter(|place| *place <= touched.entries.len());
        let place = place.ok_or_else(|| format!("`{}`: the chain has fewer rules", start_of(line)))?;
        touched.entries.insert(place, entry);
        Ok(())
    }

    fn delete(
        &mut self,
        table: &Table,
        name: &'t str,
        line: &Line<'t>,
        words: &[Word<'t>],
        number: Option<usize>,
    ) -> Done {
        let id = self.find(table, name).ok_or_else(|| no_chain(name))?;
        self.touch(table, id).spell_out();
        let place = match number {
            Some(number) if words.len() == 3 => number.checked_sub(1),
            _ => {
                let Entry::New(sample) = self.compile(table, line, line.text, words)? else { return Ok(()) };
                let entries = self.touched.get(&id).map_or(&[][..], |touched| &touched.entries);
                let rules = Rules { table, stage: self };
                let found = entries.iter().position(|entry| rules.is_same(*entry, Entry::New(sample)));
                self.builder.rules.pop();
                found
            }
        };
        let touched = self.touch(table, id);
        let place = place.filter(|place| *place < touched.entries.len());
        touched.entries.remove(place.ok_or_else(|| format!("`{}`: there is no such rule", start_of(line)))?);
        Ok(())
    }

    /// Compiles a rule, whose text will be `text`.
    fn compile(&mut self, table: &Table, line: &Line<'t>, text: &str, words: &[Word<'t>]) -> Result<Entry, String> {
        for [option, name] in words.array_windows() {
            let leads = ["-j", "--jump", "-g", "--goto"].iter().any(|known| option.is(known));
            let Cow::Borrowed(name) = name.text else { continue };
            if !leads {
                continue;
            }
            if self.is_built_in(name) {
                return Err(format!("`{}`: `{name}` is built in", start_of(line)));
            }
            match self.find(table, name) {
                Some(id) => {
                    self.builder.names.insert(name, id);
                }
                None if is_target(name) => {}
                None => return Err(format!("`{}`: there is no chain or target `{name}`", start_of(line))),
            }
        }
        if let Some(Cow::Borrowed(name)) = words.get(1).map(|word| &word.text)
            && let Some(id) = self.find(table, name)
        {
            self.builder.names.insert(name, id);
        }
        let place = u32::try_from(self.builder.rules.len()).unwrap_or(u32::MAX);
        let source = self.add_text(text)?;
        self.builder.add(line, words).ok_or_else(|| format!("`{}` is not understood", start_of(line)))?;
        if let Some((_, rule)) = self.builder.rules.last_mut() {
            rule.source = source;
        }
        Ok(Entry::New(place))
    }

    fn add_text(&mut self, text: &str) -> Result<Span, String> {
        let offset = u32::try_from(self.offset + self.text.len() + text.len()).map_err(|_| "4 GiB of rules")?;
        let length = u32::try_from(text.len()).map_err(|_| "a rule of 4 GiB")?;
        self.text.push_str(text);
        Ok(Span { offset: offset - length, length, line: 0 })
    }

    /// The text of a rule that was read.
    pub(super) fn text_of(&self, rule: &Rule) -> &str {
        let start = usize::try_from(rule.source.offset).unwrap_or_default().saturating_sub(self.offset);
        let length = usize::try_from(rule.source.length).unwrap_or_default();
        self.text.get(start..start + length).unwrap_or_default()
    }

    pub(super) fn new_rule(&self, place: u32) -> Option<&Rule> {
        usize::try_from(place).ok().and_then(|place| self.builder.rules.get(place)).map(|(_, rule)| rule)
    }
}

fn no_chain(name: &str) -> String {
    format!("there is no chain `{name}`")
}

/// Whether `-j NAME` may be meant as a target.
fn is_target(name: &str) -> bool {
    matches!(name, "ACCEPT" | "DROP" | "RETURN")
        || MODELLED.contains(&name)
        || UNMODELLED.iter().any(|(known, ..)| *known == name)
}

/// A line behind its first words.
fn rest_of(line: &str, words: usize) -> &str {
    let mut rest = line;
    for _ in 0..words {
        rest = rest.trim_ascii_start().trim_start_matches(|char: char| !char.is_ascii_whitespace());
    }
    rest.trim_ascii()
}
