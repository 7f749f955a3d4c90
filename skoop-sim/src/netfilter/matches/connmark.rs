//! `connmark` (`net/netfilter/xt_connmark.c`): mark of the flow.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, masked};
use crate::netfilter::run::Run;

#[derive(Debug, Default)]
pub(crate) struct Connmark {
    value: u32,
    mask: u32,
    negated: bool,
}

impl Matcher for Connmark {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        for arg in args {
            match arg.name {
                "--mark" => {
                    let (value, mask) = masked(arg.value()?, u32::MAX)?;
                    parsed = Some(Self { value, mask, negated: arg.negated });
                }
                _ => return None,
            }
        }
        parsed
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        // Without a flow the answer is no, inverted or not.
        match run.conntrack.of_packet(run.state) {
            Some((connection, ..)) => ((connection.mark.0 & self.mask == self.value) != self.negated).into(),
            None => Tri::No,
        }
    }
}
