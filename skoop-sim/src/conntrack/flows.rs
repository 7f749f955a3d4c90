//! Flows of a walk: one of them without any allocation, many of them found by hash.

use std::collections::HashMap;

use super::{Connection, Direction, Tuple};

/// So many flows are looked through one by one.
const SCANNED: usize = 16;

/// Flows by their number, in the order in which they began.
#[derive(Debug, Clone, Default)]
pub(super) struct Flows {
    first: Option<Connection>,
    more: Vec<Connection>,
    index: Option<Box<Index>>,
}

/// Where confirmed flows and entries of the snapshot are found, once there are many flows.
#[derive(Debug, Clone, Default)]
struct Index {
    by_tuple: HashMap<Tuple, Vec<(usize, Direction)>>,
    by_entry: HashMap<u32, usize>,
    /// Flows that are in it.
    filed: usize,
}

impl Flows {
    pub(super) fn get(&self, id: usize) -> Option<&Connection> {
        match id.checked_sub(1) {
            None => self.first.as_ref(),
            Some(place) => self.more.get(place),
        }
    }

    pub(super) fn get_mut(&mut self, id: usize) -> Option<&mut Connection> {
        match id.checked_sub(1) {
            None => self.first.as_mut(),
            Some(place) => self.more.get_mut(place),
        }
    }

    pub(super) fn push(&mut self, connection: Connection) -> usize {
        let entry = connection.entry;
        let confirmed = connection.confirmed;
        let id = self.len();
        match self.first {
            None => self.first = Some(connection),
            Some(_) => self.more.push(connection),
        }
        if self.len() > SCANNED {
            let index = self.index.get_or_insert_default();
            if let Some(entry) = entry {
                index.by_entry.insert(entry, id);
            }
        }
        if confirmed {
            self.file(id);
        }
        id
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    /// All, the newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = (usize, &Connection)> {
        let more = self.more.iter().enumerate().rev().map(|(place, flow)| (place + 1, flow));
        more.chain(self.first.iter().map(|first| (0, first)))
    }

    /// Files a flow that was just confirmed, with all before it if there are many by now.
    pub(super) fn file(&mut self, id: usize) {
        if self.len() <= SCANNED {
            return;
        }
        let index = self.index.get_or_insert_default();
        let missing = if index.filed == 0 { 0..=id } else { id..=id };
        let all = self.first.iter().chain(&self.more).enumerate();
        let (skipped, count) = (*missing.start(), missing.count());
        for (place, flow) in all.skip(skipped).take(count) {
            if let Some(entry) = flow.entry {
                index.by_entry.insert(entry, place);
            }
            if flow.confirmed {
                for (tuple, direction) in [(flow.original, Direction::Original), (flow.reply, Direction::Reply)] {
                    let filed = index.by_tuple.entry(tuple).or_default();
                    if !filed.contains(&(place, direction)) {
                        filed.push((place, direction));
                    }
                }
            }
        }
        index.filed += count;
    }

    /// Confirmed flows with this tuple, the newest first.
    pub(super) fn with_tuple(&self, tuple: &Tuple) -> impl Iterator<Item = (usize, Direction)> {
        let tuple = *tuple;
        let filed = self.index.as_ref().filter(|index| index.filed > 0);
        let found = filed.and_then(|index| index.by_tuple.get(&tuple)).map(Vec::as_slice).unwrap_or_default();
        let scanned = filed.is_none().then(|| self.newest()).into_iter().flatten();
        let fits = move |(id, flow): (usize, &Connection)| {
            if !flow.confirmed {
                None
            } else if flow.reply == tuple {
                // Filed last, it is found first where both are alike (`__nf_conntrack_hash_insert`).
                Some((id, Direction::Reply))
            } else {
                (flow.original == tuple).then_some((id, Direction::Original))
            }
        };
        found.iter().rev().copied().chain(scanned.filter_map(fits))
    }

    /// The flow that an entry of the snapshot became.
    pub(super) fn of_entry(&self, entry: u32) -> Option<&Connection> {
        match &self.index {
            Some(index) if index.filed > 0 => self.get(*index.by_entry.get(&entry)?),
            _ => self.newest().map(|(_, flow)| flow).find(|flow| flow.entry == Some(entry)),
        }
    }
}
