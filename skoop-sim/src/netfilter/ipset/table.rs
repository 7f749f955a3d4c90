//! Sets whose elements are numbers: found by hash, once for each combination of prefix lengths
//! (`mtype_test_cidrs`, `net/netfilter/ipset/ip_set_hash_gen.h`).

use std::hash::Hash;

use super::element::{ElementOptions, Key};
use super::layout::{Dimension, Layout};
use super::{Question, Value, value_of};
use crate::Tri;
use crate::hash::FastMap;
use crate::netfilter::run::Run;

/// A set of numbers.
#[derive(Debug)]
pub(super) struct Table {
    layout: Layout,
    elements: Elements,
    /// Combinations of prefix lengths that occur, the longest first: the order in which the kernel asks.
    lengths: Vec<[u8; 3]>,
    /// An element could not be read: "no" is not certain.
    partial: bool,
    /// How many more elements may come from ranges; a dump of the kernel has none.
    ranges_left: usize,
}

/// So many elements of a set may be written as ranges.
const MAX_FROM_RANGES: usize = 1 << 20;

/// Elements, with whether they are marked `nomatch`. What fits into 128 bits, as all of IPv4 does, is kept small.
#[derive(Debug)]
enum Elements {
    Small(Members<u128>),
    Large(Members<Key>),
}

type Members<K> = FastMap<K, bool>;

impl Table {
    pub(super) fn new(layout: Layout) -> Self {
        let bits: u32 = layout.dimensions.iter().map(|dimension| layout.bits_of(*dimension)).sum();
        let elements =
            if bits <= 128 { Elements::Small(Members::default()) } else { Elements::Large(Members::default()) };
        Self { layout, elements, lengths: Vec::new(), partial: false, ranges_left: MAX_FROM_RANGES }
    }

    pub(super) fn add(&mut self, text: &str, options: &ElementOptions) {
        let Self { layout, elements, lengths, partial, ranges_left } = self;
        if *ranges_left == 0 && text.contains('-') {
            *partial = true;
            return;
        }
        let mut count = 0_usize;
        let read = layout.element(text, |key| {
            count += 1;
            if lengths.last() != Some(&key.lengths) {
                lengths.push(key.lengths);
            }
            elements.insert(layout, key, options.nomatch);
        });
        *ranges_left = ranges_left.saturating_sub(count.saturating_sub(1));
        *partial |= read.is_none();
        // Keeps the list short while a large set is read in any order.
        if lengths.len() > 4096 {
            self.finish();
        }
    }

    pub(super) fn finish(&mut self) {
        self.lengths.sort_unstable_by(|one, other| other.cmp(one));
        self.lengths.dedup();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        match &self.elements {
            Elements::Small(elements) => elements.len(),
            Elements::Large(elements) => elements.len(),
        }
    }

    pub(super) fn contains(&self, question: &Question, run: &Run<'_>) -> Tri {
        let dimensions = &self.layout.dimensions;
        let sides = &question.sides;
        if self.layout.family.is_some_and(|family| family != run.packet.family()) || sides.len() < dimensions.len() {
            return Tri::No;
        }
        let mut values = [0; 3];
        for ((value, dimension), side) in values.iter_mut().zip(dimensions).zip(sides) {
            match value_of(*dimension, *side, run) {
                Value::Known(found) => *value = found,
                Value::Missing => return Tri::No,
                Value::Unknown if self.elements.is_empty() && !self.partial => return Tri::No,
                Value::Unknown => return Tri::Maybe,
            }
        }
        let inverted = question.return_nomatch && self.layout.has_nomatch;
        for lengths in &self.lengths {
            if let Some(nomatch) = self.elements.find(&self.layout, self.layout.key(values, *lengths)) {
                return (nomatch == inverted).into();
            }
        }
        if self.partial { Tri::Maybe } else { Tri::No }
    }
}

impl Elements {
    fn is_empty(&self) -> bool {
        match self {
            Self::Small(elements) => elements.is_empty(),
            Self::Large(elements) => elements.is_empty(),
        }
    }

    fn insert(&mut self, layout: &Layout, key: Key, nomatch: bool) {
        fn put<K: Eq + Hash>(elements: &mut Members<K>, key: K, nomatch: bool) {
            elements.insert(key, nomatch);
        }
        match self {
            Self::Small(elements) => put(elements, layout.packed(&key), nomatch),
            Self::Large(elements) => put(elements, key, nomatch),
        }
    }

    fn find(&self, layout: &Layout, key: Key) -> Option<bool> {
        match self {
            Self::Small(elements) => elements.get(&layout.packed(&key)).copied(),
            Self::Large(elements) => elements.get(&key).copied(),
        }
    }
}

impl Layout {
    /// The key under which a packet with these values stands, if the set holds it with these lengths.
    fn key(&self, values: [u128; 3], lengths: [u8; 3]) -> Key {
        let mut key = Key { lengths, values };
        for ((value, length), dimension) in key.values.iter_mut().zip(lengths).zip(&self.dimensions) {
            match dimension {
                Dimension::Address | Dimension::Prefix => *value &= self.prefix_mask(length) & self.mask,
                Dimension::Mark => *value &= u128::from(self.mark_mask),
                _ => {}
            }
        }
        key
    }

    /// The key as one number, for layouts that fit.
    fn packed(&self, key: &Key) -> u128 {
        let mut all = 0_u128;
        for ((value, length), dimension) in key.values.iter().zip(key.lengths).zip(&self.dimensions) {
            let bits = self.bits_of(*dimension);
            let own = match dimension {
                Dimension::Address | Dimension::Prefix => (value << 8) | u128::from(length),
                _ => *value,
            };
            all = all.checked_shl(bits).unwrap_or(0) | own;
        }
        all
    }
}
