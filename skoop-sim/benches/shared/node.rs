//! A node to walk through, and the packet that does.

use std::net::{IpAddr, Ipv4Addr};

use skoop_model::{
    Address, Family, Frame, HostRole, IfIndex, Item, Link, LinkKind, MacAddr, NamespaceSnapshot, Neighbour,
    NeighbourState, NetfilterDumps, NetnsId, Packet, Port, Route, RoutingRule, RuleAction, Sysctls, TableId,
};
use skoop_sim::{Conntrack, Ending, Entry, Forks, Outcome, Resolution, Site, Surroundings, judge, walk};

const POD_DEVICE: IfIndex = IfIndex(2);
const UPLINK: IfIndex = IfIndex(3);
const OWN_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const GATEWAY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

/// Services in an order that no cache likes: the stride is prime to all table sizes.
pub(crate) fn stride(turn: u32, services: u32) -> u32 {
    turn.wrapping_mul(7_919) % services
}

/// The first packet of a pod's connection to a service.
pub(crate) fn first_packet(service: Ipv4Addr) -> Entry {
    let packet = Packet::tcp_syn(pod(), Port(40_000), service.into(), Port(80));
    Entry::Frame { device: POD_DEVICE, frame: Frame { src_mac: GATEWAY_MAC, dst_mac: OWN_MAC, packet } }
}

/// Where the packet is for that left the node.
pub(crate) fn sent_to(outcome: &Outcome) -> Option<IpAddr> {
    match &outcome.ending {
        Ending::Sent { frame, .. } => Some(frame.packet.dst),
        _ => None,
    }
}

pub(crate) fn judged(site: Site<'_>, entry: Entry) -> Outcome {
    let mut forks = Forks::unlabelled();
    judge(site, entry, &mut Conntrack::default(), &Nobody, &mut forks)
}

pub(crate) fn traced(site: Site<'_>, entry: Entry) -> Outcome {
    let outcome = walk(site, entry, &mut Conntrack::default(), &Nobody, &mut Forks::first(), false);
    assert!(outcome.steps.len() > 4, "a whole trace");
    outcome
}

struct Nobody;

impl Surroundings for Nobody {
    fn resolve(&self, _device: IfIndex, _address: IpAddr) -> Resolution {
        Resolution::Nobody
    }

    fn takes(&self, _port: IfIndex, _mac: MacAddr) -> bool {
        false
    }
}

fn pod() -> IpAddr {
    Ipv4Addr::new(10, 244, 1, 2).into()
}

/// A node with one pod behind a veth and the other pods behind its uplink.
pub(crate) fn snapshot(netfilter: NetfilterDumps) -> NamespaceSnapshot {
    let mut snapshot = NamespaceSnapshot::new(NetnsId(1), HostRole::Host);
    snapshot.links = Item::known(0, vec![link(POD_DEVICE, "veth0"), link(UPLINK, "eth0")]);
    snapshot.addresses = Item::known(0, vec![address(POD_DEVICE, "10.244.1.1/24"), address(UPLINK, "172.20.0.11/24")]);
    snapshot.routes =
        Item::known(0, vec![route("10.244.1.0/24", None, POD_DEVICE), route("0.0.0.0/0", Some("172.20.0.1"), UPLINK)]);
    let lookup =
        |priority, table| RoutingRule { priority, action: RuleAction::Lookup(table), ..RoutingRule::any(Family::V4) };
    snapshot.rules = Item::known(0, vec![lookup(0, TableId::LOCAL), lookup(32_766, TableId::MAIN)]);
    let gateway = Neighbour {
        link: UPLINK,
        address: IpAddr::from([172, 20, 0, 1]),
        mac: Some(GATEWAY_MAC),
        state: NeighbourState::Permanent,
        proxy: false,
    };
    snapshot.neighbours = Item::known(0, vec![gateway]);
    snapshot.fdb = Item::known(0, Vec::new());
    snapshot.sockets = Item::known(0, Vec::new());
    let mut sysctls = Sysctls::default();
    for device in ["all", "veth0", "eth0"] {
        sysctls.set(format!("net/ipv4/conf/{device}/forwarding"), "1");
        sysctls.set(format!("net/ipv4/conf/{device}/rp_filter"), "0");
    }
    snapshot.sysctls = Item::known(0, sysctls);
    snapshot.netfilter = netfilter;
    snapshot
}

fn link(index: IfIndex, name: &str) -> Link {
    Link { mac: Some(OWN_MAC), ..Link::new(index, name, LinkKind::Physical) }
}

fn address(link: IfIndex, net: &str) -> Address {
    Address::new(link, net.parse().expect("a literal prefix"))
}

fn route(dst: &str, gateway: Option<&str>, link: IfIndex) -> Route {
    let gateway = gateway.map(|gateway| gateway.parse().expect("a literal address"));
    Route::unicast(dst.parse().expect("a literal prefix"), gateway, link)
}
