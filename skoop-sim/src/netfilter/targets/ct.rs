//! `CT` and `NOTRACK` (`net/netfilter/xt_CT.c`): how the packet is to be tracked.

use std::sync::Arc;

use super::ops::ZoneSide;
use super::{Applied, Effect};
use crate::conntrack::Zone;
use crate::netfilter::args::{Arg, Args};
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug, Default)]
pub(crate) struct Ct {
    notrack: bool,
    zone: Zone,
    zone_of_mark: bool,
    helper: Option<Arc<str>>,
}

impl Ct {
    /// `--zone {ID|mark}`, `--zone-orig`, `--zone-reply`.
    fn take_zone(&mut self, arg: &Arg<'_>, side: ZoneSide) -> Option<()> {
        self.zone_of_mark = arg.value()? == "mark";
        let id = if self.zone_of_mark { 0 } else { arg.parsed()? };
        self.zone = side.zone(id);
        Some(())
    }
}

impl Applied for Ct {
    /// NOTRACK has no option; events and time-outs change no packet.
    fn parse(mut args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        let Some(first) = args.next() else {
            return Some(Self { notrack: true, ..parsed });
        };
        for arg in std::iter::once(first).chain(args) {
            arg.plain()?;
            match arg.name {
                "--notrack" => parsed.notrack = arg.flag().is_some(),
                "--zone" => parsed.take_zone(&arg, ZoneSide::Both)?,
                "--zone-orig" => parsed.take_zone(&arg, ZoneSide::Original)?,
                "--zone-reply" => parsed.take_zone(&arg, ZoneSide::Reply)?,
                "--helper" => parsed.helper = Some(arg.value()?.into()),
                "--timeout" | "--ctevents" | "--expevents" => {
                    arg.value()?;
                }
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        if self.notrack {
            run.notrack(rule);
        } else {
            run.set_template(self.zone, self.zone_of_mark, self.helper.as_ref());
        }
        Effect::Continue
    }
}
