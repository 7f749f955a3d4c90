//! `mh` (`net/ipv6/netfilter/ip6t_mh.c`): the mobility header of IPv6.

use super::Matcher;
use super::shared::{Header, Within, extension};
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

const MOBILITY: u8 = 135;

/// Types by name (`libip6t_mh.c`).
const TYPES: [(&str, &str, u32); 14] = [
    ("binding-refresh-request", "brr", 0),
    ("home-test-init", "hoti", 1),
    ("careof-test-init", "coti", 2),
    ("home-test", "hot", 3),
    ("careof-test", "cot", 4),
    ("binding-update", "bu", 5),
    ("binding-acknowledgement", "ba", 6),
    ("binding-error", "be", 7),
    ("fast-bu", "fbu", 8),
    ("fast-ba", "fback", 9),
    ("fast-na", "fna", 10),
    ("experimental-mh", "emh", 11),
    ("home-agent-switch", "has", 12),
    ("heartbeat", "hb", 13),
];

#[derive(Debug)]
pub(crate) struct Mh(Within);

impl Matcher for Mh {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self(Within { last: 0xff, ..Within::ANY });
        for arg in args {
            match arg.name {
                "--mh-type" => {
                    let text = arg.value()?;
                    let named = TYPES.iter().find(|(name, short, _)| *name == text || *short == text);
                    parsed.0 = match named {
                        Some((.., kind)) => Within { first: *kind, last: *kind, negated: arg.negated },
                        None => Within::parse(text, arg.negated)?,
                    };
                }
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        if run.packet.is_later_fragment() {
            return Tri::No;
        }
        match extension(run.packet, MOBILITY) {
            Header::Absent => Tri::No,
            Header::Opaque => {
                // The header is the whole payload: its third byte is the type.
                let payload = run.packet.details.as_ref().and_then(|details| details.payload.as_ref());
                let kind = payload.and_then(|payload| payload.0.get(2)).map(|kind| u32::from(*kind));
                let any = self.0.first == 0 && self.0.last >= 0xff && !self.0.negated;
                if any { Tri::Yes } else { self.0.of(kind) }
            }
            Header::Known(bytes, _) => bytes.get(2).is_some_and(|kind| self.0.holds(u32::from(*kind))).into(),
        }
    }
}
