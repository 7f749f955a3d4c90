//! `multiport` (`net/netfilter/xt_multiport.c`): lists of ports and port ranges.

use skoop_model::{Port, PortRange};

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, ports};
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Multiport {
    side: Side,
    ports: Box<[PortRange]>,
    negated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Source,
    Destination,
    Either,
}

impl Matcher for Multiport {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        for arg in args {
            let side = match arg.name {
                "--sports" | "--source-ports" => Side::Source,
                "--dports" | "--destination-ports" => Side::Destination,
                "--ports" => Side::Either,
                _ => return None,
            };
            let ports = arg.value()?.split(',').map(|text| ports(text, ':')).collect::<Option<_>>()?;
            parsed = Some(Self { side, ports, negated: arg.negated });
        }
        parsed
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let (Some(sport), Some(dport)) = (run.packet.sport(), run.packet.dport()) else {
            return Tri::No;
        };
        if run.packet.is_later_fragment() {
            return Tri::No;
        }
        let holds = |port: Port| self.ports.iter().any(|range| range.contains(port));
        let fits = (self.side != Side::Destination && holds(sport)) || (self.side != Side::Source && holds(dport));
        (fits != self.negated).into()
    }
}
