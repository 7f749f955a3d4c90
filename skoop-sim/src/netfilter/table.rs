//! Compiled tables: iptables of both backends and native nftables in one shape.

use std::borrow::Cow;
use std::sync::Arc;

use skoop_model::{Evidence, Family};

use super::common::{Common, DevicePattern};
use super::event::RuleParts;
use super::index::Index;
use super::nft::ast::TableFamily;
use super::nft::{SetData, Step};
use super::patch::Patched;
use super::result::{RuleRef, RuleSource};
use super::targets::Target;
use super::test::Test;
use super::words::Words;
use super::{DeviceHook, Hook};

/// A rule in the whole of a namespace's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RuleId {
    /// Table, by its place.
    pub table: u32,
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

    /// Its type and its priority at a hook (`enum nf_ip_hook_priorities`, `include/uapi/linux/netfilter_ipv4.h`).
    pub(crate) fn base(self, hook: Hook) -> (BaseKind, i32) {
        match (self, hook) {
            (Self::Raw, _) => (BaseKind::Filter, -300),
            (Self::Mangle, Hook::Output) => (BaseKind::Route, -150),
            (Self::Mangle, _) => (BaseKind::Filter, -150),
            (Self::Nat, Hook::Prerouting | Hook::Output) => (BaseKind::Nat, -100),
            (Self::Nat, _) => (BaseKind::Nat, 100),
            (Self::Filter, _) => (BaseKind::Filter, 0),
            (Self::Security, _) => (BaseKind::Filter, 50),
        }
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

/// One table.
#[derive(Debug)]
pub(crate) struct Table {
    pub source: RuleSource,
    pub family: TableFamily,
    pub name: Box<str>,
    /// What the places of rules and chains lead into; places behind its end lead into the text of [`Self::patched`].
    pub text: Arc<str>,
    /// What changes of the table need, from the first one on.
    pub patched: Option<Box<Patched>>,
    pub chains: Vec<Chain>,
    pub bases: Vec<Base>,
    /// Rules, those of a chain side by side.
    pub rules: Vec<Rule>,
    pub tests: Vec<Test>,
    pub programs: Vec<Box<[Step]>>,
    /// Sets and maps of nftables.
    pub sets: Vec<SetData>,
    pub targets: Vec<Target>,
    /// Device patterns; the first one is "any".
    pub devices: Vec<DevicePattern>,
}

/// What makes a chain a base chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    pub chain: u32,
    pub kind: BaseKind,
    pub hook: BaseHook,
    pub priority: i32,
}

/// Types of base chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BaseKind {
    Filter,
    Nat,
    /// A change of address, mark or TOS at OUTPUT asks for another route.
    Route,
}

/// Where a base chain hangs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BaseHook {
    Inet(Hook),
    /// At these devices.
    Device(DeviceHook, Vec<Box<str>>),
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
    /// Its rules only let pass: a base chain without policy DROP that holds no others makes no difference.
    pub only_accepts: bool,
    /// Its rules only let pass or stop.
    pub decides_only: bool,
    /// Its rules look at things that rules can change.
    pub reads_changes: bool,
    /// Few chains are long enough for one.
    pub index: Option<Box<Index>>,
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
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub common: Common,
    pub verdict: Verdict,
    pub first_test: u32,
    pub tests: u16,
    /// A test depends on chance.
    pub chance: bool,
    /// No packet fares differently whether it matches or not.
    pub harmless: bool,
    pub source: Span,
    /// Handle in the kernel; 0 where it is not known.
    pub handle: u32,
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
    /// Statements of nftables one after the other, by their place in the table.
    Program(u32),
}

impl Table {
    /// A rule as it stands in the dump. Rules of tables for both families are told as those of `family`.
    pub(crate) fn rule_ref(&self, number: u32, family: Family) -> Option<RuleRef> {
        let rule = self.rule(number)?;
        let comment = self.comment(rule.source).map(Cow::into_owned);
        let chain = self.chain_of(number).map(|chain| chain.name.to_string()).unwrap_or_default();
        let handle = (rule.handle != 0).then_some(u64::from(rule.handle));
        Some(RuleRef { handle, comment, ..self.reference(chain, rule.source, family) })
    }

    /// A rule as evidence: the same as that of its [`RuleRef`], without making one.
    pub(crate) fn evidence(&self, number: u32, family: Family) -> Option<Evidence> {
        let rule = self.rule(number)?;
        if !matches!(self.source, RuleSource::Iptables(_)) {
            return self.rule_ref(number, family).map(|by| by.evidence());
        }
        let parts = RuleParts {
            source: self.source,
            family: self.family.only().unwrap_or(family),
            table: &self.name,
            chain: "",
            line: usize::try_from(rule.source.line).unwrap_or_default(),
            handle: None,
            text: self.line(rule.source),
        };
        Some(parts.evidence())
    }

