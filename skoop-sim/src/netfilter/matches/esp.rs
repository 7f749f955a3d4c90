//! `esp` (`net/netfilter/xt_esp.c`): security parameter index of ESP.

use super::Matcher;
use super::shared::Within;
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Esp(Within);

impl Matcher for Esp {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self(Within::ANY);
        for arg in args {
            match arg.name {
                "--espspi" => parsed.0 = Within::parse(arg.value()?, arg.negated)?,
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        if run.packet.protocol.0 != 50 || run.packet.is_later_fragment() {
            return Tri::No;
        }
        self.0.of(run.packet.details.as_ref().and_then(|details| details.spi))
    }

    fn doubt(&self) -> Option<String> {
        Some("match `esp`: the SPI of the packet is not known".to_owned())
    }
}
