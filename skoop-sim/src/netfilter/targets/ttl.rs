//! `TTL` and `HL` (`net/netfilter/xt_HL.c`): TTL or hop limit.

use super::{Applied, Effect};
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug)]
pub(crate) enum Ttl {
    Set(u8),
    Increase(u8),
    Decrease(u8),
}

impl Applied for Ttl {
    fn parse(mut args: Args<'_>) -> Option<Self> {
        let arg = args.next()?;
        arg.plain()?;
        let value = arg.parsed()?;
        let parsed = match arg.name {
            "--ttl-set" | "--hl-set" => Self::Set(value),
            "--ttl-inc" | "--hl-inc" => Self::Increase(value),
            "--ttl-dec" | "--hl-dec" => Self::Decrease(value),
            _ => return None,
        };
        args.next().is_none().then_some(parsed)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        let ttl = match self {
            Self::Set(value) => *value,
            Self::Increase(value) => run.packet.ttl.saturating_add(*value),
            Self::Decrease(value) => run.packet.ttl.saturating_sub(*value),
        };
        run.set_ttl(ttl, rule);
        Effect::Continue
    }
}
