//! `TPROXY` (`net/netfilter/xt_TPROXY.c`): hands the packet to a transparent local socket, and marks it so that it is routed there.

use std::net::IpAddr;

use super::{Applied, Effect};
use crate::netfilter::args::{Args, masked, number};
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug, Default)]
pub(crate) struct Tproxy {
    address: Option<IpAddr>,
    port: Option<u16>,
    /// `(mark & !mask) ^ value`.
    mark: (u32, u32),
}

impl Applied for Tproxy {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        for arg in args {
            arg.plain()?;
            match arg.name {
                "--on-port" => parsed.port = Some(u16::try_from(number(arg.value()?)?).ok()?),
                "--on-ip" => parsed.address = Some(arg.parsed()?),
                "--tproxy-mark" => parsed.mark = masked(arg.value()?, u32::MAX)?,
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        let (value, mask) = self.mark;
        run.tproxy(self.address, self.port, |mark| (mark & !mask) ^ value, rule)
    }
}
