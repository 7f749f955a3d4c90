//! `mac` (`net/netfilter/xt_mac.c`): source address of the frame.

use skoop_model::MacAddr;

use super::Matcher;
use crate::Tri;
use crate::conntrack::Origin;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Mac {
    mac: MacAddr,
    negated: bool,
}

impl Matcher for Mac {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        for arg in args {
            match arg.name {
                "--mac-source" => parsed = Some(Self { mac: arg.parsed()?, negated: arg.negated }),
                _ => return None,
            }
        }
        parsed
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        match (run.state.source_mac, run.state.origin) {
            (Some(mac), _) => ((mac == self.mac) != self.negated).into(),
            // Without a frame the answer is no, inverted or not.
            (None, Some(Origin::Local)) => Tri::No,
            (None, _) => Tri::Maybe,
        }
    }

    fn doubt(&self) -> Option<String> {
        Some("match `mac`: the source MAC address is not known".to_owned())
    }
}
