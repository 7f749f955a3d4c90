//! `connbytes` (`net/netfilter/xt_connbytes.c`): what the flow carried so far.

use super::Matcher;
use crate::Tri;
use crate::conntrack::{Direction, Info};
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Connbytes {
    first: u64,
    last: u64,
    negated: bool,
    direction: Side,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Original,
    Reply,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    Packets,
    Bytes,
    BytesPerPacket,
}

impl Matcher for Connbytes {
    fn parse(args: Args<'_>) -> Option<Self> {
        let (mut range, mut direction, mut unit) = (None, None, None);
        for arg in args {
            match (arg.name, arg.value()?) {
                ("--connbytes", text) => {
                    let (first, last) = text.split_once(':').unwrap_or((text, ""));
                    let last = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
                    range = Some((first.parse().ok()?, last, arg.negated));
                }
                ("--connbytes-dir", "original") => direction = Some(Side::Original),
                ("--connbytes-dir", "reply") => direction = Some(Side::Reply),
                ("--connbytes-dir", "both") => direction = Some(Side::Both),
                ("--connbytes-mode", "packets") => unit = Some(Unit::Packets),
                ("--connbytes-mode", "bytes") => unit = Some(Unit::Bytes),
                ("--connbytes-mode", "avgpkt") => unit = Some(Unit::BytesPerPacket),
                _ => return None,
            }
        }
        let (first, last, negated) = range?;
        Some(Self { first, last, negated, direction: direction?, unit: unit? })
    }

    /// The packet itself counts already. Only of a flow that it begins the count is known.
    fn eval(&self, run: &Run<'_>) -> Tri {
        let Some((connection, info, direction)) = run.conntrack.of_packet(run.state) else { return Tri::No };
        if connection.confirmed || connection.assumed || info != Info::New || direction != Direction::Original {
            return Tri::Maybe;
        }
        let here = match (self.direction, self.unit) {
            (Side::Reply, _) => 0,
            (_, Unit::Packets) => 1,
            (_, Unit::Bytes | Unit::BytesPerPacket) => u64::from(run.packet.length_bytes),
        };
        ((self.first..=self.last).contains(&here) != self.negated).into()
    }

    fn doubt(&self) -> Option<String> {
        Some("match `connbytes`: what the flow carried so far is not known".to_owned())
    }
}
