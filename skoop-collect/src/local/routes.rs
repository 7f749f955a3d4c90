//! Routes of all tables, with nexthop objects resolved.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{DecodeError, Parseable};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric, RouteNextHop, RouteNextHopFlags,
    RoutePreference, RouteVia,
};
use rustix::io::Errno;
use skoop_model::{Family, IfIndex, NextHop, Route, RouteKind, RouteProtocol, RouteScope, TableId};

use super::netlink::{Netlink, NetlinkError, emit, incomplete, retain};
use super::nexthops::NextHops;

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
/// Length of `struct rtmsg`.
const HEADER: usize = 12;

const RTAX_MTU: u16 = 2;
const RTA_METRICS: u16 = 8;
/// `RTA_DST`, `SRC`, `OIF`, `GATEWAY`, `PRIORITY`, `PREFSRC`, `METRICS`, `MULTIPATH`, `TABLE`, `VIA`, `NEWDST`, `PREF`,
/// `ENCAP_TYPE`, `NH_ID`. `RTA_ENCAP` itself is left out: that there is one is enough.
const ATTRIBUTES: [u16; 14] = [1, 2, 4, 5, 6, 7, RTA_METRICS, 9, 15, 18, 19, 20, 21, 30];

/// The routes of all tables and both families, in the kernel's order.
pub(super) fn read(netlink: &mut Netlink) -> Result<Vec<Route>, NetlinkError> {
    let mut routes = Vec::new();
    for family in Family::ALL {
        routes.extend(read_family(netlink, family)?);
    }
    if routes.iter().any(|route: &Route| route.nexthop_id.is_some()) {
        let nexthops = NextHops::read(netlink)?;
        for route in &mut routes {
            resolve(route, &nexthops);
        }
    }
    Ok(routes)
}

fn read_family(netlink: &mut Netlink, family: Family) -> Result<Vec<Route>, NetlinkError> {
    let mut request = RouteMessage::default();
    request.header.address_family = match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    let dumped = netlink.dump("dump routes", RTM_GETROUTE, &emit(&request), |kind, payload| {
        // A kernel without IPv6 answers with the routes of all other families.
        if kind == RTM_NEWROUTE && super::family_of(payload) == Some(family) {
            parse(payload, family)
        } else {
            Ok(None)
        }
    });
    match dumped {
        Err(error) if error.is(Errno::AFNOSUPPORT) || error.is(Errno::OPNOTSUPP) => Ok(Vec::new()),
        dumped => dumped,
    }
}

fn resolve(route: &mut Route, nexthops: &NextHops) {
    let Some(id) = route.nexthop_id else { return };
    match nexthops.resolve(id) {
        Some(resolved) => {
            // `fib_table_lookup`: a blackhole object drops whatever the route's own type.
            if resolved.blackhole {
                route.kind = RouteKind::Blackhole;
            }
            if resolved.encap && !route.unmodelled.iter().any(|name| name == "encap") {
                route.unmodelled.push("encap".to_owned());
            }
            route.nexthops = resolved.hops;
        }
        // The object went away after the routes were read; what the route itself says stays.
        None if route.nexthops.is_empty() => route.unmodelled.push(format!("nexthop object {id}")),
        None => {}
    }
}

fn parse(payload: &[u8], family: Family) -> Result<Option<Route>, DecodeError> {
    let message = RouteMessage::parse(&retain(payload, HEADER, |kind, value| match kind {
        RTA_METRICS => Some(retain(value, 0, |kind, value| (kind == RTAX_MTU).then(|| value.to_vec()))),
        _ => ATTRIBUTES.contains(&kind).then(|| value.to_vec()),
    }))?;
    let header = &message.header;
    if header.flags.contains(RouteFlags::Cloned) {
        return Ok(None);
    }
    let mut route = empty(header, family)?;
    let (mut link, mut gateway) = (None, None);
    for attribute in message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => {
                route.dst = prefix(&address, header.destination_prefix_length)?;
            }
            RouteAttribute::Source(address) => route.src = Some(prefix(&address, header.source_prefix_length)?),
            RouteAttribute::Oif(index) => link = Some(IfIndex(index)),
            RouteAttribute::Gateway(address) => gateway = ip(&address),
            RouteAttribute::Via(via) => gateway = other_family(&via, &mut route.unmodelled),
            RouteAttribute::Priority(metric) => route.metric = metric,
            RouteAttribute::PrefSource(address) => route.prefsrc = ip(&address),
            RouteAttribute::Table(table) => route.table = TableId(table),
            RouteAttribute::NhId(id) => route.nexthop_id = Some(id),
            RouteAttribute::Metrics(metrics) => route.mtu_bytes = metrics.iter().find_map(mtu),
            RouteAttribute::MultiPath(hops) => {
                route.nexthops = hops.into_iter().map(|hop| member(hop, &mut route.unmodelled)).collect();
            }
            RouteAttribute::EncapType(_) => route.unmodelled.push("encap".to_owned()),
            RouteAttribute::NewDestination(_) | RouteAttribute::NewDestinationAddress(_) => {
                route.unmodelled.push("as to".to_owned());
            }
            RouteAttribute::Preference(RoutePreference::Low) => route.unmodelled.push("pref low".to_owned()),
            RouteAttribute::Preference(RoutePreference::High) => route.unmodelled.push("pref high".to_owned()),
            _ => {}
        }
    }
    if route.nexthops.is_empty() && (link.is_some() || gateway.is_some()) {
        route.nexthops.push(NextHop {
            gateway,
            link,
            weight: 1,
            onlink: header.flags.contains(RouteFlags::Onlink),
            dead: header.flags.contains(RouteFlags::Dead),
            linkdown: header.flags.contains(RouteFlags::Linkdown),
        });
    }
    Ok(Some(route))
}

