//! `TEE` (`net/netfilter/xt_TEE.c`): sends a copy of the packet to a gateway; the packet itself goes on.

use std::net::IpAddr;

use super::{Applied, Effect};
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug)]
pub(crate) struct Tee(IpAddr);

impl Applied for Tee {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut gateway = None;
        for arg in args {
            arg.plain()?;
            match arg.name {
                "--gateway" => gateway = Some(arg.parsed()?),
                "--oif" => {
                    arg.value()?;
                }
                _ => return None,
            }
        }
        gateway.map(Self)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        run.duplicate(self.0, rule);
        Effect::Continue
    }
}