    /// What people call a rule: its comment, or all of it.
    pub(crate) fn label(&self, rule: &Rule) -> Cow<'_, str> {
        self.comment(rule.source).unwrap_or(Cow::Borrowed(self.line(rule.source)))
    }

    /// A base chain as it is declared in the dump.
    pub(crate) fn policy_ref(&self, chain: &Chain, family: Family) -> RuleRef {
        self.reference(chain.name.to_string(), chain.declared, family)
    }

    fn reference(&self, chain: String, span: Span, family: Family) -> RuleRef {
        RuleRef {
            source: self.source,
            family: self.family.only().unwrap_or(family),
            table: match self.source {
                RuleSource::Nftables => format!("{} {}", self.family, self.name),
                _ => self.name.to_string(),
            },
            chain,
            line: usize::try_from(span.line).unwrap_or_default(),
            handle: None,
            text: self.line(span).to_owned(),
            comment: None,
        }
    }

    /// A verdict as nftables writes it.
    pub(crate) fn verdict_name(&self, verdict: Verdict) -> String {
        let chain = |chain: u32| self.chain(chain).map(|chain| chain.name.to_string()).unwrap_or_default();
        match verdict {
            Verdict::Accept => "accept".to_owned(),
            Verdict::Drop => "drop".to_owned(),
            Verdict::Continue => "continue".to_owned(),
            Verdict::Return => "return".to_owned(),
            Verdict::Jump(to) => format!("jump {}", chain(to)),
            Verdict::Goto(to) => format!("goto {}", chain(to)),
            Verdict::Target(_) | Verdict::Program(_) => "something unknown".to_owned(),
        }
    }

    /// What people call the table: `iptables-legacy table nat`, `nftables table inet firewall`.
    pub(crate) fn title(&self) -> String {
        match self.source {
            RuleSource::Iptables(backend) => {
                let tool = if self.family == TableFamily::Ip6 { "ip6tables" } else { "iptables" };
                format!("{tool}-{backend} table {}", self.name)
            }
            _ => format!("nftables table {} {}", self.family, self.name),
        }
    }

    pub(crate) fn line(&self, span: Span) -> &str {
        let start = usize::try_from(span.offset).unwrap_or(usize::MAX);
        let length = usize::try_from(span.length).unwrap_or(usize::MAX);
        let (text, start) = match &self.patched {
            Some(patched) if start >= self.text.len() => (patched.text.as_str(), start - self.text.len()),
            _ => (&*self.text, start),
        };
        text.get(start..start.saturating_add(length)).unwrap_or_default()
    }

    /// The comment of a rule: the value of `--comment` in iptables, of the last `comment` in nftables.
    pub(crate) fn comment(&self, span: Span) -> Option<Cow<'_, str>> {
        let mut words = Words::new(self.line(span));
        if matches!(self.source, RuleSource::Iptables(_)) {
            return words.find(|word| word.is("--comment")).and_then(|_| words.next()).map(|word| word.text);
        }
        let mut found = None;
        while let Some(word) = words.next() {
            if word.is("comment") {
                found = words.next().map(|word| word.text);
            }
        }
        found
    }

    /// The chain that a rule stands in. Chains follow each other as their rules do, as long as nothing was changed.
    fn chain_of(&self, rule: u32) -> Option<&Chain> {
        if let Some(patched) = &self.patched {
            return patched.chain_at(rule).and_then(|chain| self.chain(chain)).filter(|chain| chain.rules.1 > rule);
        }
        let behind = self.chains.partition_point(|chain| chain.rules.0 <= rule);
        self.chains.get(..behind)?.iter().rev().find(|chain| chain.rules.1 > rule)
    }

    pub(crate) fn rule(&self, rule: u32) -> Option<&Rule> {
        self.rules.get(usize::try_from(rule).ok()?)
    }

    pub(crate) fn chain(&self, chain: u32) -> Option<&Chain> {
        self.chains.get(usize::try_from(chain).ok()?)
    }

    /// Tests of a rule beyond the common ones.
    pub(crate) fn tests_of(&self, rule: &Rule) -> &[Test] {
        self.tests_from(rule.first_test, rule.tests)
    }

    pub(crate) fn tests_from(&self, first: u32, count: u16) -> &[Test] {
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        self.tests.get(first..first.saturating_add(usize::from(count))).unwrap_or_default()
    }

    pub(crate) fn program(&self, program: u32) -> &[Step] {
        usize::try_from(program).ok().and_then(|program| self.programs.get(program)).map_or(&[], |steps| &**steps)
    }

    pub(crate) fn set(&self, set: u32) -> Option<&SetData> {
        self.sets.get(usize::try_from(set).ok()?)
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
