//! Compiled rules of one dump.

use std::borrow::Cow;
use std::sync::Arc;

use skoop_model::{Backend, Family};

use super::Hook;
use super::common::{Common, DevicePattern};
use super::index::Index;
use super::matches::Match;
use super::result::{RuleRef, RuleSource};
use super::targets::Target;
use super::words::Words;

/// A rule in the whole of a namespace's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RuleId {
    /// Dump, by its place.
    pub ruleset: u8,
    /// Table.
    pub table: TableKind,
    /// Rule, by its place in the table.
    pub rule: u32,
}

/// The tables of iptables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TableKind {
    Raw,
    Mangle,
    Nat,
    Filter,
    Security,
}

impl TableKind {
    pub(crate) const ALL: [Self; 5] = [Self::Raw, Self::Mangle, Self::Nat, Self::Filter, Self::Security];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Mangle => "mangle",
            Self::Nat => "nat",
            Self::Filter => "filter",
            Self::Security => "security",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Hooks at which the table has a base chain (`valid_hooks` of each table in net/ipv4/netfilter/).
    pub(crate) fn hooks(self) -> &'static [Hook] {
        match self {
            Self::Raw => &[Hook::Prerouting, Hook::Output],
            Self::Mangle => &Hook::ALL,
            Self::Nat => &[Hook::Prerouting, Hook::Input, Hook::Output, Hook::Postrouting],
            Self::Filter | Self::Security => &[Hook::Input, Hook::Forward, Hook::Output],
        }
    }
}

/// One dump, compiled.
#[derive(Debug)]
pub(crate) struct Ruleset {
    pub backend: Backend,
    pub family: Family,
    pub text: Arc<str>,
    /// By [`TableKind`].
    pub tables: [Option<Table>; 5],
}

/// One table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub chains: Vec<Chain>,
    /// Base chains, by [`Hook`].
    pub base: [Option<u32>; 5],
    /// Rules, those of a chain side by side.
    pub rules: Vec<Rule>,
    pub matches: Vec<Match>,
    pub targets: Vec<Target>,
    /// Device patterns; the first one is "any".
    pub devices: Vec<DevicePattern>,
}

/// One chain.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Its declaration in the dump.
    pub declared: Span,
    pub name: Box<str>,
    /// First rule, and the one after the last.
    pub rules: (u32, u32),
    /// Policy DROP.
    pub drops: bool,
    /// Whatever its rules do, no packet fares differently.
    pub harmless: bool,
    /// Its rules only let pass or stop.
    pub decides_only: bool,
    /// Its rules look at things that rules can change.
    pub reads_changes: bool,
    pub index: Option<Index>,
}

/// A line of the dump.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub offset: u32,
    pub length: u32,
    /// From 1.
    pub line: u32,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub common: Common,
    pub verdict: Verdict,
    pub first_match: u32,
    pub matches: u16,
    /// A match depends on chance.
    pub chance: bool,
    /// No packet fares differently whether it matches or not.
    pub harmless: bool,
    pub source: Span,
}

/// What a rule does with what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has no target.
    Continue,
    Accept,
    Drop,
    Return,
    /// Chain.
    Jump(u32),
    /// Chain; its end is the end of this one.
    Goto(u32),
    /// Extension, by its place in the table.
    Target(u32),
}

impl Ruleset {
    pub(crate) fn table(&self, kind: TableKind) -> Option<&Table> {
        self.tables.get(kind as usize)?.as_ref()
    }

    /// A rule as it stands in the dump.
    pub(crate) fn rule_ref(&self, kind: TableKind, rule: &Rule) -> RuleRef {
        let text = self.line(rule.source);
        let mut words = Words::new(text);
        let chain = words.nth(1).map(|word| word.text.into_owned()).unwrap_or_default();
        let comment = comment(words).map(Cow::into_owned);
        self.reference(kind, chain, rule.source, comment)
    }

    /// What people call a rule: its comment, or all of it.
    pub(crate) fn label(&self, rule: &Rule) -> Cow<'_, str> {
        let text = self.line(rule.source);
        comment(Words::new(text)).unwrap_or(Cow::Borrowed(text))
    }

    /// A base chain as it is declared in the dump.
    pub(crate) fn policy_ref(&self, kind: TableKind, chain: &Chain) -> RuleRef {
        self.reference(kind, chain.name.to_string(), chain.declared, None)
    }

    fn reference(&self, kind: TableKind, chain: String, span: Span, comment: Option<String>) -> RuleRef {
        RuleRef {
            source: RuleSource::Iptables(self.backend),
            family: self.family,
            table: kind.name().to_owned(),
            chain,
            line: usize::try_from(span.line).unwrap_or_default(),
            text: self.line(span).to_owned(),
            comment,
        }
    }

    fn line(&self, span: Span) -> &str {
        let start = usize::try_from(span.offset).unwrap_or(usize::MAX);
        let length = usize::try_from(span.length).unwrap_or(usize::MAX);
        self.text.get(start..start.saturating_add(length)).unwrap_or_default()
    }
}

impl Table {
    pub(crate) fn rule(&self, rule: u32) -> Option<&Rule> {
        self.rules.get(usize::try_from(rule).ok()?)
    }

    pub(crate) fn chain(&self, chain: u32) -> Option<&Chain> {
        self.chains.get(usize::try_from(chain).ok()?)
    }

    pub(crate) fn base_chain(&self, hook: Hook) -> Option<(u32, &Chain)> {
        let id = (*self.base.get(hook as usize)?)?;
        Some((id, self.chain(id)?))
    }

    /// Matches of a rule beyond the common ones.
    pub(crate) fn matches_of(&self, rule: &Rule) -> &[Match] {
        let first = usize::try_from(rule.first_match).unwrap_or(usize::MAX);
        self.matches.get(first..first.saturating_add(usize::from(rule.matches))).unwrap_or_default()
    }

    pub(crate) fn target(&self, target: u32) -> Option<&Target> {
        self.targets.get(usize::try_from(target).ok()?)
    }

    /// Whether a device fits pattern `pattern`.
    pub(crate) fn device_matches(&self, pattern: u32, inverted: bool, device: Option<&str>) -> bool {
        if pattern == 0 {
            return !inverted;
        }
        let index = usize::try_from(pattern).unwrap_or(usize::MAX);
        self.devices.get(index).is_none_or(|pattern| pattern.matches(device) != inverted)
    }
}

/// The value of `--comment`.
fn comment(mut words: Words<'_>) -> Option<Cow<'_, str>> {
    words.find(|word| word.is("--comment")).and_then(|_| words.next()).map(|word| word.text)
}
