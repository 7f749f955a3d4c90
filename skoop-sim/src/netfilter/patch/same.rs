//! Whether two rules are the same one, for `-D`: by their words, or by what they came to (`is_same`, `make_delete_mask`,
//! `iptables/iptables.c`).

use super::stage::Stage;
use super::touched::Entry;
use crate::netfilter::common::{Common, DevicePattern};
use crate::netfilter::matches::Match;
use crate::netfilter::table::{Rule, Table, Verdict};
use crate::netfilter::targets::Target;
use crate::netfilter::test::Test;
use crate::netfilter::words::Words;

/// Rules of a table and of changes to it.
pub(super) struct Rules<'r, 't> {
    pub table: &'r Table,
    pub stage: &'r Stage<'t>,
}

/// All that a rule is.
struct Parts<'r> {
    rule: &'r Rule,
    text: &'r str,
    tests: &'r [Test],
    target: Option<&'r Target>,
    devices: [Option<&'r DevicePattern>; 2],
}

impl<'r> Rules<'r, '_> {
    pub(super) fn is_same(&self, one: Entry, other: Entry) -> bool {
        let (Some(one), Some(other)) = (self.parts(one), self.parts(other)) else { return false };
        one.is_as_written(&other) || one.is_as_compiled(&other)
    }

    fn parts(&self, entry: Entry) -> Option<Parts<'r>> {
        let Self { table, stage } = *self;
        let index = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
        let target_of =
            |rule: &Rule| if let Verdict::Target(target) = rule.verdict { Some(index(target)) } else { None };
        let builder = &stage.builder;
        Some(match entry {
            Entry::Old(number) => {
                let rule = table.rule(number)?;
                Parts {
                    rule,
                    text: table.line(rule.source),
                    tests: table.tests_of(rule),
                    target: target_of(rule).and_then(|target| table.targets.get(target)),
                    devices: [rule.common.in_device, rule.common.out_device]
                        .map(|device| table.devices.get(index(device))),
                }
            }
            Entry::New(place) => {
                let rule = stage.new_rule(place)?;
                let first = index(rule.first_test);
                Parts {
                    rule,
                    text: stage.text_of(rule),
                    tests: builder.tests.get(first..first + usize::from(rule.tests))?,
                    target: target_of(rule).and_then(|target| builder.targets.get(target)),
                    devices: [rule.common.in_device, rule.common.out_device]
                        .map(|device| builder.devices.get(index(device))),
                }
            }
        })
    }
}

impl Parts<'_> {
    fn is_as_written(&self, other: &Self) -> bool {
        Words::new(self.text).skip(2).eq(Words::new(other.text).skip(2))
    }

    fn is_as_compiled(&self, other: &Self) -> bool {
        let common = |parts: &Self| Common { in_device: 0, out_device: 0, ..parts.rule.common };
        let comment = |parts: &Self| {
            let mut words = Words::new(parts.text);
            words.find(|word| word.is("--comment")).and_then(|_| words.next()).map(|word| word.text.into_owned())
        };
        let verdicts = match (self.target, other.target) {
            (None, None) => self.rule.verdict == other.rule.verdict,
            // What they were told is not kept.
            (Some(Target::Noop(_) | Target::Opaque(..)), _) => false,
            (Some(one), Some(other)) => format!("{one:?}") == format!("{other:?}"),
            _ => false,
        };
        let is_opaque = |test: &Test| matches!(test, Test::Match(Match::Opaque(_)));
        common(self) == common(other)
            && self.devices == other.devices
            && verdicts
            && self.tests.len() == other.tests.len()
            && !self.tests.iter().any(is_opaque)
            && format!("{:?}", self.tests) == format!("{:?}", other.tests)
            && comment(self) == comment(other)
    }
}
