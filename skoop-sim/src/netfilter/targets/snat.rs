//! `SNAT` (`net/netfilter/xt_nat.c`): a new source for the flow.

use super::dnat::Destination;
use super::{Applied, Effect};
use crate::conntrack::{Manip, NatRange};
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug)]
pub(crate) struct Snat {
    to: Destination,
    random: bool,
}

impl Applied for Snat {
    fn parse(args: Args<'_>) -> Option<Self> {
        let family = args.family;
        let (mut to, mut random) = (None, false);
        for arg in args {
            arg.plain()?;
            match arg.name {
                "--to-source" if to.is_none() => to = Some(Destination::parse(arg.value()?, family)?),
                "--random" | "--random-fully" => random = true,
                "--persistent" => {}
                _ => return None,
            }
        }
        to.map(|to| Self { to, random })
    }

    /// A source that is in the range and clashes with no flow stays as it is (`get_unique_tuple`, `net/netfilter/nf_nat_core.c`).
    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        let own = run.packet.src;
        let free = !self.random && run.conntrack.may_keep_source(run.state);
        let kept = self.to.addresses.filter(|(first, last)| free && (first..=last).contains(&&own)).map(|_| own);
        let address = kept.or_else(|| self.to.addresses.map(|range| run.choose_address(range, rule)));
        let range = NatRange { address, ports: self.to.ports, base: None, random: self.random };
        run.nat(Manip::Source, range, rule)
    }
}
