//! `CONNMARK` (`connmark_tg_shift` in `net/netfilter/xt_connmark.c`): mark of the flow, set, saved, restored.

use skoop_model::Mark;

use super::{Applied, Effect};
use crate::netfilter::args::{Args, number};
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;
use crate::netfilter::targets::mark::MarkChange;

#[derive(Debug)]
pub(crate) enum Connmark {
    Set(MarkChange),
    /// The flow's mark becomes the packet's.
    Save {
        packet_mask: u32,
        flow_mask: u32,
    },
    /// The packet's mark becomes the flow's.
    Restore {
        packet_mask: u32,
        flow_mask: u32,
    },
}

impl Applied for Connmark {
    /// Shifts (`--left-shift-mark`) are not modelled.
    fn parse(args: Args<'_>) -> Option<Self> {
        if let Some(change) = MarkChange::parse(args.clone()) {
            return Some(Self::Set(change));
        }
        let (mut save, mut restore) = (false, false);
        let (mut packet_mask, mut flow_mask) = (u32::MAX, u32::MAX);
        for arg in args {
            arg.plain()?;
            match arg.name {
                "--save-mark" => save = arg.flag().is_some(),
                "--restore-mark" => restore = arg.flag().is_some(),
                "--nfmask" => packet_mask = number(arg.value()?)?,
                "--ctmask" => flow_mask = number(arg.value()?)?,
                "--mask" => {
                    packet_mask = number(arg.value()?)?;
                    flow_mask = packet_mask;
                }
                _ => return None,
            }
        }
        match (save, restore) {
            (true, false) => Some(Self::Save { packet_mask, flow_mask }),
            (false, true) => Some(Self::Restore { packet_mask, flow_mask }),
            _ => None,
        }
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        let Some(flow) = run.conntrack.of_packet(run.state).map(|(connection, ..)| connection.mark.0) else {
            return Effect::Continue;
        };
        let packet = run.packet.mark.0;
        match *self {
            Self::Set(change) => run.set_connection_mark(Mark(change.apply(flow)), rule),
            Self::Save { packet_mask, flow_mask } => {
                run.set_connection_mark(Mark((flow & !flow_mask) ^ (packet & packet_mask)), rule);
            }
            Self::Restore { packet_mask, flow_mask } => {
                run.set_mark(Mark((packet & !packet_mask) ^ (flow & flow_mask)), rule);
            }
        }
        Effect::Continue
    }
}
