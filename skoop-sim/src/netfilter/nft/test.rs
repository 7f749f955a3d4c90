//! Comparisons and lookups (`net/netfilter/nft_cmp.c`, `nft_range.c`, `nft_lookup.c`, `nft_quota.c`).

use super::set::SetData;
use super::source::{Scope, Source, key_of};
use crate::Tri;
use crate::netfilter::run::Run;

/// A comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Compare {
    pub left: Source,
    pub right: Operand,
    pub negated: bool,
}

/// What is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    /// First and last value.
    Range(u128, u128),
    /// Any of these bits is set.
    Bits(u128),
    /// Another value of the packet.
    Source(Source),
}

impl Compare {
    pub(crate) fn eval(&self, run: &Run<'_>, sets: &[SetData]) -> Tri {
        let scope = Scope { sets, drawn: None };
        let Some(left) = self.left.eval(run, scope) else { return Tri::No };
        let fits = match &self.right {
            Operand::Range(first, last) => left.within(*first, *last),
            Operand::Bits(bits) => {
                if left.value & bits != 0 {
                    Tri::Yes
                } else if left.width >= 128 || (left.known | (u128::MAX << left.width)) & bits == *bits {
                    // Of a value as wide as the widest nothing known is told by `known` alone.
                    if left.known & bits == *bits || left.width < 128 { Tri::No } else { Tri::Maybe }
                } else {
                    Tri::Maybe
                }
            }
            Operand::Source(right) => match right.eval(run, scope) {
                None => return Tri::No,
                Some(right) => match (left.exact(), right.exact()) {
                    (Some(left), Some(right)) => (left == right).into(),
                    _ => Tri::Maybe,
                },
            },
        };
        fits.invert_if(self.negated)
    }

    pub(crate) fn doubt(&self) -> String {
        let right = match &self.right {
            Operand::Source(right) => right.doubt(),
            Operand::Range(..) | Operand::Bits(_) => None,
        };
        self.left.doubt().or(right).unwrap_or_else(|| "a value that it compares is not known".to_owned())
    }

    pub(crate) fn reads_changes(&self) -> bool {
        self.left.reads_changes() || matches!(&self.right, Operand::Source(right) if right.reads_changes())
    }
}

/// Whether a key is in a set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lookup {
    pub key: Box<[Source]>,
    /// By its place in the table.
    pub set: u32,
    pub negated: bool,
}

impl Lookup {
    pub(crate) fn eval(&self, run: &Run<'_>, sets: &[SetData]) -> Tri {
        let scope = Scope { sets, drawn: None };
        let Some(values) = key_of(&self.key, run, scope) else { return Tri::No };
        let found = scope.set(self.set).map(|set| set.find(values.as_slice(), run.conntrack.set_changes()).is_hit());
        found.unwrap_or(Tri::Maybe).invert_if(self.negated)
    }

    pub(crate) fn doubt(&self, sets: &[SetData]) -> String {
        let of_key = self.key.iter().find_map(Source::doubt);
        let set = usize::try_from(self.set).ok().and_then(|set| sets.get(set));
        of_key.unwrap_or_else(|| match set.map(|set| &*set.name) {
            Some(name) if !name.is_empty() => format!("set `{name}` was not seen, or not all of it"),
            _ => "not all elements of a set are understood".to_owned(),
        })
    }

    pub(crate) fn reads_changes(&self) -> bool {
        self.key.iter().any(Source::reads_changes)
    }

    /// Whether it asks for something that an earlier packet put into the set.
    pub(crate) fn remembers(&self, sets: &[SetData]) -> bool {
        let set = usize::try_from(self.set).ok().and_then(|set| sets.get(set));
        !self.negated && set.is_some_and(|set| set.dynamic)
    }
}

/// `quota`, as it stood in the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    pub over: bool,
    pub bytes: u64,
    pub used_bytes: u64,
}

impl Quota {
    /// `nft_quota_do_eval`: this packet counts too.
    pub(crate) fn eval(self, run: &Run<'_>) -> Tri {
        let used = self.used_bytes.saturating_add(run.packet.length_bytes.into());
        ((used > self.bytes) == self.over).into()
    }
}
