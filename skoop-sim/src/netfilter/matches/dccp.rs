//! `dccp` (`net/netfilter/xt_dccp.c`): ports, packet types and options of DCCP.

use skoop_model::{PortRange, Transport};

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, byte, ports};
use crate::netfilter::run::Run;

/// Types by number (`enum dccp_pkt_type`, `include/uapi/linux/dccp.h`).
const TYPES: [&str; 11] =
    ["REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC", "SYNCACK", "INVALID"];

#[derive(Debug, Default)]
pub(crate) struct Dccp {
    sports: Option<(PortRange, bool)>,
    dports: Option<(PortRange, bool)>,
    types: Option<(u16, bool)>,
    option: bool,
}

impl Matcher for Dccp {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        for arg in args {
            match arg.name {
                "--sport" | "--source-port" => parsed.sports = Some((ports(arg.value()?, ':')?, arg.negated)),
                "--dport" | "--destination-port" => parsed.dports = Some((ports(arg.value()?, ':')?, arg.negated)),
                "--dccp-types" => {
                    let bit = |name: &str| TYPES.iter().position(|known| known.eq_ignore_ascii_case(name));
                    let types = arg.value()?.split(',').try_fold(0, |all, name| Some(all | (1 << bit(name)?)))?;
                    parsed.types = Some((types, arg.negated));
                }
                "--dccp-option" => {
                    byte(arg.value()?)?;
                    parsed.option = true;
                }
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let Transport::Dccp { sport, dport, kind } = run.packet.transport else {
            return Tri::No;
        };
        let within = |range: Option<(PortRange, bool)>, port| {
            range.is_none_or(|(range, negated)| range.contains(port) != negated)
        };
        let typed =
            self.types.is_none_or(|(types, negated)| (types.checked_shr(kind.into()).unwrap_or(0) & 1 != 0) != negated);
        let known = Tri::from(
            !run.packet.is_later_fragment() && within(self.sports, sport) && within(self.dports, dport) && typed,
        );
        if self.option { known.and(Tri::Maybe) } else { known }
    }

    fn doubt(&self) -> Option<String> {
        Some("match `dccp`: the options of the DCCP header are not modelled".to_owned())
    }
}
