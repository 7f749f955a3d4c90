//! `mark` (`net/netfilter/xt_mark.c`): mark of the packet.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, masked};
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Mark {
    value: u32,
    mask: u32,
    negated: bool,
}

impl Matcher for Mark {
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
        ((run.packet.mark.0 & self.mask == self.value) != self.negated).into()
    }
}
