//! `REJECT` (`net/ipv4/netfilter/ipt_REJECT.c`, `net/ipv6/netfilter/ip6t_REJECT.c`): drops and answers, what may be answered.

use super::{Applied, Effect};
use crate::netfilter::args::Args;
use crate::netfilter::result::RejectWith;
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug)]
pub(crate) struct Reject(RejectWith);

impl Applied for Reject {
    fn parse(args: Args<'_>) -> Option<Self> {
        let family = args.family;
        let mut with = RejectWith::default_of(family);
        for arg in args {
            match arg.name {
                "--reject-with" => with = RejectWith::from_name(arg.value()?, family)?,
                _ => return None,
            }
        }
        Some(Self(with))
    }

    fn apply(&self, run: &mut Run<'_>, _rule: RuleId) -> Effect {
        run.reject(self.0)
    }
}
