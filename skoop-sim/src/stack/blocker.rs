//! What stops a packet.

use std::net::{IpAddr, SocketAddr};

use skoop_model::{
    Evidence, IfIndex, MacAddr, NeighbourState, Packet, Place, Port, Route, RouteKind, RoutingRule, Vni,
};

use crate::{Near, NfBlocker};

/// One thing that stops the packet, with the evidence for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocker {
    /// Where.
    pub place: Place,
    /// Device concerned.
    pub device: Option<IfIndex>,
    /// The packet as it was then.
    pub packet: Packet,
    /// Why.
    pub stop: Stop,
    /// The deciding object.
    pub evidence: Evidence,
    /// Met only as if an earlier blocker were gone.
    pub conditional: bool,
}

/// Why a packet stops.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Stop {
    /// No route to the destination.
    NoRoute,
    /// A route refuses it.
    RouteRefused {
        /// `blackhole`, `unreachable` or `prohibit`.
        kind: RouteKind,
        /// The route, unless a rule refuses.
        route: Option<Box<Route>>,
        /// The rule.
        rule: Option<Box<RoutingRule>>,
    },
    /// The route leaves by the loopback device, which takes only what is for this host.
    LoopbackRoute {
        /// The route.
        route: Box<Route>,
    },
    /// No address of the namespace can be the source.
    NoSourceAddress,
    /// It would be sent from an address that the namespace does not have.
    ForeignSource {
        /// The address.
        address: IpAddr,
    },
    /// Forwarding is off.
    ForwardingOff {
        /// The sysctl, as a path below `/proc/sys`.
        sysctl: String,
    },
    /// The source address is not reached by the device that the packet came in by.
    RpFilter {
        /// The sysctl that is in force.
        sysctl: String,
        /// Its value.
        value: i64,
    },
    /// A source or destination address that may not appear there.
    Martian,
    /// This host is not a member of the multicast group.
    NotMember {
        /// The group.
        group: IpAddr,
    },
    /// TPROXY gave it to a socket, but no route makes it one for this host.
    TproxyForwarded {
        /// Address and port of the socket.
        socket: SocketAddr,
    },
    /// A device that discards whatever is sent by it.
    Discarded,
    /// A link-local source would leave its link.
    BeyondScope,
    /// TTL or hop limit used up.
    TtlExpired,
    /// Longer than the MTU of the way out, and may not be fragmented.
    TooLarge {
        /// MTU in bytes.
        mtu_bytes: u32,
    },
    /// The device is administratively down.
    LinkDown,
    /// The device is up and has no carrier.
    NoCarrier,
    /// IPv6 is switched off.
    Ipv6Disabled {
        /// The sysctl, as a path below `/proc/sys`.
        sysctl: String,
    },
    /// A netfilter rule or policy.
    Netfilter(Box<NfBlocker>),
    /// The next hop does not answer.
    NoNeighbour {
        /// Next hop.
        address: IpAddr,
        /// State of its entry, if there is one.
        state: Option<NeighbourState>,
    },
    /// The frame is for another MAC address.
    WrongMac {
        /// Destination of the frame.
        mac: MacAddr,
    },
    /// A bridge knows no port for the address, and nobody behind its ports takes it.
    BridgeNobody {
        /// Destination of the frame.
        mac: MacAddr,
    },
    /// A bridge port does not pass frames.
    PortBlocked {
        /// The port.
        port: IfIndex,
    },
    /// Both ports are isolated.
    PortIsolated {
        /// The port that it would leave by.
        port: IfIndex,
    },
    /// The frame would leave by the port that it came in by.
    HairpinOff {
        /// The port.
        port: IfIndex,
    },
    /// A VXLAN device does not know where the MAC address is.
    FdbMissing {
        /// Destination of the inner frame.
        mac: MacAddr,
    },
    /// No VXLAN device here has this identifier on this port.
    VniMismatch {
        /// Identifier of the packet.
        vni: Vni,
    },
    /// No VXLAN device here receives on this port.
    TunnelPortMismatch {
        /// Port of the packet.
        port: Port,
    },
    /// A tunnel whose outer packet would go through itself.
    TunnelLoop,
    /// No socket takes it.
    NoSocket {
        /// Sockets that almost fit.
        near: Vec<Near>,
    },
    /// ICMP echo requests are not answered.
    EchoIgnored {
        /// The sysctl, as a path below `/proc/sys`.
        sysctl: String,
    },
    /// It arrived in another namespace than that of the pod that its destination belongs to.
    WrongReceiver {
        /// Who should have got it, as reports name it.
        owner: String,
    },
    /// An answer that does not belong to the connection: its addresses or ports are not those that were asked.
    NotTheAnswer {
        /// Answer expected.
        expected: Box<Packet>,
    },
    /// It left for a gateway, though its destination is part of the cluster.
    LeftCluster {
        /// Next hop.
        next_hop: Option<IpAddr>,
        /// The route that sent it there.
        route: Option<Box<Route>>,
    },
    /// The network between nodes drops it.
    UnderlayDrop,
    /// It went round in circles.
    Loop,
}

