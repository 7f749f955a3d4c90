//! `fib` (`net/ipv4/netfilter/nft_fib_ipv4.c`, `net/ipv6/netfilter/nft_fib_ipv6.c`, `net/netfilter/nft_fib.c`).

use std::net::IpAddr;

use skoop_model::{Link, Mark, RouteKind};

use super::{Seen, TEXT, text_bits};
use crate::Flow;
use crate::netfilter::Hook;
use crate::netfilter::run::Run;

/// A question to the routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fib {
    pub result: FibResult,
    /// It is about the source address, not about the destination.
    pub source: bool,
    pub mark: bool,
    pub iif: bool,
    pub oif: bool,
}

/// What it answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FibResult {
    Type,
    /// The name of the device.
    Device,
    /// Whether there is a route by a device.
    Presence,
}

impl Fib {
    pub(super) fn eval(&self, run: &Run<'_>) -> Seen {
        if self.result == FibResult::Type {
            return self.kind(run);
        }
        match (self.result, self.device(run)) {
            (FibResult::Presence, Some(found)) => Seen::whole(u128::from(found.is_some()), 1),
            (FibResult::Presence, None) => Seen::unknown(1),
            (_, Some(found)) => Seen::whole(text_bits(found.map_or("", |link| &link.name)), TEXT),
            (_, None) => Seen::unknown(TEXT),
        }
    }

    fn bound<'r>(&self, run: &Run<'r>) -> Option<&'r Link> {
        match (self.iif, self.oif) {
            (true, _) => run.at.in_device,
            (_, true) => run.at.out_device,
            _ => None,
        }
    }

    /// `nft_fib4_eval_type`, `__nft_fib6_eval_type`.
    fn kind(&self, run: &Run<'_>) -> Seen {
        let address = if self.source { run.packet.src } else { run.packet.dst };
        let number = match run.env.address_kind(address, self.bound(run).map(|link| link.index)) {
            None => return Seen::unknown(32),
            Some(RouteKind::Unicast) => 1,
            Some(RouteKind::Local) => 2,
            Some(RouteKind::Broadcast) => 3,
            Some(RouteKind::Anycast) => 4,
            Some(RouteKind::Multicast) => 5,
            Some(RouteKind::Blackhole) => 6,
            Some(RouteKind::Unreachable) => 7,
            Some(RouteKind::Prohibit) => 8,
            Some(RouteKind::Throw) => 9,
            Some(RouteKind::Other(number)) => number,
        };
        Seen::whole(number.into(), 32)
    }

    /// The device of the route (`nft_fib4_eval`, `nft_fib6_eval`). None: not known; none inside: there is none.
    #[expect(clippy::option_option, reason = "not known, and known to be none, are two answers")]
    fn device<'r>(&self, run: &Run<'r>) -> Option<Option<&'r Link>> {
        let packet = &*run.packet;
        let (hook, input) = (run.at.hook, run.at.in_device);
        // `nft_fib_is_loopback`.
        if matches!(hook, Hook::Prerouting | Hook::Input) && input.is_some_and(|link| link.loopback) {
            return Some(input);
        }
        if let (IpAddr::V4(src), IpAddr::V4(dst)) = (packet.src, packet.dst)
            && src.octets()[0] == 0
            && (dst.is_broadcast() || dst.octets()[..3] == [224, 0, 0])
        {
            return Some(input);
        }
        let bound = self.bound(run);
        let (dst, src) = if self.source { (packet.src, packet.dst) } else { (packet.dst, packet.src) };
        let mark = if self.mark { packet.mark } else { Mark(0) };
        let src = Some(src).filter(|src| !src.is_multicast() && !src.is_unspecified());
        // "if (nft_hook(pkt) == NF_INET_FORWARD && priv->flags & NFTA_FIB_F_IIF)": as if the answer came in.
        let back = run.at.out_device.filter(|_| self.source && self.iif && hook == Hook::Forward);
        let iif = back.map(|link| link.index);
        let flow = Flow { src, dst, mark, iif, oif: None, sport: None, dport: None, ..Flow::of(packet) };
        run.env.fib_device(&flow, bound.map(|link| link.index))
    }
}
