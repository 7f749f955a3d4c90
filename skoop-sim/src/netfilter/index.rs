//! Index of a long chain: which of its rules can match a packet at all.
//!
//! Rules are filed under the most telling thing that they demand: destination address, protocol and port together, or one of
//! them alone, or the source address. A packet then meets only the rules filed under what it has, and those that demand nothing
//! of the kind, in the order of the chain.

use std::hash::BuildHasherDefault;

use skoop_model::Family;

use super::common::{Common, PacketKey};
use crate::hash::FastMap;

/// Chains with fewer rules are scanned.
const MIN_RULES: usize = 8;

/// What a rule demands of a packet: an address, and in [`Demand::rest`] the kind of demand, protocol and port. In whole words, which
/// hash and compare in a few steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Demand {
    high: u64,
    low: u64,
    rest: u32,
}

/// Destination address, protocol, destination port.
const SERVICE: u32 = 1;
/// Destination address.
const DESTINATION: u32 = 2;
/// Protocol and destination port.
const PORT: u32 = 4;
/// Source address.
const SOURCE: u32 = 8;

impl Demand {
    fn new(kind: u32, address: u128, protocol: u8, port: u16) -> Self {
        let half = |value: u128| u64::try_from(value & u128::from(u64::MAX)).unwrap_or_default();
        let rest = kind << 24 | u32::from(protocol) << 16 | u32::from(port);
        Self { high: half(address >> 64), low: half(address), rest }
    }

    fn kind(self) -> u32 {
        self.rest >> 24
    }
}

/// Index of one chain.
#[derive(Debug)]
pub(crate) struct Index {
    filed: FastMap<Demand, Run>,
    /// Kinds of demands that occur.
    kinds: u32,
    /// Rules that demand nothing of the kind.
    rest: Run,
    /// Rule numbers, those of each run side by side and rising.
    rules: Vec<u32>,
    /// How many of them are in use.
    live: usize,
}

/// A piece of [`Index::rules`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Run {
    start: u32,
    end: u32,
}

/// Where a packet stands in a chain.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cursor<'t> {
    /// Next rule and end.
    Scan(u32, u32),
    /// What is left of the runs that concern the packet.
    Indexed(&'t Index, [Run; 5]),
}

impl Default for Cursor<'_> {
    fn default() -> Self {
        Self::Scan(0, 0)
    }
}

