//! `REDIRECT` (`net/netfilter/nf_nat_redirect.c`): this host as the flow's destination.

use super::{Applied, Effect, dnat};
use crate::conntrack::NatRange;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug)]
pub(crate) struct Redirect(NatRange);

impl Applied for Redirect {
    fn parse(args: Args<'_>) -> Option<Self> {
        dnat::ports_only(args).map(Self)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        run.redirect(self.0, rule)
    }
}
