//! Matches that always say yes: `comment` (`net/netfilter/xt_comment.c`) and `nfacct` (`net/netfilter/xt_nfacct.c`).
//!
//! `nfacct` counts; only a counter that was made with a quota may say no, and nothing in Kubernetes makes such.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Nothing;

impl Matcher for Nothing {
    fn parse(mut args: Args<'_>) -> Option<Self> {
        args.all(|arg| matches!(arg.name, "--comment" | "--nfacct-name") && arg.value().is_some()).then_some(Self)
    }

    fn eval(&self, _run: &Run<'_>) -> Tri {
        Tri::Yes
    }
}
