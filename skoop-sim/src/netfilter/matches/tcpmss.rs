//! `tcpmss` (`net/netfilter/xt_tcpmss.c`): the MSS option of TCP.

use skoop_model::Transport;

use super::Matcher;
use super::shared::Within;
use super::tcp::options;
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Tcpmss(Within);

/// `TCPOPT_MSS`.
const MSS: u8 = 2;

impl Matcher for Tcpmss {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        for arg in args {
            match arg.name {
                "--mss" => parsed = Some(Self(Within::parse(arg.value()?, arg.negated)?)),
                _ => return None,
            }
        }
        parsed
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        if !matches!(run.packet.transport, Transport::Tcp { .. }) || run.packet.is_later_fragment() {
            return Tri::No;
        }
        let details = run.packet.details.as_ref();
        let Some(bytes) = details.and_then(|details| details.tcp_options.as_ref()) else { return Tri::Maybe };
        let found = options(&bytes.0).find_map(|option| match option {
            [MSS, 4, high, low, ..] => Some(u32::from(u16::from_be_bytes([*high, *low]))),
            _ => None,
        });
        // Without the option the answer is that of the inversion.
        found.map_or(self.0.negated, |mss| self.0.holds(mss)).into()
    }

    fn doubt(&self) -> Option<String> {
        Some("match `tcpmss`: the options of the TCP header are not known".to_owned())
    }
}
