//! Sets and maps, compiled for lookups: single values by hash (`nft_set_hash.c`), intervals by binary search (`nft_set_rbtree.c`),
//! concatenations of ranges by hash for each shape of their prefixes (`nft_set_pipapo.c`); all in `net/netfilter/`.

use std::hash::{Hash, Hasher};

use crate::Tri;
use crate::hash::FastMap;
use crate::netfilter::image::Seen;
use crate::netfilter::table::Verdict;

/// Parts that a concatenation may have here; the kernel allows 64 bytes.
pub(crate) const MAX_PARTS: usize = 6;

/// A key: one number for each part of the concatenation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Key {
    pub count: usize,
    pub parts: [u128; MAX_PARTS],
}

impl Key {
    /// The key of values that are known.
    pub(crate) fn of(values: &[Seen]) -> Option<Self> {
        let mut key = Self { count: values.len(), ..Self::default() };
        for (part, value) in key.parts.iter_mut().zip(values) {
            *part = value.exact()?;
        }
        Some(key)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for part in self.parts.iter().take(self.count) {
            state.write_u128(*part);
        }
    }
}

/// The smallest and the largest value of each part.
pub(crate) type Ranges = Box<[(u128, u128)]>;

/// What an element of a map stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stored {
    Nothing,
    /// A range for each part of the value; mostly one value of one part.
    Data(Ranges),
    Verdict(Verdict),
}

/// A set, map or verdict map.
#[derive(Debug, Default)]
pub(crate) struct SetData {
    /// Empty for an anonymous one.
    pub name: Box<str>,
    exact: FastMap<Key, u32>,
    /// Sorted, of one part each.
    intervals: Vec<(u128, u128, u32)>,
    boxes: Vec<(Ranges, u32)>,
    shapes: Vec<Shape>,
    catch_all: Option<u32>,
    /// By element.
    pub stored: Vec<Stored>,
    /// Tells the set from all others of the namespace; 0 for an anonymous one.
    pub id: u64,
    /// A rule looks it up.
    pub asked: bool,
    /// An element was not understood, or the set was not seen: "not in the set" is not certain.
    pub partial: bool,
    /// Packets put elements into it.
    pub dynamic: bool,
}

/// Elements whose parts are prefixes of the same lengths; a part that is no prefix counts as one of length 0.
#[derive(Debug)]
struct Shape {
    masks: [u128; MAX_PARTS],
    /// Places in [`SetData::boxes`].
    filed: FastMap<Key, Vec<u32>>,
}

/// What a rule did to a set in this walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SetChange {
    /// [`SetData::id`].
    pub set: u64,
    pub key: Key,
    /// It was added, not deleted.
    pub added: bool,
}

/// Result of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Element.
    Hit(u32),
    Miss,
    /// An element that a rule added in this walk.
    Added,
    /// One of these elements, or none if so it says; empty where the element is one that was not understood.
    Doubt {
        elements: Vec<u32>,
        or_none: bool,
    },
}

impl Found {
    pub(crate) fn is_hit(&self) -> Tri {
        match self {
            Self::Hit(_) | Self::Added | Self::Doubt { or_none: false, .. } => Tri::Yes,
            Self::Miss => Tri::No,
            Self::Doubt { .. } => Tri::Maybe,
        }
    }
}

impl SetData {
    /// A set that was not seen.
    pub(crate) fn unseen(name: &str) -> Self {
        Self { name: name.into(), partial: true, ..Self::default() }
    }

    /// Adds an element; of equal ones the first counts.
    pub(crate) fn add(&mut self, ranges: Ranges, stored: Stored) {
        let element = self.store(stored);
        if ranges.iter().all(|(first, last)| first == last) {
            self.exact.entry(key_of(&ranges)).or_insert(element);
        } else if let [(first, last)] = &*ranges {
            self.intervals.push((*first, *last, element));
        } else {
            self.boxes.push((ranges, element));
        }
    }

    /// Adds the element `*`.
    pub(crate) fn add_catch_all(&mut self, stored: Stored) {
        self.catch_all = Some(self.store(stored));
    }

    fn store(&mut self, stored: Stored) -> u32 {
        self.stored.push(stored);
        place(self.stored.len() - 1)
    }

    /// Sorts what was added.
    pub(crate) fn finish(&mut self) {
        self.intervals.sort_unstable();
        for (number, (ranges, _)) in (0..).zip(&self.boxes) {
            let masks = masks_of(ranges);
            let key = masked(key_of(ranges), &masks);
            if let Some(shape) = self.shapes.iter_mut().find(|shape| shape.masks == masks) {
                shape.filed.entry(key).or_default().push(number);
            } else {
                let filed = [(key, vec![number])].into_iter().collect();
                self.shapes.push(Shape { masks, filed });
            }
        }
    }

