//! `DSCP` (`net/netfilter/xt_DSCP.c`): the upper six bits of the TOS byte.

use super::{Applied, Effect};
use crate::netfilter::args::{Args, byte};
use crate::netfilter::matches::dscp_class;
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug)]
pub(crate) struct Dscp(u8);

impl Applied for Dscp {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut value = None;
        for arg in args {
            arg.plain()?;
            value = Some(match arg.name {
                "--set-dscp" => byte(arg.value()?).filter(|value| *value < 64)?,
                "--set-dscp-class" => dscp_class(arg.value()?)?,
                _ => return None,
            });
        }
        value.map(Self)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        run.set_tos((run.packet.tos & 3) | (self.0 << 2), rule);
        Effect::Continue
    }
}
