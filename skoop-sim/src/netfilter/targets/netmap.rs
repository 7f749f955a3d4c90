//! `NETMAP` (`net/netfilter/xt_NETMAP.c`): another prefix, host bits kept; for the destination before routing, for the source after.

use super::{Applied, Effect};
use crate::conntrack::Manip;
use crate::netfilter::Hook;
use crate::netfilter::args::Args;
use crate::netfilter::common::Net;
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug)]
pub(crate) struct Netmap(Net);

impl Applied for Netmap {
    fn parse(mut args: Args<'_>) -> Option<Self> {
        let family = args.family;
        let arg = args.next().filter(|arg| arg.name == "--to" && !arg.negated)?;
        let net = Net::parse(arg.value()?, family)?;
        args.next().is_none().then_some(Self(net))
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        let manip = match run.at.hook {
            Hook::Prerouting | Hook::Output => Manip::Destination,
            Hook::Input | Hook::Forward | Hook::Postrouting => Manip::Source,
        };
        run.netmap(manip, self.0, rule)
    }
}
