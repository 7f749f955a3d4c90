//! `pkttype` (`net/netfilter/xt_pkttype.c`): whether the frame was for one, some or all.

use std::net::IpAddr;

use skoop_model::{MacAddr, RouteKind};

use super::Matcher;
use crate::Tri;
use crate::conntrack::Origin;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Pkttype {
    kind: Kind,
    negated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Unicast,
    Broadcast,
    Multicast,
}

impl Matcher for Pkttype {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        for arg in args {
            if arg.name != "--pkt-type" {
                return None;
            }
            let kind = match arg.value()? {
                "unicast" | "host" => Kind::Unicast,
                "broadcast" => Kind::Broadcast,
                "multicast" => Kind::Multicast,
                _ => return None,
            };
            parsed = Some(Self { kind, negated: arg.negated });
        }
        parsed
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let kind = if run.state.origin == Some(Origin::Local) { Some(Kind::Unicast) } else { kind_of(run) };
        kind.map_or(Tri::Maybe, |kind| ((kind == self.kind) != self.negated).into())
    }
}

/// If the frame's own destination is not at hand: a sender gives each kind of IP address the frame of its kind.
fn kind_of(run: &Run<'_>) -> Option<Kind> {
    let told = || run.packet.details.as_ref().and_then(|details| details.dst_mac);
    if let Some(mac) = run.state.destination_mac.or_else(told) {
        return Some(match mac {
            MacAddr::BROADCAST => Kind::Broadcast,
            mac if mac.is_group() => Kind::Multicast,
            _ => Kind::Unicast,
        });
    }
    match run.packet.dst {
        dst if dst.is_multicast() => Some(Kind::Multicast),
        IpAddr::V4(dst) if dst.is_broadcast() => Some(Kind::Broadcast),
        dst => match run.env.address_kind(dst, None)? {
            RouteKind::Broadcast => Some(Kind::Broadcast),
            _ => Some(Kind::Unicast),
        },
    }
}
