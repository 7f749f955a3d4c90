//! `length` (`net/netfilter/xt_length.c`): length of the IP packet in bytes.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Length {
    first: u32,
    last: u32,
    negated: bool,
}

impl Matcher for Length {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        for arg in args {
            if arg.name != "--length" {
                return None;
            }
            let text = arg.value()?;
            let (first, last) = text.split_once(':').unwrap_or((text, text));
            let first = if first.is_empty() { 0 } else { first.parse().ok()? };
            let last = if last.is_empty() { 0xffff } else { last.parse().ok()? };
            parsed = Some(Self { first, last, negated: arg.negated });
        }
        parsed
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        ((self.first..=self.last).contains(&run.packet.length_bytes) != self.negated).into()
    }
}
