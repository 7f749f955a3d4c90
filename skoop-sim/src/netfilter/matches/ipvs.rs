//! `ipvs` (`net/netfilter/xt_ipvs.c`): whether IPVS handles the packet.

use super::Matcher;
use crate::Tri;
use crate::netfilter::Hook;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Ipvs {
    /// `--ipvs` alone, and whether it is inverted; with other options a packet that IPVS does not handle never matches.
    handled: Option<bool>,
}

impl Matcher for Ipvs {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self { handled: Some(false) };
        let mut only = true;
        for arg in args {
            match arg.name {
                "--ipvs" => parsed.handled = Some(arg.negated),
                "--vproto" | "--vaddr" | "--vport" | "--vdir" | "--vmethod" | "--vportctl" => {
                    arg.value()?;
                    only = false;
                }
                _ => return None,
            }
        }
        Some(Self { handled: parsed.handled.filter(|_| only) })
    }

    /// IPVS hooks into INPUT, FORWARD and OUTPUT, so that nothing in PREROUTING is its own yet (`ip_vs_ops4`).
    fn eval(&self, run: &Run<'_>) -> Tri {
        if run.at.hook == Hook::Prerouting || run.rules.known.has_ipvs() == Some(false) {
            self.handled.unwrap_or(false).into()
        } else {
            Tri::Maybe
        }
    }

    fn doubt(&self) -> Option<String> {
        Some("match `ipvs`: whether IPVS handles the packet is not known".to_owned())
    }
}
