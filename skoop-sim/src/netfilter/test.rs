//! Tests of a rule: matches of iptables and comparisons of nftables.

use super::matches::Match;
use super::nft::{Compare, Lookup, Quota, SetData};
use super::run::Run;
use crate::Tri;

/// One test.
#[derive(Debug)]
pub(crate) enum Test {
    Match(Match),
    Compare(Box<Compare>),
    Lookup(Box<Lookup>),
    /// `limit`; true for `limit rate over`, which matches what is beyond the limit.
    Limit(bool),
    Quota(Quota),
    /// Up to chance, or to a hash of unknown seed.
    Draw {
        probability: f64,
        hashed: bool,
    },
    /// Cannot be judged, for this reason.
    Unknown(Box<str>),
}

impl Test {
    /// Whether the packet passes the test.
    pub(crate) fn eval(&self, run: &Run<'_>, sets: &[SetData]) -> Tri {
        match self {
            Self::Match(matcher) => matcher.eval(run),
            Self::Compare(compare) => compare.eval(run, sets),
            Self::Lookup(lookup) => lookup.eval(run, sets),
            Self::Quota(quota) => quota.eval(run),
            // Chance, and what is beyond a limit, come last.
            Self::Draw { .. } | Self::Limit(true) => Tri::Yes,
            // The main way stays within limits.
            Self::Limit(false) | Self::Unknown(_) => Tri::Maybe,
        }
    }

    /// Why it may answer "maybe".
    pub(crate) fn doubt(&self, sets: &[SetData]) -> String {
        match self {
            Self::Match(matcher) => matcher.doubt(),
            Self::Compare(compare) => compare.doubt(),
            Self::Lookup(lookup) => lookup.doubt(sets),
            Self::Limit(_) | Self::Quota(_) => "it depends on how much came before".to_owned(),
            Self::Draw { .. } => "it is up to chance".to_owned(),
            Self::Unknown(reason) => reason.to_string(),
        }
    }

    /// Whether the answer may hang on something that rules can change.
    pub(crate) fn reads_changes(&self) -> bool {
        match self {
            Self::Match(matcher) => matcher.reads_changes(),
            Self::Compare(compare) => compare.reads_changes(),
            Self::Lookup(lookup) => lookup.reads_changes(),
            Self::Unknown(_) => true,
            Self::Limit(_) | Self::Quota(_) | Self::Draw { .. } => false,
        }
    }

    /// Whether it says yes because of what an earlier packet left behind: its address in a list or a set.
    pub(crate) fn remembers(&self, sets: &[SetData]) -> bool {
        match self {
            Self::Match(matcher) => matcher.remembers(),
            Self::Lookup(lookup) => lookup.remembers(sets),
            _ => false,
        }
    }

    /// Whether asking it changes what other rules are told.
    pub(crate) fn leaves_traces(&self) -> bool {
        matches!(self, Self::Match(matcher) if matcher.leaves_traces())
    }

    /// Probability with which it says yes, if it is up to chance; and whether a hash decides.
    pub(crate) fn chance(&self) -> Option<(f64, bool)> {
        match self {
            Self::Match(matcher) => matcher.chance().map(|probability| (probability, false)),
            Self::Draw { probability, hashed } => Some((*probability, *hashed)),
            _ => None,
        }
    }
}