impl Index {
    /// The index of a chain, if it is long enough and at least half of its rules can be filed.
    pub(crate) fn build<'r>(family: Family, rules: impl Iterator<Item = (u32, &'r Common)>) -> Option<Self> {
        let (low, _) = rules.size_hint();
        if low < MIN_RULES {
            return None;
        }
        let mut keyed: FastMap<Demand, Vec<u32>> = FastMap::default();
        let mut rest = Vec::new();
        let mut filed = 0_usize;
        for (number, common) in rules {
            match demand(common, family) {
                Some(demand) => {
                    keyed.entry(demand).or_default().push(number);
                    filed += 1;
                }
                None => rest.push(number),
            }
        }
        if filed < rest.len() {
            return None;
        }
        let live = filed + rest.len();
        let mut index = Self {
            filed: FastMap::with_capacity_and_hasher(keyed.len(), BuildHasherDefault::default()),
            kinds: 0,
            rest: Run::default(),
            rules: Vec::with_capacity(live),
            live,
        };
        index.rest = index.append(&rest);
        for (demand, numbers) in keyed {
            let run = index.append(&numbers);
            index.file(demand, run);
        }
        Some(index)
    }

    fn file(&mut self, demand: Demand, run: Run) {
        self.kinds |= demand.kind();
        self.filed.insert(demand, run);
    }

    fn append(&mut self, numbers: &[u32]) -> Run {
        let place = |rules: &Vec<u32>| u32::try_from(rules.len()).unwrap_or(u32::MAX);
        let start = place(&self.rules);
        self.rules.extend_from_slice(numbers);
        Run { start, end: place(&self.rules) }
    }

    /// Every rule moved behind by this many places.
    pub(crate) fn shift(&mut self, by: u32) {
        for rule in &mut self.rules {
            *rule = rule.saturating_add(by);
        }
    }

    /// Files one more rule, which comes behind all others. False if the index has become wasteful: it is to be built anew.
    pub(crate) fn push(&mut self, family: Family, number: u32, common: &Common) -> bool {
        let demand = demand(common, family);
        let run = match demand {
            Some(demand) => self.filed.get(&demand).copied().unwrap_or_default(),
            None => self.rest,
        };
        let place = |rules: &Vec<u32>| u32::try_from(rules.len()).unwrap_or(u32::MAX);
        let [start, end] = [run.start, run.end].map(|place| usize::try_from(place).unwrap_or(usize::MAX));
        let mut grown = run;
        if end != self.rules.len() {
            grown.start = place(&self.rules);
            self.rules.extend_from_within(start.min(end).min(self.rules.len())..end.min(self.rules.len()));
        }
        self.rules.push(number);
        grown.end = place(&self.rules);
        match demand {
            Some(demand) => self.file(demand, grown),
            None => self.rest = grown,
        }
        self.live += 1;
        self.rules.len() <= 2 * self.live
    }

    /// The rules that concern a packet.
    pub(crate) fn cursor(&self, key: &PacketKey) -> Cursor<'_> {
        let find = |kind: u32, address: u128, protocol: u8, port: u16| {
            if self.kinds & kind == 0 {
                return Run::default();
            }
            self.filed.get(&Demand::new(kind, address, protocol, port)).copied().unwrap_or_default()
        };
        let (service, port) = key.dport.map_or_else(Default::default, |dport| {
            (find(SERVICE, key.dst, key.protocol, dport), find(PORT, 0, key.protocol, dport))
        });
        let destination = find(DESTINATION, key.dst, 0, 0);
        Cursor::Indexed(self, [service, destination, port, find(SOURCE, key.src, 0, 0), self.rest])
    }
}

impl Cursor<'_> {
    /// The next rule.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u32> {
        match self {
            Self::Scan(next, end) => {
                let rule = *next;
                (rule < *end).then(|| {
                    *next += 1;
                    rule
                })
            }
            Self::Indexed(index, runs) => {
                let rules = &index.rules;
                let head = |run: &Run| {
                    (run.start < run.end).then(|| rules.get(usize::try_from(run.start).ok()?).copied()).flatten()
                };
                let (rule, run) =
                    runs.iter_mut().filter_map(|run| Some((head(run)?, run))).min_by_key(|(rule, _)| *rule)?;
                run.start += 1;
                Some(rule)
            }
        }
    }

    /// Whether no rule is left.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Scan(next, end) => next >= end,
            Self::Indexed(_, runs) => runs.iter().all(|run| run.start >= run.end),
        }
    }
}

fn demand(common: &Common, family: Family) -> Option<Demand> {
    let family = common.family.unwrap_or(family);
    let inverted = common.inverted;
    let protocol = (common.protocol != 0 && !inverted.protocol).then_some(common.protocol);
    let dport = common.dports.filter(|range| range.first == range.last).map(|range| range.first.0);
    let destination = common.dst.only(family).filter(|_| !inverted.dst);
    match (destination, protocol, dport) {
        (Some(dst), Some(protocol), Some(dport)) => Some(Demand::new(SERVICE, dst, protocol, dport)),
        (Some(dst), _, _) => Some(Demand::new(DESTINATION, dst, 0, 0)),
        (None, Some(protocol), Some(dport)) => Some(Demand::new(PORT, 0, protocol, dport)),
        (None, _, _) => common.src.only(family).filter(|_| !inverted.src).map(|src| Demand::new(SOURCE, src, 0, 0)),
    }
}
