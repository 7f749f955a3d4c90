//! Sets of `ipset save`.

mod element;

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use skoop_model::{Family, Item, Transport, Unseen};

use super::common::bits;
use super::index::FastHasher;
use super::run::Run;
use crate::Tri;
use element::{Dimension, Key, Layout};

/// All sets of a namespace.
#[derive(Debug, Default)]
pub(crate) struct Sets(HashMap<Box<str>, Set>);

/// Which end of the packet a dimension of a set looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Src,
    Dst,
}

impl Side {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "src" => Some(Self::Src),
            "dst" => Some(Self::Dst),
            _ => None,
        }
    }
}

#[derive(Debug)]
enum Set {
    Hash(HashSet),
    /// `list:set`.
    List(Vec<Box<str>>),
    /// Of a type that is not modelled.
    Opaque,
}

#[derive(Debug)]
struct HashSet {
    layout: Layout,
    /// Elements, with whether they are marked `nomatch`.
    elements: HashMap<Key, bool, BuildHasherDefault<FastHasher>>,
    /// Combinations of prefix lengths that occur, the longest first: the order in which the kernel asks.
    lengths: Vec<[u8; 3]>,
    /// An element could not be read: "no" is not certain.
    partial: bool,
}

impl Sets {
    /// Reads `ipset save`. Without a dump every set is unknown, which shows where a rule asks for one.
    pub(crate) fn read(dump: &Item<String>, problems: &mut Vec<Unseen>) -> Self {
        let mut sets = Self::default();
        let text = match dump.get() {
            Ok(text) => text,
            Err(why) => {
                problems.push(Unseen { what: "ipset sets".to_owned(), why: why.to_string(), matters: false });
                return sets;
            }
        };
        for line in text.lines().filter(|line| !line.trim_ascii().is_empty()) {
            if sets.line(line).is_none() {
                let what = format!("ipset line `{line}`");
                problems.push(Unseen { what, why: "it is not understood".to_owned(), matters: false });
            }
        }
        for set in sets.0.values_mut() {
            if let Set::Hash(set) = set {
                set.lengths.sort_unstable_by(|one, other| other.cmp(one));
                set.lengths.dedup();
            }
        }
        sets
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        match (words.next()?, words.next()?, words.next()?) {
            ("create", name, kind) => {
                let set = match (kind, Layout::parse(kind, words)) {
                    ("list:set", _) => Set::List(Vec::new()),
                    (_, None) => Set::Opaque,
                    (_, Some(layout)) => {
                        Set::Hash(HashSet { layout, elements: HashMap::default(), lengths: Vec::new(), partial: false })
                    }
                };
                self.0.insert(name.into(), set);
            }
            ("add", name, element) => match self.0.get_mut(name)? {
                Set::Hash(set) => set.add(element, words.any(|word| word == "nomatch")),
                Set::List(members) => members.push(element.into()),
                Set::Opaque => {}
            },
            _ => return None,
        }
        Some(())
    }

    /// Whether the packet is in the set (`ip_set_test`, `net/netfilter/ipset/ip_set_core.c`).
    pub(crate) fn contains(&self, name: &str, sides: &[Side], return_nomatch: bool, run: &Run<'_>) -> Tri {
        match self.0.get(name) {
            Some(Set::Hash(set)) => set.contains(sides, return_nomatch, run),
            Some(Set::List(members)) => members.iter().fold(Tri::No, |any, member| {
                any.or(match self.0.get(member) {
                    Some(Set::Hash(set)) => set.contains(sides, return_nomatch, run),
                    // A list in a list is not possible.
                    _ => Tri::Maybe,
                })
            }),
            Some(Set::Opaque) | None => Tri::Maybe,
        }
    }
}

impl HashSet {
    fn add(&mut self, element: &str, nomatch: bool) {
        match self.layout.element(element) {
            Some(key) => {
                if self.lengths.last() != Some(&key.lengths) {
                    self.lengths.push(key.lengths);
                }
                self.elements.insert(key, nomatch);
            }
            None => self.partial = true,
        }
        // Keeps the list short while a large set is read in any order.
        if self.lengths.len() > 512 {
            self.lengths.sort_unstable();
            self.lengths.dedup();
        }
    }

    fn contains(&self, sides: &[Side], return_nomatch: bool, run: &Run<'_>) -> Tri {
        let dimensions = self.layout.dimensions();
        if self.layout.family.is_some_and(|family| family != run.packet.family()) || sides.len() < dimensions.len() {
            return Tri::No;
        }
        let mut values = [0; 3];
        for ((value, dimension), side) in values.iter_mut().zip(dimensions).zip(sides) {
            match value_of(*dimension, *side, run) {
                Some(found) => *value = found,
                None => return Tri::No,
            }
        }
        for lengths in &self.lengths {
            if let Some(nomatch) = self.elements.get(&self.layout.key(values, *lengths)) {
                return (*nomatch == return_nomatch).into();
            }
        }
        if self.partial { Tri::Maybe } else { Tri::No }
    }
}

/// What the packet has in one dimension; none if it has no such thing.
fn value_of(dimension: Dimension, side: Side, run: &Run<'_>) -> Option<u128> {
    let packet = &*run.packet;
    let address = match side {
        Side::Src => packet.src,
        Side::Dst => packet.dst,
    };
    let port = match side {
        Side::Src => packet.sport(),
        Side::Dst => packet.dport(),
    };
    Some(match dimension {
        Dimension::Address | Dimension::Prefix => bits(address),
        Dimension::Mark => u128::from(packet.mark.0),
        Dimension::BarePort => u128::from(port?.0),
        // `ip_set_get_ip4_port`: type and code stand for the ports of ICMP.
        Dimension::Port => {
            let number = match packet.transport {
                Transport::Icmp { kind, code, .. } => u16::from_be_bytes([kind, code]),
                _ => port.map_or(0, |port| port.0),
            };
            element::port_value(packet.protocol, number)
        }
    })
}

/// Width of the addresses of a set.
fn width(family: Option<Family>) -> u8 {
    family.map_or(128, Family::bits)
}
