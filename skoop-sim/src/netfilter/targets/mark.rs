//! `MARK` (`mark_tg` in `net/netfilter/xt_mark.c`): mark of the packet.

use super::{Applied, Effect};
use crate::netfilter::args::{Args, masked, number};
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

/// `(mark & !mask) ^ value`, to which all options come down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MarkChange {
    value: u32,
    mask: u32,
}

impl MarkChange {
    /// Reads the options that set, mask or flip bits (`mark_tg_parse`, `extensions/libxt_MARK.c`).
    pub(crate) fn parse(mut args: Args<'_>) -> Option<Self> {
        let arg = args.next()?;
        arg.plain()?;
        let text = arg.value()?;
        let change = match arg.name {
            "--set-xmark" => {
                let (value, mask) = masked(text, u32::MAX)?;
                Self { value, mask }
            }
            "--set-mark" => {
                let (value, mask) = masked(text, u32::MAX)?;
                Self { value, mask: value | mask }
            }
            "--and-mark" => Self { value: 0, mask: !number(text)? },
            "--or-mark" => Self { value: number(text)?, mask: number(text)? },
            "--xor-mark" => Self { value: number(text)?, mask: 0 },
            _ => return None,
        };
        args.next().is_none().then_some(change)
    }

    pub(crate) fn apply(self, mark: u32) -> u32 {
        (mark & !self.mask) ^ self.value
    }
}

#[derive(Debug)]
pub(crate) struct Mark(MarkChange);

impl Applied for Mark {
    fn parse(args: Args<'_>) -> Option<Self> {
        MarkChange::parse(args).map(Self)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        run.set_mark(skoop_model::Mark(self.0.apply(run.packet.mark.0)), rule);
        Effect::Continue
    }
}
