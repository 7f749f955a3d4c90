//! Compiles rules: the common part, tests, statements, verdict.

mod fold;
mod statement;

use super::{Compiler, Demands, Expr, constant, demands};
use crate::netfilter::common::Common;
use crate::netfilter::nft::ast::{self, MatchOp, SetRef, Statement};
use crate::netfilter::nft::set::place;
use crate::netfilter::nft::source::{FibResult, MetaKey};
use crate::netfilter::nft::source::{Generator, Source};
use crate::netfilter::nft::step::Step;
use crate::netfilter::nft::test::{Compare, Lookup, Operand};
use crate::netfilter::table::{Rule, Span, Verdict};
use crate::netfilter::test::Test;

/// A rule that is being compiled.
#[derive(Debug, Default)]
struct Draft {
    common: Common,
    /// Tests since the last statement that does something.
    tests: Vec<Test>,
    /// Tests before the first one.
    first: Option<Vec<Test>>,
    steps: Vec<Step>,
    verdict: Option<Verdict>,
}

impl Compiler<'_> {
    /// Compiles a rule; `source` is where its text stands.
    pub(in crate::netfilter::nft) fn rule(&mut self, rule: &ast::Rule, chain: &str, source: Span) {
        let mut draft = Draft::default();
        for statement in &rule.statements {
            self.statement(statement, &mut draft);
        }
        let Draft { common, tests, first, mut steps, verdict } = draft;
        let verdict = verdict.unwrap_or(Verdict::Continue);
        let (tests, verdict) = match first {
            None => (tests, verdict),
            Some(first) => {
                self.push_tests(&mut steps, tests);
                steps.push(Step::Verdict(verdict));
                self.programs.push(steps.into());
                (first, Verdict::Program(place(self.programs.len() - 1)))
            }
        };
        self.note_unknown(&tests, chain);
        let compiled = Rule {
            common,
            verdict,
            first_test: place(self.tests.len()),
            tests: u16::try_from(tests.len()).unwrap_or(u16::MAX),
            chance: tests.iter().any(|test| test.chance().is_some()),
            harmless: false,
            source,
            handle: rule.source.handle,
        };
        self.tests.extend(tests);
        self.rules.push(compiled);
    }

    fn push_tests(&mut self, steps: &mut Vec<Step>, tests: Vec<Test>) {
        if !tests.is_empty() {
            steps.push(Step::Tests(place(self.tests.len()), u16::try_from(tests.len()).unwrap_or(u16::MAX)));
            self.tests.extend(tests);
        }
    }

    fn note_unknown(&mut self, tests: &[Test], chain: &str) {
        for test in tests {
            if let Test::Unknown(reason) = test {
                self.note(reason.clone(), chain);
            }
        }
    }

    fn note(&mut self, reason: Box<str>, chain: &str) {
        self.unknown.entry(reason).or_insert_with(|| (0, chain.to_owned())).0 += 1;
    }

    /// Adds what the fields in `expr` demand of the packet.
    fn demand(&mut self, expr: &Expr, draft: &mut Draft) {
        let mut wanted = Demands::default();
        demands(expr, &mut wanted);
        if wanted == Demands::default() {
            return;
        }
        if wanted.never || wanted.conflict {
            draft.tests.push(never());
        }
        if let Some(family) = wanted.family {
            draft.demand_family(family);
        }
        if let Some(protocol) = wanted.protocol {
            draft.demand_protocol(protocol);
        }
        // In tables of bridges and devices all frames are Ethernet frames.
        if wanted.ether && !matches!(self.table.family, ast::TableFamily::Bridge | ast::TableFamily::Netdev) {
            let left = Source::Meta(MetaKey::InType);
            draft.tests.push(Test::Compare(Box::new(Compare { left, right: Operand::Range(1, 1), negated: false })));
        }
    }

    fn comparison(&mut self, op: MatchOp, left: &Expr, right: &Expr, draft: &mut Draft) {
        self.demand(left, draft);
        self.demand(right, draft);
        if self.fold(op, left, right, draft) {
            return;
        }
        let test = self.test(op, left, right);
        draft.tests.push(test);
    }

    fn test(&mut self, op: MatchOp, left: &Expr, right: &Expr) -> Test {
        let negated = op == MatchOp::Ne;
        match (op, right) {
            (MatchOp::Eq | MatchOp::Ne, Expr::Set(elements)) => {
                self.lookup(left, &SetRef::Anonymous(elements.clone()), negated)
            }
            (MatchOp::Eq | MatchOp::Ne | MatchOp::In | MatchOp::NotIn, Expr::SetRef(name)) => {
                let negated = negated || op == MatchOp::NotIn;
                self.lookup(left, &SetRef::Named(name.clone()), negated)
            }
            (MatchOp::Eq | MatchOp::Ne, Expr::Concat(_)) => {
                let element = ast::Element {
                    key: right.clone(),
                    value: None,
                    statements: Vec::new(),
                    expires_s: None,
                    comment: None,
                };
                self.lookup(left, &SetRef::Anonymous(vec![element]), negated)
            }
            (_, right) if is_label(left) => match (op, right) {
                (MatchOp::Eq | MatchOp::In, Expr::Number(number @ 0..128)) => {
                    self.compare(left, Operand::Bits(1 << number), false)
                }
                _ => unknown(left, right),
            },
            (MatchOp::In | MatchOp::NotIn, _) => match flags(right) {
                Some(bits) => self.compare(left, Operand::Bits(bits), op == MatchOp::NotIn),
                None => unknown(left, right),
            },
            _ => match operand(op, right) {
                Some(operand) => self.compare(left, operand, negated),
                None if matches!(op, MatchOp::Eq | MatchOp::Ne) => {
                    let right = self.source(right);
                    self.compare(left, Operand::Source(right), negated)
                }
                None => unknown(left, right),
            },
        }
    }

    fn compare(&mut self, left: &Expr, right: Operand, negated: bool) -> Test {
        let mut left_source = self.source(left);
        // `fib … oif exists`: the right side says that presence is asked for.
        if let (Source::Fib(fib), Operand::Range(0 | 1, 0 | 1)) = (&mut left_source, &right)
            && fib.result == FibResult::Device
        {
            fib.result = FibResult::Presence;
        }
        match (&left_source, &right) {
            (Source::Unknown(reason), _) => Test::Unknown(reason.clone()),
            (Source::Generator(generator), Operand::Range(first, last)) => {
                drawn(*generator, std::iter::once((*first, *last)), negated)
            }
            _ => Test::Compare(Box::new(Compare { left: left_source, right, negated })),
        }
    }

    fn lookup(&mut self, left: &Expr, set: &SetRef, negated: bool) -> Test {
        let key = self.key(left);
        let set = self.set_ref(set);
        if let ([Source::Generator(generator)], Some(data)) =
            (&*key, usize::try_from(set).ok().and_then(|set| self.sets.get(set)))
        {
            let ranges: Vec<_> = data.elements().filter_map(|(ranges, _)| ranges.first().copied()).collect();
            return drawn(*generator, ranges.into_iter(), negated);
        }
        Test::Lookup(Box::new(Lookup { key, set, negated }))
    }
}

