//! `addrtype` (`net/netfilter/xt_addrtype.c`): type of an address by the routing tables.

use std::net::IpAddr;

use skoop_model::{Family, IfIndex, RouteKind};

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Arg, Args};
use crate::netfilter::run::Run;

/// Names with the bits of `enum` `XT_ADDRTYPE_*` (`include/uapi/linux/netfilter/xt_addrtype.h`).
const TYPES: [(&str, u16); 12] = [
    ("UNSPEC", UNSPEC),
    ("UNICAST", UNICAST),
    ("LOCAL", LOCAL),
    ("BROADCAST", 1 << 3),
    ("ANYCAST", ANYCAST),
    ("MULTICAST", MULTICAST),
    ("BLACKHOLE", 1 << 6),
    ("UNREACHABLE", UNREACHABLE),
    ("PROHIBIT", 1 << 8),
    ("THROW", 1 << 9),
    ("NAT", 1 << 10),
    ("XRESOLVE", 1 << 11),
];
const UNSPEC: u16 = 1;
const UNICAST: u16 = 1 << 1;
const LOCAL: u16 = 1 << 2;
const ANYCAST: u16 = 1 << 4;
const MULTICAST: u16 = 1 << 5;
const UNREACHABLE: u16 = 1 << 7;

#[derive(Debug, Default)]
pub(crate) struct Addrtype {
    /// Wanted types, and whether they are unwanted.
    src: Option<(u16, bool)>,
    dst: Option<(u16, bool)>,
    limit_in: bool,
    limit_out: bool,
}

impl Matcher for Addrtype {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        for arg in args {
            match arg.name {
                "--src-type" => parsed.src = Some((types(&arg)?, arg.negated)),
                "--dst-type" => parsed.dst = Some((types(&arg)?, arg.negated)),
                "--limit-iface-in" => {
                    arg.flag()?;
                    parsed.limit_in = true;
                }
                "--limit-iface-out" => {
                    arg.flag()?;
                    parsed.limit_out = true;
                }
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let device = match (self.limit_in, self.limit_out) {
            (true, _) => run.at.in_device,
            (_, true) => run.at.out_device,
            _ => None,
        }
        .map(|link| link.index);
        let check = |wanted: Option<(u16, bool)>, address| match wanted {
            Some((types, negated)) => has_type(run, types, address, device).invert_if(negated),
            None => Tri::Yes,
        };
        check(self.src, run.packet.src).and(check(self.dst, run.packet.dst))
    }
}

fn types(arg: &Arg<'_>) -> Option<u16> {
    let named = |name: &str| TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, bit)| *bit);
    arg.value()?.split(',').try_fold(0, |all, name| Some(all | named(name)?))
}

fn has_type(run: &Run<'_>, types: u16, address: IpAddr, device: Option<IfIndex>) -> Tri {
    match Family::of(address) {
        Family::V4 => by_route(run, types, address, device),
        Family::V6 => match_type6(run, types, address, device),
    }
}

fn by_route(run: &Run<'_>, types: u16, address: IpAddr, device: Option<IfIndex>) -> Tri {
    let bit = match run.env.address_kind(address, device) {
        None => return Tri::Maybe,
        Some(RouteKind::Unicast) => UNICAST,
        Some(RouteKind::Local) => LOCAL,
        Some(RouteKind::Broadcast) => 1 << 3,
        Some(RouteKind::Anycast) => ANYCAST,
        Some(RouteKind::Multicast) => MULTICAST,
        Some(RouteKind::Blackhole) => 1 << 6,
        Some(RouteKind::Unreachable) => UNREACHABLE,
        Some(RouteKind::Prohibit) => 1 << 8,
        Some(RouteKind::Throw) => 1 << 9,
        Some(RouteKind::Other(number)) => 1_u16.checked_shl(number.into()).unwrap_or(0),
    };
    (types & bit != 0).into()
}

/// IPv6 asks the address itself first, then the routing table (`match_type6`).
fn match_type6(run: &Run<'_>, types: u16, address: IpAddr, device: Option<IfIndex>) -> Tri {
    let multicast = address.is_multicast();
    let unspecified = address.is_unspecified();
    if (types & MULTICAST != 0 && !multicast)
        || (types & UNICAST != 0 && (multicast || unspecified))
        || (types & UNSPEC != 0 && !unspecified)
    {
        return Tri::No;
    }
    match types & (ANYCAST | LOCAL | UNREACHABLE) {
        0 => Tri::Yes,
        routed => by_route(run, routed, address, device),
    }
}
