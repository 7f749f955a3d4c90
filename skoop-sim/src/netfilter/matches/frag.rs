//! `frag` (`net/ipv6/netfilter/ip6t_frag.c`): the fragment header of IPv6.

use super::Matcher;
use super::shared::{Pieces, Within, pieces};
use crate::Tri;
use crate::netfilter::args::{Args, number};
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Frag {
    ids: Within,
    first: bool,
    more: bool,
    last: bool,
}

impl Matcher for Frag {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self { ids: Within::ANY, first: false, more: false, last: false };
        for arg in args {
            match arg.name {
                "--fragid" => parsed.ids = Within::parse(arg.value()?, arg.negated)?,
                "--fragfirst" => parsed.first = true,
                "--fragmore" => parsed.more = true,
                "--fraglast" => parsed.last = true,
                // Reserved bits are those of a sender that follows RFC 8200: 0.
                "--fragres" => arg.flag()?,
                // "The length of the header is fixed": the kernel does not look at it.
                "--fraglen" => {
                    number(arg.value()?)?;
                }
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        match pieces(run) {
            Pieces::Whole => Tri::No,
            Pieces::Several => Tri::Maybe,
            Pieces::One(fragment) => {
                let place = (!self.first || fragment.offset_bytes == 0)
                    && (!self.more || fragment.more)
                    && !(self.last && fragment.more);
                let id = run.packet.details.as_ref().and_then(|details| details.ip_id);
                Tri::from(place).and(self.ids.of(id))
            }
        }
    }

    fn doubt(&self) -> Option<String> {
        Some("match `frag`: the fragment header is not known".to_owned())
    }
}
