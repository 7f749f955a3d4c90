//! `SNPT` and `DNPT` (`net/ipv6/netfilter/ip6t_NPT.c`): another IPv6 prefix, checksum kept (RFC 6296). An ICMP error that comes back is
//! translated at its own header only; the packet that it cites is not.

use std::net::{IpAddr, Ipv6Addr};

use skoop_model::Family;

use super::{Applied, Effect};
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

/// For the source.
#[derive(Debug)]
pub(crate) struct Snpt(Prefixes);

/// For the destination.
#[derive(Debug)]
pub(crate) struct Dnpt(Prefixes);

#[derive(Debug)]
struct Prefixes {
    from: (Ipv6Addr, u32),
    to: (Ipv6Addr, u32),
}

const NO_ROOM: &str = "the address has no part that can keep the checksum";

impl Applied for Snpt {
    fn parse(args: Args<'_>) -> Option<Self> {
        Prefixes::parse(args).map(Self)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        match self.0.map(run.packet.src) {
            Some(address) => run.rewrite(rule, |packet| packet.src = address),
            None => return Effect::Drop(NO_ROOM),
        }
        Effect::Continue
    }
}

impl Applied for Dnpt {
    fn parse(args: Args<'_>) -> Option<Self> {
        Prefixes::parse(args).map(Self)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        match self.0.map(run.packet.dst) {
            Some(address) => run.rewrite(rule, |packet| packet.dst = address),
            None => return Effect::Drop(NO_ROOM),
        }
        Effect::Continue
    }
}

impl Prefixes {
    fn parse(args: Args<'_>) -> Option<Self> {
        if args.family != Family::V6 {
            return None;
        }
        let (mut from, mut to) = (None, None);
        for arg in args {
            arg.plain()?;
            let (address, length) = arg.value()?.split_once('/')?;
            let prefix = (address.parse().ok()?, length.parse().ok().filter(|length| *length <= 64)?);
            match arg.name {
                "--src-pfx" => from = Some(prefix),
                "--dst-pfx" => to = Some(prefix),
                _ => return None,
            }
        }
        Some(Self { from: from?, to: to? })
    }

    /// `ip6t_npt_map_pfx`.
    fn map(&self, address: IpAddr) -> Option<IpAddr> {
        let IpAddr::V6(address) = address else { return None };
        let length = self.from.1.max(self.to.1);
        let mask = u128::MAX.checked_shr(length).unwrap_or(0);
        let mut parts = Ipv6Addr::from_bits((address.to_bits() & mask) | (self.to.0.to_bits() & !mask)).segments();
        let room = if length <= 48 { Some(3) } else { (4..8).find(|place| parts.get(*place) != Some(&u16::MAX)) };
        let adjusted = parts.get_mut(room?)?;
        let change = sum([sum(self.from.0.segments()), !sum(self.to.0.segments())]);
        *adjusted = Some(sum([*adjusted, change])).filter(|sum| *sum != u16::MAX).unwrap_or(0);
        Some(IpAddr::V6(Ipv6Addr::from(parts)))
    }
}

/// Sum in one's complement (RFC 1071).
fn sum(words: impl IntoIterator<Item = u16>) -> u16 {
    words.into_iter().fold(0_u16, |sum, word| {
        let (sum, carry) = sum.overflowing_add(word);
        sum.wrapping_add(u16::from(carry))
    })
}
