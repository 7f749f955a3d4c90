//! `tcp` (`tcp_mt` in `net/netfilter/xt_tcpudp.c`): ports and flags.

use skoop_model::{Packet, PortRange, Transport};

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, byte, ports};
use crate::netfilter::run::Run;

const FLAGS: [(&str, u8); 8] =
    [("FIN", 1), ("SYN", 2), ("RST", 4), ("PSH", 8), ("ACK", 16), ("URG", 32), ("ALL", 63), ("NONE", 0)];

/// `--syn`.
const SYN: (u8, u8) = (2 | 4 | 16 | 1, 2);

#[derive(Debug, Default)]
pub(crate) struct Tcp {
    sports: Option<(PortRange, bool)>,
    dports: Option<(PortRange, bool)>,
    /// Flags examined, flags wanted, inverted.
    flags: Option<(u8, u8, bool)>,
    /// `--tcp-option`, and whether it is inverted.
    option: Option<(u8, bool)>,
}

impl Matcher for Tcp {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        for arg in args {
            match arg.name {
                "--sport" | "--source-port" => parsed.sports = Some((ports(arg.value()?, ':')?, arg.negated)),
                "--dport" | "--destination-port" => parsed.dports = Some((ports(arg.value()?, ':')?, arg.negated)),
                "--syn" => parsed.flags = Some((SYN.0, SYN.1, arg.negated)),
                "--tcp-flags" => {
                    let (examined, wanted) = arg.two_values()?;
                    parsed.flags = Some((flags(examined)?, flags(wanted)?, arg.negated));
                }
                "--tcp-option" => {
                    parsed.option = Some((byte(arg.value()?)?, arg.negated));
                }
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let Transport::Tcp { sport, dport, flags } = run.packet.transport else {
            return Tri::No;
        };
        let within = |range: Option<(PortRange, bool)>, port| {
            range.is_none_or(|(range, negated)| range.contains(port) != negated)
        };
        let fits = self.flags.is_none_or(|(examined, wanted, negated)| (flags.0 & examined == wanted) != negated);
        let known = Tri::from(
            !run.packet.is_later_fragment() && within(self.sports, sport) && within(self.dports, dport) && fits,
        );
        match self.option {
            Some((option, negated)) => known.and(has_option(run.packet, option).invert_if(negated)),
            None => known,
        }
    }

    fn doubt(&self) -> Option<String> {
        Some("match `tcp`: the options of the TCP header are not known".to_owned())
    }
}

impl Tcp {
    /// Whether an option of the header is asked for, which targets may change.
    pub(super) fn reads_options(&self) -> bool {
        self.option.is_some()
    }
}

/// `tcp_find_option`.
fn has_option(packet: &Packet, wanted: u8) -> Tri {
    match packet.details.as_ref().and_then(|details| details.tcp_options.as_ref()) {
        Some(bytes) => options(&bytes.0).any(|option| option.first() == Some(&wanted)).into(),
        None => Tri::Maybe,
    }
}

/// The options of a TCP header, each up to the end of all: "if (op[i] < 2) i++; else i += op[i+1] ? : 1".
pub(super) fn options(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let here = Some(rest).filter(|rest| !rest.is_empty())?;
        let step = match here {
            [0 | 1, ..] => 1,
            [_, length, ..] => usize::from(*length).max(1),
            _ => here.len(),
        };
        rest = here.get(step..).unwrap_or_default();
        Some(here)
    })
}

fn flags(text: &str) -> Option<u8> {
    let named = |name: &str| FLAGS.iter().find(|(known, _)| *known == name).map(|(_, bits)| *bits);
    byte(text).or_else(|| text.split(',').try_fold(0, |all, name| Some(all | named(name)?)))
}

/// The destination ports, if nothing else is asked for.
pub(crate) fn dports_only(matcher: &Tcp) -> Option<PortRange> {
    match matcher {
        Tcp { sports: None, dports: Some((range, false)), flags: None, option: None } => Some(*range),
        _ => None,
    }
}