fn empty(header: &RouteHeader, family: Family) -> Result<Route, DecodeError> {
    let any = match family {
        Family::V4 => RouteAddress::Inet([0; 4].into()),
        Family::V6 => RouteAddress::Inet6([0; 16].into()),
    };
    Ok(Route {
        table: TableId(header.table.into()),
        dst: prefix(&any, header.destination_prefix_length)?,
        src: None,
        tos: header.tos,
        metric: 0,
        kind: kind(u8::from(header.kind)),
        protocol: RouteProtocol(header.protocol.into()),
        scope: RouteScope(header.scope.into()),
        prefsrc: None,
        nexthops: Vec::new(),
        nexthop_id: None,
        mtu_bytes: None,
        unmodelled: Vec::new(),
    })
}

/// A member of a multipath route.
fn member(hop: RouteNextHop, unmodelled: &mut Vec<String>) -> NextHop {
    let mut gateway = None;
    for attribute in hop.attributes {
        match attribute {
            RouteAttribute::Gateway(address) => gateway = ip(&address),
            RouteAttribute::Via(via) => gateway = other_family(&via, unmodelled),
            RouteAttribute::EncapType(_) => unmodelled.push("encap".to_owned()),
            _ => {}
        }
    }
    NextHop {
        gateway,
        link: Some(IfIndex(hop.interface_index)),
        // `rtnh_hops` is the weight less one.
        weight: u32::from(hop.hops) + 1,
        onlink: hop.flags.contains(RouteNextHopFlags::Onlink),
        dead: hop.flags.contains(RouteNextHopFlags::Dead),
        linkdown: hop.flags.contains(RouteNextHopFlags::Linkdown),
    }
}

fn other_family(via: &RouteVia, unmodelled: &mut Vec<String>) -> Option<IpAddr> {
    unmodelled.push("via (other family)".to_owned());
    match via {
        RouteVia::Inet(address) => Some(IpAddr::V4(*address)),
        RouteVia::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}

fn mtu(metric: &RouteMetric) -> Option<u32> {
    match metric {
        RouteMetric::Mtu(bytes) => Some(*bytes),
        _ => None,
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}

fn prefix(address: &RouteAddress, length: u8) -> Result<IpNet, DecodeError> {
    ip(address)
        .and_then(|address| IpNet::new(address, length).ok())
        .ok_or_else(|| incomplete("a route's prefix that is none"))
}

/// `RTN_*` of `rtnetlink(7)`.
fn kind(number: u8) -> RouteKind {
    match number {
        1 => RouteKind::Unicast,
        2 => RouteKind::Local,
        3 => RouteKind::Broadcast,
        4 => RouteKind::Anycast,
        5 => RouteKind::Multicast,
        6 => RouteKind::Blackhole,
        7 => RouteKind::Unreachable,
        8 => RouteKind::Prohibit,
        9 => RouteKind::Throw,
        other => RouteKind::Other(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::local::netlink::attribute;

    const RTA_ENCAP: u16 = 22;

    /// `struct rtmsg` of a unicast IPv4 route in the main table.
    fn header(prefix: u8) -> Vec<u8> {
        vec![2, prefix, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]
    }

    #[test]
    fn encapsulation_is_named_and_not_read() {
        let payload = [
            header(24),
            attribute(1, &[10, 1, 2, 0]),
            attribute(4, &3u32.to_ne_bytes()),
            attribute(21, &1u16.to_ne_bytes()),
            attribute(RTA_ENCAP, &[0xff; 3]),
        ]
        .concat();
        let route = parse(&payload, Family::V4).expect("valid").expect("a route");
        assert_eq!(route.dst.to_string(), "10.1.2.0/24");
        assert_eq!(route.unmodelled, ["encap"]);
        assert_eq!(route.nexthops.len(), 1);
    }

    #[test]
    fn a_default_route_has_no_destination() {
        let payload = [header(0), attribute(5, &[10, 0, 0, 1]), attribute(15, &300u32.to_ne_bytes())].concat();
        let route = parse(&payload, Family::V4).expect("valid").expect("a route");
        assert_eq!(route.dst.to_string(), "0.0.0.0/0");
        assert_eq!(route.table, TableId(300));
        assert_eq!(route.nexthops.first().and_then(|hop| hop.gateway), Some([10, 0, 0, 1].into()));
    }

    proptest! {
        #[test]
        fn any_payload_is_a_route_or_an_error(payload: Vec<u8>, v6: bool) {
            let _ = parse(&payload, if v6 { Family::V6 } else { Family::V4 });
        }
    }
}