impl Stop {
    /// What happened, for people: the decision of the step that stopped the packet.
    pub fn describe(&self) -> String {
        match self {
            Self::NoRoute => "no route to the destination".to_owned(),
            Self::RouteRefused { kind, .. } => format!("{} by routing", kind.name()),
            Self::LoopbackRoute { .. } => {
                "routed to the loopback device, which discards what is not for this host".to_owned()
            }
            Self::NoSourceAddress => "no address to send from".to_owned(),
            Self::ForeignSource { address } => format!("not sent: {address} is no address of this host"),
            Self::ForwardingOff { sysctl } => format!("not forwarded: {} is 0", dotted(sysctl)),
            Self::RpFilter { sysctl, value } => {
                format!("dropped by reverse path filter: {} is {value}", dotted(sysctl))
            }
            Self::Martian => "dropped: an address that may not appear here".to_owned(),
            Self::NotMember { group } => format!("ignored: not in multicast group {group}"),
            Self::TproxyForwarded { socket } => {
                format!("dropped: TPROXY gave it to the socket on {socket}, but it is routed elsewhere")
            }
            Self::Discarded => "dropped by the device, which sends nothing by itself".to_owned(),
            Self::BeyondScope => "not forwarded: a link-local source stays on its link".to_owned(),
            Self::TtlExpired => "dropped: time to live used up".to_owned(),
            Self::TooLarge { mtu_bytes } => {
                format!("dropped: longer than the MTU of {mtu_bytes} bytes, and may not be fragmented")
            }
            Self::LinkDown => "dropped: the device is down".to_owned(),
            Self::NoCarrier => "dropped: the device has no carrier".to_owned(),
            Self::Ipv6Disabled { sysctl } => format!("dropped: {} is 1", dotted(sysctl)),
            Self::Netfilter(blocker) => blocker.describe(),
            Self::NoNeighbour { address, .. } => format!("nobody answers for {address}"),
            Self::WrongMac { mac } => format!("ignored: the frame is for {mac}"),
            Self::BridgeNobody { mac } => format!("flooded, but no port leads to {mac}"),
            Self::PortBlocked { .. } => "dropped: the bridge port does not forward".to_owned(),
            Self::PortIsolated { .. } => "dropped: both bridge ports are isolated".to_owned(),
            Self::HairpinOff { .. } => {
                "dropped: it would leave by the port it came in by, and hairpin is off".to_owned()
            }
            Self::FdbMissing { mac } => format!("dropped: no forwarding entry for {mac}"),
            Self::VniMismatch { vni } => format!("dropped: no VXLAN device here with VNI {vni}"),
            Self::TunnelPortMismatch { port } => format!("dropped: no VXLAN device here receives on UDP port {port}"),
            Self::TunnelLoop => "dropped: the outer packet would go through its own tunnel".to_owned(),
            Self::NoSocket { .. } => "nothing listens here".to_owned(),
            Self::EchoIgnored { sysctl } => format!("not answered: {} is 1", dotted(sysctl)),
            Self::WrongReceiver { owner } => format!("delivered here, and not to {owner}"),
            Self::NotTheAnswer { expected } => format!("rejected by the client: it waits for {expected}"),
            Self::LeftCluster { .. } => "left for a gateway that knows no way to it".to_owned(),
            Self::UnderlayDrop => "dropped between nodes".to_owned(),
            Self::Loop => "goes round in circles".to_owned(),
        }
    }

    /// Whether the walk can go on as if this had not been there: something decided against the packet, and what would
    /// have come next is known.
    pub fn is_passable(&self) -> bool {
        matches!(
            self,
            Self::Netfilter(_)
                | Self::ForwardingOff { .. }
                | Self::RpFilter { .. }
                | Self::HairpinOff { .. }
                | Self::PortIsolated { .. }
        )
    }
}

/// A path below `/proc/sys` as `sysctl` takes it: dots for slashes, and slashes for the dots of device names.
pub fn dotted(path: &str) -> String {
    path.chars()
        .map(|letter| match letter {
            '/' => '.',
            '.' => '/',
            other => other,
        })
        .collect()
}
