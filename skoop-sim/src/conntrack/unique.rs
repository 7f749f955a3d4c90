//! Which addresses and ports NAT gives a flow (`get_unique_tuple`, `net/netfilter/nf_nat_core.c`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use skoop_model::Unseen;

use super::{Conntrack, Direction, Manip, Tuple, jhash, known};
use crate::Forks;

/// Destination ports drawn at random are each walked up to this number.
const WALKED_PORTS: u32 = 64;
/// Ports that the kernel tries before it begins anew (`max_attempts`).
const ATTEMPTS: u32 = 128;

/// What NAT may choose from (`struct nf_nat_range2`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NatRange {
    /// First and last address; none leaves it as it is.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// First and last port.
    pub ports: Option<(u16, u16)>,
    /// Port that the first of `ports` stands for (`NF_NAT_RANGE_PROTO_OFFSET`).
    pub base: Option<u16>,
    /// `--random`, `--random-fully`.
    pub random: bool,
    /// `--persistent`: the address depends on the source only.
    pub persistent: bool,
}

impl NatRange {
    /// One address, ports as they are.
    pub(crate) fn to(address: IpAddr) -> Self {
        Self { addresses: Some((address, address)), ..Self::default() }
    }
}

impl Conntrack {
    /// The tuple that the flow's packets shall have from now on, and whether its port was drawn at random.
    pub(super) fn unique(
        &self,
        id: usize,
        current: Tuple,
        range: NatRange,
        manip: Manip,
        forks: &mut Forks,
    ) -> (Tuple, bool) {
        if manip == Manip::Source && !range.random {
            if range.holds(&current) {
                if !self.is_used(id, &current) {
                    return (current, false);
                }
            } else if let Some((mapped, random)) = self.mapped_source(id, &current, range)
                && !self.is_used(id, &mapped)
            {
                return (mapped, random);
            }
        }
        let mut new = current;
        let zone = self.connection(id).map_or(0, |connection| connection.zone.id);
        choose_address(&mut new, range, manip, zone);
        if !range.random {
            let fits = match range.ports {
                None => !self.is_used(id, &new),
                Some((first, last)) => {
                    range.base.is_none()
                        && ports_hold(&new, manip, (first, last))
                        && (first == last || !self.is_used(id, &new))
                }
            };
            if fits {
                return (new, false);
            }
        }
        self.unique_port(id, new, range, manip, forks)
    }

    /// `nf_nat_l4proto_unique_tuple`.
    fn unique_port(&self, id: usize, tuple: Tuple, range: NatRange, manip: Manip, forks: &mut Forks) -> (Tuple, bool) {
        let icmp = tuple.protocol.is_icmp();
        let port = if manip == Manip::Source || icmp { tuple.sport() } else { tuple.dport() };
        let Some(port) = port else { return (tuple, false) };
        let (first, last) = match range.ports {
            Some((first, last)) => (first.min(last), first.max(last)),
            None if icmp => (0, u16::MAX),
            None if manip == Manip::Destination => return (tuple, false),
            None => port_class(port),
        };
        let size = u32::from(last - first) + 1;
        let with = |offset: u32| {
            let mut new = tuple;
            let port = u16::try_from(u32::from(first) + offset % size).unwrap_or(last);
            if manip == Manip::Source || icmp {
                new.set_sport(port);
            } else {
                new.set_dport(port);
            }
            new
        };
        let tries = size.min(ATTEMPTS);
        if let Some(base) = range.base {
            let offset = u32::from(port.wrapping_sub(base));
            let free = (offset..offset + tries).map(with).find(|new| !self.is_used(id, new));
            return (free.unwrap_or_else(|| with(offset + tries - 1)), false);
        }
        if size == 1 {
            return (with(0), false);
        }
        if manip == Manip::Destination && !icmp {
            let offset = self.draw_port((first, last), forks);
            return ((offset..offset + tries).map(with).find(|new| !self.is_used(id, new)).unwrap_or(tuple), false);
        }
        // Of a small range one port may be left.
        let mut free = (0..tries).map(with).filter(|new| size <= ATTEMPTS && !self.is_used(id, new));
        if let (Some(only), None) = (free.next(), free.next()) {
            return (only, false);
        }
        // One port stands for whichever is drawn: the own one if it may be that.
        let own = (first..=last).contains(&port).then_some(tuple);
        let stand_in = own.into_iter().chain((0..tries).map(with)).find(|new| !self.is_used(id, new));
        (stand_in.unwrap_or_else(|| with(0)), true)
    }

    fn draw_port(&self, (first, last): (u16, u16), forks: &mut Forks) -> u32 {
        let size = u32::from(last - first) + 1;
        if size > WALKED_PORTS {
            let what = format!("which of the ports {first} to {last} is taken{}", self.on_place());
            forks.unknown(Unseen { what, why: "it is drawn at random".to_owned(), matters: true });
            return 0;
        }
        let probability = 1.0 / f64::from(size);
        let options = vec![probability; usize::try_from(size).unwrap_or(1)];
        let label = |option: usize| format!("port {}", usize::from(first) + option);
        u32::try_from(forks.random(&options, label)).unwrap_or(0)
    }

