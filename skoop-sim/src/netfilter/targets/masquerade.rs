//! `MASQUERADE` (`net/netfilter/nf_nat_masquerade.c`): the address of the device that the packet leaves by as the flow's source.

use super::{Applied, Effect, dnat};
use crate::conntrack::NatRange;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug)]
pub(crate) struct Masquerade(NatRange);

impl Applied for Masquerade {
    fn parse(args: Args<'_>) -> Option<Self> {
        dnat::ports_only(args).map(Self)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        run.masquerade(self.0, rule)
    }
}
