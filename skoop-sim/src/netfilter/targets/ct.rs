//! `CT` and `NOTRACK` (`net/netfilter/xt_CT.c`): how the packet is to be tracked.

use super::{Applied, Effect};
use crate::conntrack::Tracking;
use crate::netfilter::args::Args;
use crate::netfilter::result::NfEventKind;
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug, Default)]
pub(crate) struct Ct {
    notrack: bool,
    zone: u16,
}

impl Applied for Ct {
    /// NOTRACK has no option; helpers, events and time-outs change no packet. A zone taken from the mark, or for one direction only, is
    /// not modelled.
    fn parse(mut args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        let Some(first) = args.next() else {
            return Some(Self { notrack: true, ..parsed });
        };
        for arg in std::iter::once(first).chain(args) {
            match arg.name {
                "--notrack" => parsed.notrack = arg.flag().is_some(),
                "--zone" => parsed.zone = arg.parsed()?,
                "--helper" | "--timeout" | "--ctevents" | "--expevents" => {
                    arg.value()?;
                }
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        // "Previously seen (loopback)? Ignore."
        if run.state.tracking == Tracking::Unseen {
            if self.notrack {
                run.state.tracking = Tracking::Untracked;
                run.event(NfEventKind::NoTrack, rule, |_| {});
            } else {
                run.state.zone = self.zone;
            }
        }
        Effect::Continue
    }
}
