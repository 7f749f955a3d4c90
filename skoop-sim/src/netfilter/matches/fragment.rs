//! `-f` (`ip_packet_match`, `net/ipv4/netfilter/ip_tables.c`): fragments other than the first.

use super::Matcher;
use super::shared::{Pieces, pieces};
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Fragment;

impl Matcher for Fragment {
    fn parse(mut args: Args<'_>) -> Option<Self> {
        args.next().is_none().then_some(Self)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        match pieces(run) {
            Pieces::Whole => Tri::No,
            Pieces::One(fragment) => (fragment.offset_bytes != 0).into(),
            Pieces::Several => Tri::Maybe,
        }
    }

    fn doubt(&self) -> Option<String> {
        Some(
            "the packet travels in fragments, and whether they were put together before this rule is not known"
                .to_owned(),
        )
    }
}

/// `! -f`: whole packets and first fragments.
#[derive(Debug)]
pub(crate) struct NotFragment;

impl Matcher for NotFragment {
    fn parse(args: Args<'_>) -> Option<Self> {
        Fragment::parse(args).map(|_| Self)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        !Fragment.eval(run)
    }

    fn doubt(&self) -> Option<String> {
        Fragment.doubt()
    }
}
