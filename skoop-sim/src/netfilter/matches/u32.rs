//! `u32` (`net/netfilter/xt_u32.c`): numbers taken from the bytes of the packet.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, number};
use crate::netfilter::image::{Base, Image, Seen};
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct U32 {
    tests: Vec<Test>,
    negated: bool,
}

#[derive(Debug)]
struct Test {
    start: u32,
    steps: Vec<Step>,
    ranges: Vec<(u32, u32)>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    And(u32),
    Left(u32),
    Right(u32),
    /// Move by the number at hand, then read at this offset from there.
    At(u32),
}

impl Matcher for U32 {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        for arg in args {
            if arg.name != "--u32" {
                return None;
            }
            let tests = arg.value()?.split("&&").map(test).collect::<Option<_>>()?;
            parsed = Some(Self { tests, negated: arg.negated });
        }
        parsed
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let image = Image::of(run.packet);
        let all = self.tests.iter().fold(
            Tri::Yes,
            |all, test| {
                if all == Tri::No { Tri::No } else { all.and(test.eval(&image)) }
            },
        );
        all.invert_if(self.negated)
    }

    fn doubt(&self) -> Option<String> {
        Some("match `u32`: a part of the packet that it reads is not known".to_owned())
    }
}

/// `0>>22&0x3C@0>>24=1,5:7` (`u32_parse`, `libxt_u32.c`).
fn test(text: &str) -> Option<Test> {
    let (place, values) = text.split_once('=')?;
    let mut rest: String = place.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let start = take(&mut rest)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let step: fn(u32) -> Step = if let Some(after) = rest.strip_prefix("<<") {
            rest = after.to_owned();
            Step::Left
        } else if let Some(after) = rest.strip_prefix(">>") {
            rest = after.to_owned();
            Step::Right
        } else if let Some(after) = rest.strip_prefix('&') {
            rest = after.to_owned();
            Step::And
        } else {
            rest = rest.strip_prefix('@')?.to_owned();
            Step::At
        };
        steps.push(step(take(&mut rest)?));
    }
    let range = |text: &str| {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        Some((number(first.trim_ascii())?, number(last.trim_ascii())?))
    };
    let ranges = values.split(',').map(range).collect::<Option<_>>()?;
    Some(Test { start, steps, ranges })
}

/// Takes a number from the front.
fn take(text: &mut String) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let found = number(text.get(..end)?)?;
    text.drain(..end);
    Some(found)
}

impl Test {
    /// `u32_match_it`, for one test.
    fn eval(&self, image: &Image) -> Tri {
        let mut base = 0_u32;
        let Some(mut found) = word(image, base, self.start) else { return Tri::No };
        for step in &self.steps {
            match *step {
                Step::And(mask) => found = found.masked(mask.into()),
                Step::Left(count) => found = found.left(count),
                Step::Right(count) => found = found.right(count),
                Step::At(offset) => {
                    let Some(by) = found.exact().and_then(|by| u32::try_from(by).ok()) else { return Tri::Maybe };
                    let read = base.checked_add(by).and_then(|at| {
                        base = at;
                        word(image, at, offset)
                    });
                    match read {
                        Some(read) => found = read,
                        None => return Tri::No,
                    }
                }
            }
        }
        self.ranges.iter().fold(Tri::No, |any, (first, last)| any.or(found.within((*first).into(), (*last).into())))
    }
}

/// Four bytes; none if the packet ends before.
fn word(image: &Image, base: u32, offset: u32) -> Option<Seen> {
    let start = base.checked_add(offset).filter(|start| *start < 1 << 24)?;
    image.read(Base::Network, start * 8, 32)
}
