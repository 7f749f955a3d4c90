//! What a lookup is asked, and what it answers.

use std::net::IpAddr;

use skoop_model::{
    Family, IfIndex, Mark, NextHop, Packet, Port, Protocol, Route, RouteKind, RoutingRule, TableId, Unseen,
};

/// What a lookup is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Source; none if the sender did not choose one yet.
    pub src: Option<IpAddr>,
    /// Destination.
    pub dst: IpAddr,
    /// Device that the packet came in by; none if this host sends it.
    pub iif: Option<IfIndex>,
    /// Device that the sender is bound to.
    pub oif: Option<IfIndex>,
    /// IPv6 would rather have a route by `oif`, and takes another one, too (`ip6_route_lookup` without `RT6_LOOKUP_F_IFACE`).
    pub any_device: bool,
    /// Mark.
    pub mark: Mark,
    /// TOS byte or traffic class.
    pub tos: u8,
    /// Protocol above IP.
    pub protocol: Protocol,
    /// Source port.
    pub sport: Option<Port>,
    /// Destination port.
    pub dport: Option<Port>,
    /// User id of the sender; none if not known. What came in by a device belongs to user 0 (`sock_net_uid`).
    pub uid: Option<u32>,
}

impl Flow {
    /// The lookup for a packet that this host sends. For one that came in by a device, set `iif`.
    pub fn of(packet: &Packet) -> Self {
        Self {
            src: Some(packet.src).filter(|src| !src.is_unspecified()),
            dst: packet.dst,
            iif: None,
            oif: None,
            any_device: false,
            mark: packet.mark,
            tos: packet.tos,
            protocol: packet.protocol,
            sport: packet.sport(),
            dport: packet.dport(),
            uid: None,
        }
    }

    /// Address family.
    pub fn family(&self) -> Family {
        Family::of(self.dst)
    }
}

/// Result of a lookup.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup<'a> {
    /// A route that says what to do with the packet.
    Found(Found<'a>),
    /// A route or a rule that says no.
    Refused {
        /// [`RouteKind::Blackhole`], [`RouteKind::Unreachable`] or [`RouteKind::Prohibit`].
        kind: RouteKind,
        /// The route; none if the rule itself refuses.
        route: Option<&'a Route>,
        /// The rule that refuses or that led to the route's table.
        rule: Option<&'a RoutingRule>,
    },
    /// No rule led to a route. [`Fib::trace`](crate::Fib::trace) tells why not.
    NoRoute {
        /// Tables that were asked, in order.
        asked: Vec<TableId>,
    },
    /// It depends on something that was not seen or is not modelled.
    Unknown(Unseen),
}

/// A route found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found<'a> {
    /// The route.
    pub route: &'a Route,
    /// The next hop chosen; none for a route without one.
    pub nexthop: Option<&'a NextHop>,
    /// The rule that led to the route's table; none if no rule did.
    pub rule: Option<&'a RoutingRule>,
}

impl Found<'_> {
    /// Type of the route.
    pub fn kind(&self) -> RouteKind {
        self.route.kind
    }

    /// Whether the packet is for this host: a local, anycast or broadcast route.
    pub fn is_local(&self) -> bool {
        matches!(self.route.kind, RouteKind::Local | RouteKind::Anycast | RouteKind::Broadcast)
    }

    /// Device that the packet leaves by; for local routes the one that holds the address.
    pub fn device(&self) -> Option<IfIndex> {
        self.nexthop?.link
    }

    /// Gateway; none if the destination is on the link.
    pub fn gateway(&self) -> Option<IpAddr> {
        self.nexthop?.gateway
    }
}
