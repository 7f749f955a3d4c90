//! `physdev` (`net/netfilter/xt_physdev.c`): bridge ports of a bridged frame.

use skoop_model::Link;

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Arg, Args};
use crate::netfilter::common::DevicePattern;
use crate::netfilter::run::Run;

#[derive(Debug, Default)]
pub(crate) struct Physdev(Box<Tests>);

#[derive(Debug, Default)]
struct Tests {
    /// Each with its inversion.
    input: Option<(DevicePattern, bool)>,
    output: Option<(DevicePattern, bool)>,
    is_in: Option<bool>,
    is_out: Option<bool>,
    is_bridged: Option<bool>,
}

impl Matcher for Physdev {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Tests::default();
        let pattern = |arg: &Arg<'_>| Some((DevicePattern::parse(arg.value()?), arg.negated));
        for arg in args {
            match arg.name {
                "--physdev-in" => parsed.input = Some(pattern(&arg)?),
                "--physdev-out" => parsed.output = Some(pattern(&arg)?),
                "--physdev-is-in" => parsed.is_in = Some(arg.flag().map(|()| arg.negated)?),
                "--physdev-is-out" => parsed.is_out = Some(arg.flag().map(|()| arg.negated)?),
                "--physdev-is-bridged" => parsed.is_bridged = Some(arg.flag().map(|()| arg.negated)?),
                _ => return None,
            }
        }
        Some(Self(Box::new(parsed)))
    }

    /// Without a port each test fails, so that only inverted ones pass; the kernel's branch for packets that were never
    /// bridged says the same.
    fn eval(&self, run: &Run<'_>) -> Tri {
        let tests = &*self.0;
        let (input, output) = (run.at.in_port, run.at.out_port);
        let named = |test: &Option<(DevicePattern, bool)>, port: Option<&Link>| {
            test.as_ref()
                .is_none_or(|(pattern, negated)| port.is_some_and(|port| pattern.matches(Some(&port.name))) != *negated)
        };
        let has = |test: Option<bool>, port: Option<&Link>| test.is_none_or(|negated| port.is_some() != negated);
        (has(tests.is_bridged, output)
            && has(tests.is_in, input)
            && has(tests.is_out, output)
            && named(&tests.input, input)
            && named(&tests.output, output))
        .into()
    }
}
