//! One routing table, found in by longest prefix.

use std::net::IpAddr;

use ipnet::IpNet;
use skoop_model::{Route, TableId};

use crate::hash::FastMap;

/// Routes by prefix length, longest first, and by prefix: a lookup is one probe for each length that occurs.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    lengths: Vec<Length>,
}

#[derive(Debug, Clone)]
struct Length {
    bits: u8,
    routes: FastMap<u128, Vec<Route>>,
}

impl Table {
    /// All tables of one family.
    pub fn all<'a>(routes: impl Iterator<Item = &'a Route>) -> FastMap<TableId, Self> {
        let mut tables: FastMap<TableId, Self> = FastMap::default();
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
            self.lengths.push(Length { bits, routes: FastMap::default() });
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
