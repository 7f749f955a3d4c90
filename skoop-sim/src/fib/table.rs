//! One routing table, found in by longest prefix.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;

use ipnet::IpNet;
use skoop_model::{Route, TableId};

/// Routes by prefix length, longest first, and by prefix: a lookup is one probe for each length that occurs.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    lengths: Vec<Length>,
}

#[derive(Debug, Clone)]
struct Length {
    bits: u8,
    routes: HashMap<u128, Vec<Route>, BuildHasherDefault<PrefixHasher>>,
}

impl Table {
    /// All tables of one family.
    pub fn all<'a>(routes: impl Iterator<Item = &'a Route>) -> HashMap<TableId, Self> {
        let mut tables: HashMap<TableId, Self> = HashMap::new();
        for route in routes {
            tables.entry(route.table).or_default().insert(route.clone());
        }
        for length in tables.values_mut().flat_map(|table| &mut table.lengths) {
            // The kernel's own order (`fib_find_alias`, `net/ipv4/fib_trie.c`; `fib6_add_rt2node`,
            // `net/ipv6/ip6_fib.c`); equal ones stay as they were dumped.
            for routes in length.routes.values_mut() {
                routes.sort_by_key(|route| (std::cmp::Reverse(route.tos), route.metric));
            }
        }
        for table in tables.values_mut() {
            table.lengths.sort_by_key(|length| std::cmp::Reverse(length.bits));
        }
        tables
    }

    /// Routes whose prefix holds `address`, grouped by prefix, the longest first.
    pub fn matching(&self, address: IpAddr) -> impl Iterator<Item = (u8, &[Route])> {
        let (key, width) = key(address);
        self.lengths.iter().filter_map(move |length| {
            let routes = length.routes.get(&masked(key, width, length.bits))?;
            Some((length.bits, routes.as_slice()))
        })
    }

    fn insert(&mut self, route: Route) {
        let bits = route.dst.prefix_len();
        let (address, width) = key(route.dst.addr());
        let position = self.lengths.iter().position(|length| length.bits == bits).unwrap_or_else(|| {
            self.lengths.push(Length { bits, routes: HashMap::default() });
            self.lengths.len() - 1
        });
        if let Some(length) = self.lengths.get_mut(position) {
            length.routes.entry(masked(address, width, bits)).or_default().push(route);
        }
    }
}

/// Whether `net` holds `address`, both of the same family.
pub(super) fn holds(net: &IpNet, address: IpAddr) -> bool {
    net.contains(&address)
}

fn key(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fn masked(key: u128, width: u8, bits: u8) -> u128 {
    let host = width.saturating_sub(bits);
    key.checked_shr(u32::from(host)).unwrap_or(0)
}

/// Hash of a prefix: multiply and fold, several times quicker than the standard hash, which lookups of a hundred
/// nanoseconds feel.
#[derive(Debug, Clone, Default)]
pub(super) struct PrefixHasher(u64);

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

impl PrefixHasher {
    fn mix(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value) * u128::from(MULTIPLIER);
        let [low, high] = [product, product >> 64].map(|half| half & u128::from(u64::MAX));
        self.0 = u64::try_from(low ^ high).unwrap_or(0);
    }
}

impl Hasher for PrefixHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.mix(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn write_u128(&mut self, value: u128) {
        let [low, high] = [value, value >> 64].map(|half| half & u128::from(u64::MAX));
        self.mix(u64::try_from(low).unwrap_or(0));
        self.mix(u64::try_from(high).unwrap_or(0) ^ MULTIPLIER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_those_of_the_family() {
        assert_eq!(masked(key("10.1.2.3".parse().expect("address")).0, 32, 8), 10);
        assert_eq!(masked(key("::1".parse().expect("address")).0, 128, 0), 0);
        assert_eq!(masked(key("::1".parse().expect("address")).0, 128, 128), 1);
    }
}
