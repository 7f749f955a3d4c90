//! `owner` (`net/netfilter/xt_owner.c`): the process that sends.

use super::Matcher;
use crate::Tri;
use crate::conntrack::Origin;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Owner {
    /// Every test is inverted.
    all_negated: bool,
}

impl Matcher for Owner {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut all_negated = true;
        for arg in args {
            match arg.name {
                "--uid-owner" | "--gid-owner" | "--socket-exists" | "--suppl-groups" => all_negated &= arg.negated,
                _ => return None,
            }
        }
        Some(Self { all_negated })
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        match run.state.origin {
            // No socket: "return (info->match ^ info->invert) == 0".
            Some(Origin::Received) => self.all_negated.into(),
            _ => Tri::Maybe,
        }
    }
}
