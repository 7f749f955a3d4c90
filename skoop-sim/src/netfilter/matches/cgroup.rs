//! `cgroup` (`net/netfilter/xt_cgroup.c`): the control group of the sender.

use super::Matcher;
use crate::Tri;
use crate::conntrack::Origin;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Cgroup;

impl Matcher for Cgroup {
    fn parse(mut args: Args<'_>) -> Option<Self> {
        args.all(|arg| matches!(arg.name, "--path" | "--cgroup") && arg.value().is_some()).then_some(Self)
    }

    /// Without a socket the answer is no, inverted or not.
    fn eval(&self, run: &Run<'_>) -> Tri {
        match run.state.origin {
            Some(Origin::Received) => Tri::No,
            _ => Tri::Maybe,
        }
    }

    fn doubt(&self) -> Option<String> {
        Some("match `cgroup`: the control group of the sender is not known".to_owned())
    }
}
