//! `udp` and `udplite` (`udp_mt` in `net/netfilter/xt_tcpudp.c`): ports.

use skoop_model::{PortRange, Protocol, Transport};

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, ports};
use crate::netfilter::run::Run;

#[derive(Debug, Default)]
pub(crate) struct Udp {
    sports: Option<(PortRange, bool)>,
    dports: Option<(PortRange, bool)>,
}

impl Matcher for Udp {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        for arg in args {
            match arg.name {
                "--sport" | "--source-port" => parsed.sports = Some((ports(arg.value()?, ':')?, arg.negated)),
                "--dport" | "--destination-port" => parsed.dports = Some((ports(arg.value()?, ':')?, arg.negated)),
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let Transport::Udp { sport, dport } = run.packet.transport else {
            // UDP-Lite whose ports are not known.
            return if run.packet.protocol == Protocol(136) { Tri::Maybe } else { Tri::No };
        };
        let within = |range: Option<(PortRange, bool)>, port| {
            range.is_none_or(|(range, negated)| range.contains(port) != negated)
        };
        (!run.packet.is_later_fragment() && within(self.sports, sport) && within(self.dports, dport)).into()
    }
}

/// The destination ports, if nothing else is asked for.
pub(crate) fn dports_only(matcher: &Udp) -> Option<PortRange> {
    match matcher {
        Udp { sports: None, dports: Some((range, false)) } => Some(*range),
        _ => None,
    }
}
