//! Lists of `recent` as the kernel prints them (`recent_seq_show`), and what the packets of a walk did to them.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Mutex;

use skoop_model::Family;

use crate::Tri;
use crate::netfilter::common::bits;

/// The lists of a namespace.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    by_name: HashMap<Box<str>, List>,
    /// The latest time in any list: now is not earlier.
    latest: u64,
    /// Now, in jiffies, and how many make a second.
    clock: Option<(u64, u64)>,
}

/// Addresses of one list.
type List = HashMap<(Family, u128), Vec<Entry>>;

/// One address.
#[derive(Debug)]
pub(super) struct Entry {
    ttl: u8,
    /// When it was seen, in jiffies since boot.
    pub stamps: Vec<u64>,
}

impl Lists {
    pub(crate) fn read(texts: &BTreeMap<String, String>) -> Self {
        let mut all = Self::default();
        for (name, text) in texts {
            let mut list = List::new();
            for line in text.lines() {
                if let Some(clock) = clock(line) {
                    all.clock = Some(clock);
                } else if let Some((key, entry)) = entry(line) {
                    all.latest = entry.stamps.iter().copied().fold(all.latest, u64::max);
                    list.entry(key).or_default().push(entry);
                }
            }
            all.by_name.insert(name.as_str().into(), list);
        }
        all
    }

    /// `recent_entry_lookup`: TTL 0 fits any.
    pub(super) fn find(&self, name: &str, key: (Family, u128), ttl: Option<u8>) -> Option<&Entry> {
        let fits = |entry: &&Entry| ttl.is_none_or(|ttl| entry.ttl == ttl || entry.ttl == 0 || ttl == 0);
        self.by_name.get(name)?.get(&key)?.iter().find(fits)
    }

    /// Whether a time is at most so many seconds ago.
    pub(super) fn is_younger(&self, stamp: u64, seconds: u64) -> Tri {
        match self.clock {
            Some((now, hz)) => (now.saturating_sub(stamp) <= seconds.saturating_mul(hz)).into(),
            None if self.latest.saturating_sub(stamp) / 1000 > seconds => Tri::No,
            None => Tri::Maybe,
        }
    }
}

/// `src=10.0.0.1 ttl: 64 last_seen: 4295043522 oldest_pkt: 2 4295043000, 4295043522`.
fn entry(line: &str) -> Option<((Family, u128), Entry)> {
    let rest = line.trim_ascii().strip_prefix("src=")?;
    let (address, rest) = rest.split_once(' ')?;
    let address: IpAddr = address.parse().ok()?;
    let (ttl, rest) = rest.strip_prefix("ttl: ")?.split_once(' ')?;
    let (_, stamps) = rest.split_once("oldest_pkt: ")?;
    let (_, stamps) = stamps.split_once(' ').unwrap_or((stamps, ""));
    let stamps = stamps.split(',').filter_map(|stamp| stamp.trim_ascii().parse().ok()).collect();
    Some(((Family::of(address), bits(address)), Entry { ttl: ttl.parse().ok()?, stamps }))
}

/// `jiffies: NOW hz: HZ`.
fn clock(line: &str) -> Option<(u64, u64)> {
    let (now, hz) = line.trim_ascii().strip_prefix("jiffies: ")?.split_once(" hz: ")?;
    Some((now.parse().ok()?, hz.parse().ok().filter(|hz| *hz > 0)?))
}

/// What the packets of a walk did to the lists of one namespace, and to the labels of its flows: matches that change something.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Acts>);

/// What was done, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Acts {
    seen: Vec<Remembered>,
    /// Labels that flows were given, with their bit.
    labels: Vec<(usize, u32)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Remembered {
    name: Box<str>,
    key: (Family, u128),
    ttl: u8,
    found: Found,
}

/// One address that rules of this walk touched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// How often it was seen since.
    pub seen: usize,
    /// What was there before is gone.
    pub removed: bool,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touch {
    Seen,
    Removed,
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.0.lock().map(|all| all.clone()).unwrap_or_default()))
    }
}

impl Memory {
    /// Whether the same was done.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let all = |memory: &Self| memory.0.lock().map(|all| all.clone()).unwrap_or_default();
        all(self) == all(other)
    }

    pub(super) fn touch(&self, name: &str, key: (Family, u128), ttl: u8, touch: Touch) {
        let Ok(mut acts) = self.0.lock() else { return };
        let all = &mut acts.seen;
        let place = all.iter().position(|known| *known.name == *name && known.key == key);
        if place.is_none() {
            all.push(Remembered { name: name.into(), key, ttl, found: Found::default() });
        }
        let known = place.unwrap_or(all.len().saturating_sub(1));
        if let Some(known) = all.get_mut(known) {
            known.ttl = ttl;
            match touch {
                Touch::Seen => known.found.seen += 1,
                Touch::Removed => known.found = Found { seen: 0, removed: true },
            }
        }
    }

    pub(super) fn find(&self, name: &str, key: (Family, u128), ttl: Option<u8>) -> Option<Found> {
        let acts = self.0.lock().ok()?;
        let fits = |known: &&Remembered| {
            *known.name == *name && known.key == key && ttl.is_none_or(|ttl| known.found.removed || known.ttl == ttl)
        };
        acts.seen.iter().find(fits).map(|known| known.found)
    }

    /// Whether a rule of this walk gave a flow the label.
    pub(in crate::netfilter::matches) fn has_label(&self, flow: usize, bit: u32) -> bool {
        self.0.lock().is_ok_and(|acts| acts.labels.contains(&(flow, bit)))
    }

    pub(in crate::netfilter::matches) fn set_label(&self, flow: usize, bit: u32) {
        if let Ok(mut acts) = self.0.lock()
            && !acts.labels.contains(&(flow, bit))
        {
            acts.labels.push((flow, bit));
        }
    }
}
