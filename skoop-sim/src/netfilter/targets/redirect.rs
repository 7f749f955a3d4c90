//! `REDIRECT` (`net/netfilter/nf_nat_redirect.c`): this host as the flow's destination.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use skoop_model::Family;

use super::dnat::port_range;
use super::{Applied, Effect};
use crate::conntrack::{Manip, NatRange};
use crate::netfilter::Hook;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug, Default)]
pub(crate) struct Redirect {
    ports: Option<(u16, u16)>,
    random: bool,
}

impl Applied for Redirect {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        for arg in args {
            arg.plain()?;
            match arg.name {
                "--to-ports" => parsed.ports = Some(port_range(arg.value()?)?),
                "--random" | "--random-fully" => parsed.random = arg.flag().is_some(),
                _ => return None,
            }
        }
        Some(parsed)
    }

    /// To the loopback address for what is sent from here, else to the first primary address of the device it came in by.
    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        let family = run.packet.family();
        let address = match (run.at.hook, family, run.at.in_device) {
            (Hook::Output, Family::V4, _) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            (Hook::Output, Family::V6, _) => Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            (_, _, Some(device)) => run.env.primary_address(device.index, family),
            (_, _, None) => None,
        };
        if address.is_none() {
            return Effect::Opaque("target `REDIRECT`: the address of the device is not known".into());
        }
        let range = NatRange { address, ports: self.ports, random: self.random, ..NatRange::default() };
        run.nat(Manip::Destination, range, rule)
    }
}