    /// The source that another flow of the same sender was given, if it is in the range (`find_appropriate_src`).
    fn mapped_source(&self, id: usize, current: &Tuple, range: NatRange) -> Option<(Tuple, bool)> {
        let zone = self.connection(id)?.zone.of(Direction::Original);
        let source = known::source(current);
        let fit = |reply: Tuple, random: bool| {
            let mut mapped = reply.inverted();
            (mapped.dst, mapped.protocol) = (current.dst, current.protocol);
            if let Some(port) = current.dport() {
                mapped.set_dport(port);
            }
            if current.protocol.is_icmp() {
                let sport = mapped.sport();
                mapped.key = current.key;
                if let Some(id) = sport {
                    mapped.set_sport(id);
                }
            }
            range.holds(&mapped).then_some((mapped, random))
        };
        let walked = self.flows.newest().filter(|(other, flow)| {
            *other != id
                && !flow.dead
                && flow.source.done
                && flow.zone.of(Direction::Original) == zone
                && known::source(&flow.original) == source
        });
        let mut walked = walked.filter_map(|(_, flow)| fit(flow.reply, flow.source.random_port));
        if let Some(found) = walked.next() {
            return Some(found);
        }
        let known = self.known()?;
        let entries = known.with_source(&source).filter(|place| self.flows.of_entry(*place).is_none());
        entries
            .filter_map(|place| known.entry(place))
            .filter(|entry| entry.zone == zone)
            .find_map(|entry| fit(known::reply(entry), false))
    }

    /// `nf_nat_used_tuple`: whether the answer to `tuple` would be taken for one of another flow.
    pub(super) fn is_used(&self, id: usize, tuple: &Tuple) -> bool {
        let Some(own) = self.connection(id) else { return false };
        self.clash(id, &tuple.inverted(), own.original).is_some()
    }

    /// Another flow that has `tuple` in the zone of the flow `id` (`nf_conntrack_tuple_taken`): its number, or its place in the
    /// snapshot. A flow with the same original tuple in the same zone is the same flow.
    pub(super) fn clash(&self, id: usize, tuple: &Tuple, original: Tuple) -> Option<Result<usize, u32>> {
        let zone = self.connection(id)?.zone;
        let is_same = |other: Tuple, begun: u16| other == original && begun == zone.of(Direction::Original);
        let walked = self.flows.with_tuple(tuple).find(|(other, direction)| {
            *other != id
                && self.connection(*other).is_some_and(|flow| {
                    let same = is_same(flow.original, flow.zone.of(Direction::Original));
                    !flow.dead && flow.zone.of(*direction) == zone.of(*direction) && !same
                })
        });
        if let Some((other, _)) = walked {
            return Some(Ok(other));
        }
        let known = self.known()?;
        let taken = known.with_tuple(tuple).find(|(place, direction)| {
            self.flows.of_entry(*place).is_none()
                && known.entry(*place).is_some_and(|entry| {
                    entry.zone == zone.of(*direction) && !is_same(known::original(entry), entry.zone)
                })
        });
        taken.map(|(place, _)| Err(place))
    }
}

impl NatRange {
    /// Whether a source may stay as it is (`in_range`).
    fn holds(&self, tuple: &Tuple) -> bool {
        self.addresses.is_none_or(|(first, last)| (first..=last).contains(&tuple.src))
            && self.ports.is_none_or(|ports| ports_hold(tuple, Manip::Source, ports))
    }
}

/// `l4proto_in_range`.
fn ports_hold(tuple: &Tuple, manip: Manip, (first, last): (u16, u16)) -> bool {
    let source = manip == Manip::Source || tuple.protocol.is_icmp();
    let port = if source { tuple.sport() } else { tuple.dport() };
    port.is_none_or(|port| (first..=last).contains(&port))
}

/// Ports that a source may get instead of its own: privileged ones stay so.
fn port_class(port: u16) -> (u16, u16) {
    match port {
        0..512 => (1, 511),
        512..1024 => (600, 1023),
        1024.. => (1024, u16::MAX),
    }
}

/// `find_best_ips_proto`: a hash over the addresses chooses among several, without a secret. The words are those of a little-endian
/// machine.
fn choose_address(tuple: &mut Tuple, range: NatRange, manip: Manip, zone: u16) {
    let Some((first, last)) = range.addresses else { return };
    let chosen =
        if first == last { first } else { hashed_address(tuple, (first, last), range.persistent, manip, zone) };
    match manip {
        Manip::Source => tuple.src = chosen,
        Manip::Destination => tuple.dst = chosen,
    }
}

