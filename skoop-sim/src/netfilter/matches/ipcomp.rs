//! `ipcomp` (`net/netfilter/xt_ipcomp.c`): compression parameter index of IPComp.

use super::Matcher;
use super::shared::Within;
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Ipcomp(Within);

impl Matcher for Ipcomp {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self(Within::ANY);
        for arg in args {
            match arg.name {
                "--ipcompspi" => parsed.0 = Within::parse(arg.value()?, arg.negated)?,
                // The kernel takes the option and does not look at it.
                "--compres" => arg.flag()?,
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        if run.packet.protocol.0 != 108 || run.packet.is_later_fragment() {
            return Tri::No;
        }
        self.0.of(run.packet.details.as_ref().and_then(|details| details.spi))
    }

    fn doubt(&self) -> Option<String> {
        Some("match `ipcomp`: the CPI of the packet is not known".to_owned())
    }
}
