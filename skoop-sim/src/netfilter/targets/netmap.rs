//! `NETMAP` (`net/netfilter/xt_NETMAP.c`): another prefix, host bits kept; for the destination before routing, for the source after.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Applied, Effect};
use crate::conntrack::{Manip, NatRange};
use crate::netfilter::Hook;
use crate::netfilter::args::Args;
use crate::netfilter::common::{Net, bits};
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
        let (manip, address) = match run.at.hook {
            Hook::Prerouting | Hook::Output => (Manip::Destination, run.packet.dst),
            Hook::Input | Hook::Forward | Hook::Postrouting => (Manip::Source, run.packet.src),
        };
        let mapped = (bits(address) & !self.0.mask) | self.0.address;
        let address = match address {
            IpAddr::V4(_) => u32::try_from(mapped).ok().map(|mapped| IpAddr::V4(Ipv4Addr::from_bits(mapped))),
            IpAddr::V6(_) => Some(IpAddr::V6(Ipv6Addr::from_bits(mapped))),
        };
        run.nat(manip, NatRange { address, ..NatRange::default() }, rule)
    }
}