/// Labels are told by the numbers of their bits.
fn is_label(expr: &Expr) -> bool {
    matches!(expr, Expr::Ct { key, .. } if **key == *"label")
}

/// A test that no packet passes.
fn never() -> Test {
    let left = Source::Constant(0, 1);
    Test::Compare(Box::new(Compare { left, right: Operand::Range(1, 1), negated: false }))
}

fn unknown(left: &Expr, right: &Expr) -> Test {
    Test::Unknown(format!("the comparison of `{left}` with `{right}` is not judged").into())
}

/// A comparison of a number that is drawn: the share of the numbers that fit.
fn drawn(generator: Generator, ranges: impl Iterator<Item = (u128, u128)>, negated: bool) -> Test {
    let (start, end) = (u128::from(generator.offset), u128::from(generator.offset) + u128::from(generator.modulus));
    let count: u128 = ranges
        .map(|(first, last)| last.saturating_add(1).min(end).saturating_sub(first.max(start)))
        .fold(0, u128::saturating_add)
        .min(generator.modulus.into());
    let share = f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / f64::from(generator.modulus);
    Test::Draw { probability: if negated { 1.0 - share } else { share }, hashed: generator.hashed }
}

/// The bits of flags: one, or several in a list.
fn flags(expr: &Expr) -> Option<u128> {
    match expr {
        Expr::Set(elements) => elements.iter().try_fold(0, |all, element| Some(all | flags(&element.key)?)),
        one => constant(one).filter(|(first, last)| first == last).map(|(bits, _)| bits),
    }
}

/// The values that fit.
fn operand(op: MatchOp, right: &Expr) -> Option<Operand> {
    let (first, last) = constant(right)?;
    Some(match op {
        MatchOp::Lt => match first.checked_sub(1) {
            Some(below) => Operand::Range(0, below),
            None => Operand::Range(1, 0),
        },
        MatchOp::Le => Operand::Range(0, first),
        MatchOp::Gt => match last.checked_add(1) {
            Some(above) => Operand::Range(above, u128::MAX),
            None => Operand::Range(1, 0),
        },
        MatchOp::Ge => Operand::Range(last, u128::MAX),
        _ => Operand::Range(first, last),
    })
}
