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

    /// `physdev_mt`. Without any port only inverted tests pass.
    fn eval(&self, run: &Run<'_>) -> Tri {
        let tests = &*self.0;
        let (input, output) = (run.at.in_port, run.at.out_port);
        let has = |test: Option<bool>, there: bool| test.is_none_or(|negated| there != negated);
        let named =
            |test: &Option<(DevicePattern, bool)>, port: Option<&Link>, absent: fn(bool) -> bool| match (test, port) {
                (None, _) => true,
                (Some((pattern, negated)), Some(port)) => pattern.matches(Some(&port.name)) != *negated,
                (Some((_, negated)), None) => absent(*negated),
            };
        let ports = has(tests.is_bridged, output.is_some())
            && has(tests.is_in, input.is_some())
            && has(tests.is_out, output.is_some());
        let by_name = if input.is_none() && output.is_none() {
            named(&tests.input, None, |negated| negated) && named(&tests.output, None, |negated| negated)
        } else {
            // "if (indev)", but "if (!outdev) return false".
            named(&tests.input, input, |_| true) && named(&tests.output, output, |_| false)
        };
        (ports && by_name).into()
    }
}
