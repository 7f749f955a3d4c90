//! What kind of address an address is.

use std::net::IpAddr;

use skoop_model::{IfIndex, Mark, Protocol, RouteKind, TableId};

use super::rules::Hit;
use super::{Fib, Flow, Lookup};
use crate::Forks;

impl Fib {
    /// Kind of `address` as `xt_addrtype` and nft's `fib .. type` see it; with `device`, as seen on that device.
    ///
    /// IPv4: `inet_addr_type` and `inet_dev_addr_type`, `net/ipv4/fib_frontend.c`. IPv6: `match_lookup_rt6`,
    /// `net/netfilter/xt_addrtype.c`.
    pub fn address_kind(&self, address: IpAddr, device: Option<IfIndex>) -> RouteKind {
        match address {
            IpAddr::V4(v4) if v4.is_unspecified() || v4.is_broadcast() => RouteKind::Broadcast,
            _ if address.is_multicast() => RouteKind::Multicast,
            IpAddr::V4(_) => self.local_kind(address, device),
            IpAddr::V6(_) => self.address_kind_v6(address, device),
        }
    }

    /// Only the local table is asked.
    fn local_kind(&self, address: IpAddr, device: Option<IfIndex>) -> RouteKind {
        let Some(table) = self.v4.table(TableId::LOCAL) else {
            return RouteKind::Broadcast;
        };
        let Hit::Route(selected) = self.table_lookup(table, &bare_flow(address)) else {
            return RouteKind::Unicast;
        };
        let first = selected.route.nexthops.first().and_then(|hop| hop.link);
        if device.is_none() || device == first { selected.route.kind } else { RouteKind::Unicast }
    }

    fn address_kind_v6(&self, address: IpAddr, device: Option<IfIndex>) -> RouteKind {
        if let Some(device) = device {
            let addresses = self.addresses.as_ref().map_or(&[][..], Vec::as_slice);
            let own = addresses.iter().any(|entry| entry.link == device && entry.ip() == address);
            if own {
                return RouteKind::Local;
            }
        }
        let flow = Flow { oif: device, ..bare_flow(address) };
        match self.lookup(&flow, &mut Forks::first()) {
            Lookup::Found(found) if found.route.kind == RouteKind::Local && device.is_some() => RouteKind::Unicast,
            Lookup::Found(found) => found.route.kind,
            Lookup::Refused { .. } | Lookup::NoRoute { .. } => RouteKind::Unreachable,
            Lookup::Unknown(_) => RouteKind::Unicast,
        }
    }
}

fn bare_flow(address: IpAddr) -> Flow {
    Flow {
        src: None,
        dst: address,
        iif: None,
        oif: None,
        any_device: false,
        mark: Mark(0),
        tos: 0,
        protocol: Protocol(0),
        sport: None,
        dport: None,
        uid: Some(0),
    }
}