fn hashed_address(tuple: &Tuple, (first, last): (IpAddr, IpAddr), persistent: bool, manip: Manip, zone: u16) -> IpAddr {
    let (source, mut destination) = (words(tuple.src), words(tuple.dst));
    let (first_words, last_words) = (words(first), words(last));
    // An IPv4 address is the first word of four.
    let count = if first.is_ipv4() { 1 } else { 4 };
    let seed = destination.get(count - 1).copied().unwrap_or(0) ^ u32::from(zone);
    let mut hash = jhash::words(&source, if persistent { 0 } else { seed });
    let mut chosen = [0_u32; 4];
    let mut full = false;
    for place in 0..count {
        let at = |words: &[u32; 4]| words.get(place).copied().unwrap_or(0);
        let (low, distance) = if full {
            (0, u32::MAX)
        } else {
            let (low, high) = (at(&first_words).swap_bytes(), at(&last_words).swap_bytes());
            (low, high.wrapping_sub(low).wrapping_add(1))
        };
        let word = low.wrapping_add(jhash::scaled(hash, distance)).swap_bytes();
        if let Some(slot) = chosen.get_mut(place) {
            *slot = word;
        }
        full |= word != at(&last_words);
        if let Some(slot) = destination.get_mut(place).filter(|_| manip == Manip::Destination) {
            *slot = word;
        }
        if !persistent {
            hash ^= at(&destination);
        }
    }
    address(first, chosen)
}

/// The words of an address as the kernel of a little-endian machine reads them.
fn words(address: IpAddr) -> [u32; 4] {
    let mut bytes = [0_u8; 16];
    match address {
        IpAddr::V4(address) => bytes.iter_mut().zip(address.octets()).for_each(|(to, from)| *to = from),
        IpAddr::V6(address) => bytes = address.octets(),
    }
    let mut words = [0; 4];
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*chunk);
    }
    words
}

fn address(like: IpAddr, words: [u32; 4]) -> IpAddr {
    let number = words.iter().fold(0_u128, |number, word| (number << 32) | u128::from(word.swap_bytes()));
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(words.first().map_or(0, |word| word.swap_bytes()))),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// What Linux 6.18 chose: source, destination, first and last address, and whether `--persistent`.
    #[test]
    fn the_hash_chooses_as_the_kernel_does() {
        use Manip::{Destination, Source};
        let v4 = ("10.96.0.1", "10.244.1.2", "10.244.1.40");
        let pool = ("10.96.0.1", "172.16.0.1", "172.16.9.9");
        let v6 = ("fd96::1", "fd01::2", "fd01::40");
        let v6_wide = ("fd96::1", "fd01::2", "fd01:0:0:5::40");
        let v6_pool = ("fd96::1", "fd02::1", "fd02:0:7:1::9");
        for ((manip, (dst, first, last), persistent, zone), chosen) in [
            ((Destination, v4, false, 0), ["10.244.1.9", "10.244.1.13", "10.244.1.28", "10.244.1.8"]),
            ((Destination, v4, true, 0), ["10.244.1.36", "10.244.1.2", "10.244.1.5", "10.244.1.18"]),
            ((Destination, v4, false, 7), ["10.244.1.6", "10.244.1.12", "10.244.1.25", "10.244.1.30"]),
            ((Source, pool, false, 0), ["172.16.1.207", "172.16.2.165", "172.16.6.44", "172.16.1.110"]),
            ((Destination, v6, false, 0), ["fd01::26", "fd01::8", "fd01::31", "fd01::d"]),
            (
                (Destination, v6_wide, false, 0),
                [
                    "fd01::3:903c:c622:b2fa:fab2",
                    "fd01::1b8d:5ada:c1d7:d7bf",
                    "fd01::4:c44e:39f6:3277:7732",
                    "fd01::1:2fb0:dab4:9b6a:6a99",
                ],
            ),
            (
                (Source, v6_pool, false, 0),
                [
                    "fd02:0:4:6a7:933c:5122:933c:5122",
                    "fd02::c0e0:1b8d:cdda:1b8d:cdda",
                    "fd02:0:5:4228:c04e:aef6:c04e:aef6",
                    "fd02:0:1:46d2:2eb0:4db4:2eb0:4db4",
                ],
            ),
        ] {
            for (host, chosen) in (5..).zip(chosen) {
                let src = ip(&if dst.contains('.') { format!("10.0.0.{host}") } else { format!("fd00::{host}") });
                let key = super::super::tuple::TupleKey::Ports(4000, 1001);
                let tuple = Tuple { src, dst: ip(dst), protocol: skoop_model::Protocol::UDP, key };
                let found = hashed_address(&tuple, (ip(first), ip(last)), persistent, manip, zone);
                assert_eq!(found, ip(chosen), "{manip:?} {src} {first} {persistent}");
            }
        }
    }
}
