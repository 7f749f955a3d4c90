//! A chain that changes name, as it will be.

use crate::netfilter::table::{Rule, Span, Table, Verdict};
use crate::netfilter::targets::Target;

/// How many rules of a chain that is written again may be missing between two that stay.
const LOOK_AHEAD: u32 = 8;

/// A rule of a changed chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// One of the table.
    Old(u32),
    /// One of the text, by its place in the builder.
    New(u32),
}

/// A chain that the text names.
#[derive(Debug)]
pub(super) struct Touched<'t> {
    /// The name, where the text makes the chain.
    pub name: Option<&'t str>,
    pub alive: bool,
    /// Policy and its declaration, where the text gives it.
    pub policy: Option<(bool, Span)>,
    /// The rules that the table holds for it.
    pub old: (u32, u32),
    /// Whether all of them stay, before `entries`.
    pub keeps: bool,
    pub entries: Vec<Entry>,
    /// The next rule that may come again in a chain that was emptied.
    pub next: u32,
}

impl Touched<'_> {
    pub(super) fn empty(&mut self) {
        self.keeps = false;
        self.entries.clear();
        self.next = self.old.0;
    }

    pub(super) fn length(&self) -> usize {
        let kept = if self.keeps { self.old.1 - self.old.0 } else { 0 };
        usize::try_from(kept).unwrap_or(usize::MAX).saturating_add(self.entries.len())
    }

    /// Lists the rules one by one.
    pub(super) fn spell_out(&mut self) {
        if std::mem::take(&mut self.keeps) {
            let kept: Vec<_> = (self.old.0..self.old.1).map(Entry::Old).collect();
            self.entries.splice(0..0, kept);
            self.next = self.old.1;
        }
    }

    /// The rule of an emptied chain that this line writes again.
    pub(super) fn again(&mut self, table: &Table, text: &str) -> Option<u32> {
        if self.keeps {
            return None;
        }
        let end = self.next.saturating_add(LOOK_AHEAD).min(self.old.1);
        let is = |number: &u32| {
            let same = |rule: &Rule| !is_opaque(rule.verdict, table) && table.line(rule.source) == text;
            table.rule(*number).is_some_and(same)
        };
        let found = (self.next..end).find(is)?;
        self.next = found + 1;
        Some(found)
    }

    /// Rules of the table that the chain loses.
    pub(super) fn dropped(&self) -> impl Iterator<Item = u32> {
        let mut stay =
            self.entries.iter().filter_map(|entry| if let Entry::Old(number) = entry { Some(*number) } else { None });
        let mut next = stay.next();
        let all = if self.keeps { (0, 0) } else { self.old };
        (all.0..all.1).filter(move |number| {
            let stays = next == Some(*number);
            if stays {
                next = stay.next();
            }
            !stays
        })
    }

    /// Rules that it gets, by their places in the builder.
    pub(super) fn added(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().filter_map(|entry| if let Entry::New(place) = entry { Some(*place) } else { None })
    }

    /// Whether the rules stay as they are.
    pub(super) fn is_unchanged(&self) -> bool {
        if self.keeps {
            self.entries.is_empty()
        } else {
            self.added().next().is_none() && self.dropped().next().is_none()
        }
    }
}

/// A rule that leads to what was no chain when it was read.
fn is_opaque(verdict: Verdict, table: &Table) -> bool {
    matches!(verdict, Verdict::Target(target) if matches!(table.target(target), Some(Target::Opaque(..)) | None))
}
