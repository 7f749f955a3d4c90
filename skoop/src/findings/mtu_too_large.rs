//! Packets longer than a link on the way.

use skoop_model::{Evidence, HostRole, Link, Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail, argv};
use super::routing::ip;
use crate::engine::HostId;

/// `MTU-TOO-LARGE`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "MTU-TOO-LARGE",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The packet is longer than the MTU of a link on the way and may not be fragmented.",
    remedy: "Give the pods an MTU that fits the smallest link on the way, tunnel headers included.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::TooLarge { mtu_bytes } = case.stop() else { return None };
    let wire = case.packet().wire_bytes();
    if case.blocker().evidence.kind == "route" {
        return Some(by_route(case, *mtu_bytes));
    }
    let (host, link) = (case.blocked.host?, narrow_port(case, *mtu_bytes).or_else(|| case.device())?);
    let device = &link.name;
    let message = format!(
        "A packet of {wire} bytes does not pass {device} of {}, whose MTU is {} bytes.",
        case.whereabouts(),
        link.mtu_bytes
    );
    let state = if link.up { "up" } else { "down" };
    let text = format!("{}: {device} mtu {} {} {state}", link.index, link.mtu_bytes, link.kind.name());
    let detail = Detail::new(message).on(Evidence::new("link", text));
    let Some(wider) = wider_mtu(case, host, link) else { return Some(detail) };
    let fix = format!(
        "Give {device} the MTU that its like have, or pods one that fits {mtu_bytes} bytes, tunnel headers included. \
         {LEARNED}"
    );
    let command = argv(&["ip", "link", "set", "dev", device, "mtu", &wider.to_string()]);
    // A tunnel teaches the node itself the smaller MTU too (`skb_tunnel_check_pmtu`, `net/ipv4/ip_tunnel_core.c`).
    let forget = ip(case.packet().family(), &["route", "flush", "cache"]);
    Some(detail.fix(fix, vec![command, forget]))
}

/// Path MTUs outlive what made them (`net.ipv4.route.mtu_expires`, ten minutes).
const LEARNED: &str = "Senders that were told of the smaller MTU remember it for ten minutes, or until `ip route flush cache`.";

/// A route's own limit.
fn by_route(case: &Case<'_>, mtu_bytes: u32) -> Detail {
    let (place, dst) = (&case.blocker().place, case.packet().dst);
    let message = format!(
        "A packet of {} bytes does not pass the route of {} to {dst}, which allows {mtu_bytes} bytes.",
        case.packet().wire_bytes(),
        case.whereabouts()
    );
    let remote = case.node_of_pod_address(dst).filter(|remote| remote.name != place.node && place.namespace == "host");
    let expected = remote.and_then(|remote| case.remote_route(&place.node, remote));
    let commands = expected.into_iter().map(|route| route.command()).collect();
    Detail::new(message).fix(format!("Take the MTU off the route. {LEARNED}"), commands)
}

/// A bridge takes the smallest MTU of its ports for its own (`br_mtu_auto_adjust`, `net/bridge/br_if.c`).
fn narrow_port<'a>(case: &Case<'a>, mtu_bytes: u32) -> Option<&'a Link> {
    let (namespace, bridge) = (case.namespace()?, case.device()?);
    let mut ports = namespace.bridge_ports(bridge.index);
    let narrow = ports.find(|port| port.mtu_bytes == mtu_bytes)?;
    namespace.bridge_ports(bridge.index).any(|port| port.mtu_bytes > mtu_bytes).then_some(narrow)
}

/// An MTU that takes the packet and that a device like this one has: its other end, another port of its bridge, or the device of that
/// name on another node.
fn wider_mtu(case: &Case<'_>, host: HostId, link: &Link) -> Option<u32> {
    let place = case.network.host(host);
    let peer = case.peer(host, link).map(|(_, peer)| peer.mtu_bytes);
    let on_node = |other: &HostId| *other != host && place.role == HostRole::Host;
    let nodes = case.network.hosts().filter(|(id, other)| on_node(id) && other.role == HostRole::Host);
    let named = nodes.filter_map(|(_, other)| Some(other.namespace.snapshot().link_named(&link.name)?.mtu_bytes));
    named.chain(peer).filter(|mtu| *mtu >= case.packet().wire_bytes()).max()
}
