//! `SNAT` (`net/netfilter/xt_nat.c`): a new source for the flow.

use super::{Applied, Effect, dnat};
use crate::conntrack::{Manip, NatRange};
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug)]
pub(crate) struct Snat(NatRange);

impl Applied for Snat {
    fn parse(args: Args<'_>) -> Option<Self> {
        dnat::range(args, "--to-source").map(Self)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        run.nat(Manip::Source, self.0, rule)
    }
}
