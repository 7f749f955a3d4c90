//! Targets after which the packet goes on with the next rule, unchanged as far as headers are modelled.
//!
//! `SET` changes a set, which only later packets would notice: the sets of a walk are those of the dump. `CLASSIFY` sets a priority
//! that qdiscs read.

use super::{Applied, Effect};
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

#[derive(Debug)]
pub(crate) struct Noop;

impl Applied for Noop {
    fn parse(_args: Args<'_>) -> Option<Self> {
        Some(Self)
    }

    fn apply(&self, _run: &mut Run<'_>, _rule: RuleId) -> Effect {
        Effect::Continue
    }
}
