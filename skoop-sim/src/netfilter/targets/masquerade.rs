//! `MASQUERADE` (`net/netfilter/nf_nat_masquerade.c`): the address of the device that the packet leaves by as the flow's source.

use super::dnat::port_range;
use super::{Applied, Effect};
use crate::conntrack::{Manip, NatRange};
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug, Default)]
pub(crate) struct Masquerade {
    ports: Option<(u16, u16)>,
    random: bool,
}

impl Applied for Masquerade {
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

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        // "Source address is 0.0.0.0 - locally generated packet that is probably not supposed to be masqueraded."
        if run.packet.src.is_unspecified() && run.packet.src.is_ipv4() {
            return Effect::Accept;
        }
        let Some(out) = run.at.out_device else {
            return Effect::Opaque("target `MASQUERADE`: the device that the packet leaves by was not seen".into());
        };
        match run.env.masquerade_address(out.index, run.packet) {
            None => Effect::Drop("the device has no address to masquerade with"),
            address => {
                let range = NatRange { address, ports: self.ports, random: self.random, ..NatRange::default() };
                run.nat(Manip::Source, range, rule)
            }
        }
    }
}
