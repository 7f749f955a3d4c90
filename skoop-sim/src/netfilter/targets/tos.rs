//! `TOS` (`tos_tg` in `net/netfilter/xt_DSCP.c`): the TOS byte.

use super::{Applied, Effect};
use crate::netfilter::args::{Args, byte, masked};
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

/// `(tos & !mask) ^ value`.
#[derive(Debug)]
pub(crate) struct Tos {
    value: u8,
    mask: u8,
}

impl Applied for Tos {
    fn parse(mut args: Args<'_>) -> Option<Self> {
        let arg = args.next()?;
        arg.plain()?;
        let text = arg.value()?;
        let parsed = match arg.name {
            "--set-tos" => {
                let (value, mask) = masked(text, 0xff)?;
                Self { value: u8::try_from(value).ok()?, mask: u8::try_from(mask).ok()? }
            }
            "--and-tos" => Self { value: 0, mask: !byte(text)? },
            "--or-tos" => Self { value: byte(text)?, mask: byte(text)? },
            "--xor-tos" => Self { value: byte(text)?, mask: 0 },
            _ => return None,
        };
        args.next().is_none().then_some(parsed)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        run.set_tos((run.packet.tos & !self.mask) ^ self.value, rule);
        Effect::Continue
    }
}