    /// The verdicts of all elements.
    pub(crate) fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        self.stored.iter().filter_map(|stored| match stored {
            Stored::Verdict(verdict) => Some(*verdict),
            Stored::Nothing | Stored::Data(_) => None,
        })
    }

    /// Looks up a key of which some bits may be unknown. `changes` is what rules did to sets before.
    pub(crate) fn find(&self, values: &[Seen], changes: &[SetChange]) -> Found {
        let Some(key) = Key::of(values) else { return self.scan(values) };
        let mut changes = changes.iter().rev();
        match changes.find(|change| change.set == self.id && change.key == key && self.id != 0) {
            Some(change) if !change.added => return Found::Miss,
            // What was there before keeps its value.
            Some(_) => return self.find_exact(&key).map_or(Found::Added, Found::Hit),
            None => {}
        }
        match self.find_exact(&key) {
            Some(element) => Found::Hit(element),
            None => self.missed(),
        }
    }

    fn missed(&self) -> Found {
        if self.partial { Found::Doubt { elements: Vec::new(), or_none: true } } else { Found::Miss }
    }

    fn find_exact(&self, key: &Key) -> Option<u32> {
        if let Some(element) = self.exact.get(key) {
            return Some(*element);
        }
        let in_interval = self.interval(key);
        in_interval.or_else(|| self.in_boxes(key)).or(self.catch_all.filter(|_| !self.partial))
    }

    fn interval(&self, key: &Key) -> Option<u32> {
        let [value, ..] = key.parts;
        let behind = self.intervals.partition_point(|(first, ..)| *first <= value);
        let (_, last, element) = self.intervals.get(behind.checked_sub(1)?)?;
        (value <= *last).then_some(*element)
    }

    /// Of several elements that fit the one that was added first.
    fn in_boxes(&self, key: &Key) -> Option<u32> {
        let candidates = self.shapes.iter().filter_map(|shape| shape.filed.get(&masked(*key, &shape.masks))).flatten();
        let fits = |number: &&u32| {
            let ranges = usize::try_from(**number).ok().and_then(|number| self.boxes.get(number));
            ranges.is_some_and(|(ranges, _)| {
                ranges.iter().zip(key.parts).all(|((first, last), part)| (*first..=*last).contains(&part))
            })
        };
        let number = candidates.filter(fits).min()?;
        self.boxes.get(usize::try_from(*number).ok()?).map(|(_, element)| *element)
    }

    /// All elements with their ranges.
    pub(crate) fn elements(&self) -> impl Iterator<Item = (Ranges, u32)> {
        let exact = self.exact.iter().map(|(key, element)| {
            (key.parts.iter().take(key.count).map(|part| (*part, *part)).collect::<Ranges>(), *element)
        });
        let intervals = self.intervals.iter().map(|(first, last, element)| (Ranges::from([(*first, *last)]), *element));
        let boxes = self.boxes.iter().map(|(ranges, element)| (ranges.clone(), *element));
        exact.chain(intervals).chain(boxes)
    }

    fn scan(&self, values: &[Seen]) -> Found {
        let mut elements = Vec::new();
        let mut or_none = true;
        for (ranges, element) in self.elements() {
            let fits = ranges
                .iter()
                .zip(values)
                .fold(Tri::Yes, |all, ((first, last), value)| all.and(value.within(*first, *last)));
            if fits != Tri::No {
                elements.push(element);
                or_none &= fits == Tri::Maybe;
            }
        }
        elements.sort_unstable();
        match (elements.as_slice(), or_none, self.catch_all) {
            ([], _, None) => self.missed(),
            ([], _, Some(element)) if !self.partial => Found::Hit(element),
            ([only], false, _) => Found::Hit(*only),
            (_, true, Some(element)) => {
                elements.push(element);
                Found::Doubt { elements, or_none: self.partial }
            }
            _ => Found::Doubt { elements, or_none },
        }
    }
}

fn key_of(ranges: &[(u128, u128)]) -> Key {
    let mut key = Key { count: ranges.len(), ..Key::default() };
    for (part, (first, _)) in key.parts.iter_mut().zip(ranges) {
        *part = *first;
    }
    key
}

fn masked(mut key: Key, masks: &[u128; MAX_PARTS]) -> Key {
    for (part, mask) in key.parts.iter_mut().zip(masks) {
        *part &= mask;
    }
    key
}

/// The bits that all values of a part have in common, where it is a prefix.
fn masks_of(ranges: &[(u128, u128)]) -> [u128; MAX_PARTS] {
    let mut masks = [0; MAX_PARTS];
    for (mask, (first, last)) in masks.iter_mut().zip(ranges) {
        let host = first ^ last;
        if host & host.wrapping_add(1) == 0 && first & host == 0 {
            *mask = !host;
        }
    }
    masks
}

pub(super) fn place(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
