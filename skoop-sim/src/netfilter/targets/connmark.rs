//! `CONNMARK` (`connmark_tg_shift` in `net/netfilter/xt_connmark.c`): mark of the flow, set, saved, restored.

use skoop_model::Mark;

use super::{Applied, Effect};
use crate::netfilter::args::{Args, masked, number};
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// `(mark & !flow_mask) ^ value`.
    Set(u32),
    /// The packet's mark becomes the flow's.
    Save,
    /// The flow's mark becomes the packet's.
    Restore,
}

#[derive(Debug)]
pub(crate) struct Connmark {
    mode: Mode,
    packet_mask: u32,
    flow_mask: u32,
    /// Bits to the left; to the right if negative.
    shift: i32,
}

impl Applied for Connmark {
    /// Options that set, mask or flip bits come down to one form (`connmark_tg_parse`, `extensions/libxt_CONNMARK.c`).
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut mode = None;
        let (mut packet_mask, mut flow_mask, mut shift) = (u32::MAX, u32::MAX, 0);
        for arg in args {
            arg.plain()?;
            let value = || number(arg.value()?);
            let bits = || value().filter(|bits| *bits < 32).and_then(|bits| i32::try_from(bits).ok());
            let set = match arg.name {
                "--set-xmark" => Some(masked(arg.value()?, u32::MAX)?),
                "--set-mark" => masked(arg.value()?, u32::MAX).map(|(value, mask)| (value, mask | value)),
                "--and-mark" => Some((0, !value()?)),
                "--or-mark" => Some((value()?, value()?)),
                "--xor-mark" => Some((value()?, 0)),
                _ => None,
            };
            match (arg.name, set) {
                (_, Some((value, mask))) if mode.is_none() => (mode, flow_mask) = (Some(Mode::Set(value)), mask),
                ("--save-mark", None) => mode = arg.flag().map(|()| Mode::Save),
                ("--restore-mark", None) => mode = arg.flag().map(|()| Mode::Restore),
                ("--nfmask", None) => packet_mask = value()?,
                ("--ctmask", None) => flow_mask = value()?,
                ("--mask", None) => (packet_mask, flow_mask) = (value()?, value()?),
                ("--left-shift-mark", None) => shift = bits()?,
                ("--right-shift-mark", None) => shift = -bits()?,
                _ => return None,
            }
        }
        Some(Self { mode: mode?, packet_mask, flow_mask, shift })
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        let Some(flow) = run.conntrack.of_packet(run.state).map(|(connection, ..)| connection.mark.0) else {
            return Effect::Continue;
        };
        let packet = run.packet.mark.0;
        match self.mode {
            Mode::Set(value) => {
                run.set_connection_mark(Mark(self.shifted((flow & !self.flow_mask) ^ value)), rule);
            }
            Mode::Save => {
                let saved = self.shifted(packet & self.packet_mask);
                run.set_connection_mark(Mark((flow & !self.flow_mask) ^ saved), rule);
            }
            Mode::Restore => {
                let restored = self.shifted(flow & self.flow_mask);
                run.set_mark(Mark((packet & !self.packet_mask) ^ restored), rule);
            }
        }
        Effect::Continue
    }
}

impl Connmark {
    fn shifted(&self, mark: u32) -> u32 {
        let bits = self.shift.unsigned_abs();
        if self.shift < 0 { mark >> (bits & 31) } else { mark << (bits & 31) }
    }
}
