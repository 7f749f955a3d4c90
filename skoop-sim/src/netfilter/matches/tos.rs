//! `tos` (`tos_mt` in `net/netfilter/xt_dscp.c`): the TOS byte under a mask.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, masked};
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Tos {
    value: u32,
    mask: u32,
    negated: bool,
}

impl Matcher for Tos {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        for arg in args {
            if arg.name != "--tos" {
                return None;
            }
            // `tos_parse_numeric`: without a mask all bits count.
            let (value, mask) = masked(arg.value()?, 0xff)?;
            parsed = Some(Self { value, mask, negated: arg.negated });
        }
        parsed
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        ((u32::from(run.packet.tos) & self.mask == self.value) != self.negated).into()
    }
}
