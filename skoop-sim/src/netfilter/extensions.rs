//! Which extensions of netfilter are judged, and which are not and why.

use super::ipset;
use super::matches;
use super::targets;

/// What an extension is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExtensionKind {
    /// A match of iptables: `-m NAME`.
    Match,
    /// A target of iptables: `-j NAME`.
    Target,
    /// A type of ipset: `hash:ip`.
    Set,
}

impl ExtensionKind {
    /// `match`, `target`, `set`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Target => "target",
            Self::Set => "set",
        }
    }
}

/// One extension that the simulator knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// What it is.
    pub kind: ExtensionKind,
    /// Its name: `conntrack`, `DNAT`, `hash:ip,port`.
    pub name: &'static str,
    /// Whether it is judged. If not, a rule with it matches "maybe", and the walk forks there.
    pub judged: bool,
    /// Why it is not judged; or what it needs to know to be judged, where that may be missing.
    pub reason: Option<&'static str>,
}

/// All extensions that the simulator knows, by kind and name.
pub fn extensions() -> Vec<Extension> {
    let judged = |kind, name, reason| Extension { kind, name, judged: true, reason };
    let unjudged = |kind, name, reason| Extension { kind, name, judged: false, reason: Some(reason) };
    let (of_match, of_target) = (ExtensionKind::Match, ExtensionKind::Target);
    let matches = matches::JUDGED.iter().map(|name| judged(of_match, *name, matches::caveat(name)));
    let more = matches::UNJUDGED.iter().map(|(name, reason)| unjudged(of_match, *name, *reason));
    let verdicts = ["ACCEPT", "DROP", "RETURN"].into_iter().map(|name| judged(of_target, name, None));
    let targets = targets::MODELLED.iter().map(|name| judged(of_target, *name, None));
    let more_targets = targets::UNMODELLED.iter().map(|(name, _, reason)| unjudged(of_target, *name, *reason));
    let sets = ipset::TYPES.iter().map(|name| judged(ExtensionKind::Set, *name, None));
    let mut all: Vec<_> = matches.chain(more).chain(verdicts).chain(targets).chain(more_targets).chain(sets).collect();
    all.sort_by_key(|extension| (extension.kind, extension.name));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_listed_once_and_says_why() {
        let all = extensions();
        for pair in all.windows(2) {
            assert_ne!((pair[0].kind, pair[0].name), (pair[1].kind, pair[1].name));
        }
        assert!(all.iter().all(|extension| extension.judged || extension.reason.is_some()));
    }
}
