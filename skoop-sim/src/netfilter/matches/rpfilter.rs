//! `rpfilter` (`net/ipv4/netfilter/ipt_rpfilter.c`, `net/ipv6/netfilter/ip6t_rpfilter.c`): the way back to the source.

use super::Matcher;
use crate::Tri;
use crate::netfilter::ReversePath;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug, Default)]
pub(crate) struct Rpfilter {
    options: ReversePath,
    inverted: bool,
}

impl Rpfilter {
    /// Whether the mark of the packet counts.
    pub(super) fn reads_mark(&self) -> bool {
        self.options.valid_mark
    }
}

impl Matcher for Rpfilter {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        for arg in args {
            arg.plain()?;
            arg.flag()?;
            match arg.name {
                "--loose" => parsed.options.loose = true,
                "--validmark" => parsed.options.valid_mark = true,
                "--accept-local" => parsed.options.accept_local = true,
                "--invert" => parsed.inverted = true,
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        match run.at.in_device {
            Some(device) => run.env.reverse_path(run.packet, device, self.options).invert_if(self.inverted),
            // The rule stands only in PREROUTING, where there is a device.
            None => Tri::Maybe,
        }
    }

    fn doubt(&self) -> Option<String> {
        Some("match `rpfilter`: the way back to the source hangs on routes or rules that were not seen".to_owned())
    }
}
