//! Events as a walk takes them down, by the numbers of their rules, and the words of rules for those who read them.

use std::fmt::{self, Write as _};

use skoop_model::{Backend, Evidence, Family, Packet};

use super::compile::Compiled;
use super::result::{NfEvent, NfEventKind, RuleSource, of_entry};
use super::table::RuleId;

/// [`NfEvent`], before anybody asked for the words of its rule: most walks never do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub kind: NfEventKind,
    pub rule: Option<RuleId>,
    pub entry: Option<String>,
    pub before: Packet,
    pub after: Packet,
}

impl Event {
    pub(super) fn told(self, rules: &Compiled) -> NfEvent {
        let family = self.before.family();
        let Self { kind, rule, entry, before, after } = self;
        NfEvent { kind, by: rule.map(|rule| rules.rule_ref(rule, family)), entry, before, after }
    }

    /// As [`NfEvent::describe`].
    pub(crate) fn describe(&self) -> String {
        self.kind.describe(&self.before, &self.after)
    }

    /// As [`NfEvent::evidence`].
    pub(super) fn evidence(&self, rules: &Compiled) -> Evidence {
        match self.rule {
            Some(rule) => rules.evidence(rule, self.before.family()),
            None => of_entry(self.entry.as_deref()),
        }
    }
}

/// What evidence says of a rule, borrowed from where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct RuleParts<'r> {
    pub source: RuleSource,
    pub family: Family,
    pub table: &'r str,
    pub chain: &'r str,
    pub line: usize,
    pub handle: Option<u64>,
    pub text: &'r str,
}

impl RuleParts<'_> {
    pub(super) fn evidence(self) -> Evidence {
        let verbatim = || {
            let mut text = String::with_capacity(self.text.len() + 64);
            // A string takes whatever is written.
            let _ = write!(text, "{self}");
            text
        };
        match self.source {
            RuleSource::Unseen => Evidence::new("missing", self.text),
            RuleSource::Conntrack => Evidence::new("conntrack", self.text),
            RuleSource::Nftables => Evidence::new("nftables", verbatim()),
            RuleSource::Iptables(_) => Evidence::new("iptables", verbatim()),
        }
    }
}

impl fmt::Display for RuleParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)?;
        let tool = tool(self.source, self.family);
        match self.source {
            RuleSource::Unseen | RuleSource::Conntrack => Ok(()),
            RuleSource::Nftables => {
                write!(f, " (nft, table {}, chain {}", self.table, self.chain)?;
                self.handle.map_or(Ok(()), |handle| write!(f, ", handle {handle}"))?;
                f.write_str(")")
            }
            RuleSource::Iptables(_) if self.line == 0 => write!(f, " ({tool}, table {})", self.table),
            RuleSource::Iptables(_) => write!(f, " ({tool}, table {}, line {})", self.table, self.line),
        }
    }
}

/// The command that shows and changes rules.
pub(super) fn tool(source: RuleSource, family: Family) -> &'static str {
    match (source, family) {
        (RuleSource::Iptables(Backend::Legacy), Family::V4) => "iptables-legacy",
        (RuleSource::Iptables(Backend::Legacy), Family::V6) => "ip6tables-legacy",
        (RuleSource::Iptables(Backend::Nft), Family::V4) => "iptables-nft",
        (RuleSource::Iptables(Backend::Nft), Family::V6) => "ip6tables-nft",
        (RuleSource::Nftables | RuleSource::Unseen, _) => "nft",
        (RuleSource::Conntrack, _) => "conntrack",
    }
}
