//! `sctp` (`net/netfilter/xt_sctp.c`): ports of SCTP.

use skoop_model::{PortRange, Transport};

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, ports};
use crate::netfilter::run::Run;

#[derive(Debug, Default)]
pub(crate) struct Sctp {
    sports: Option<(PortRange, bool)>,
    dports: Option<(PortRange, bool)>,
}

impl Matcher for Sctp {
    /// Chunk types are not modelled.
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
        let Transport::Sctp { sport, dport } = run.packet.transport else {
            return Tri::No;
        };
        let within = |range: Option<(PortRange, bool)>, port| {
            range.is_none_or(|(range, negated)| range.contains(port) != negated)
        };
        (within(self.sports, sport) && within(self.dports, dport)).into()
    }
}
