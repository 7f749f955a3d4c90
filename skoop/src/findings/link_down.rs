//! A device that is down, met directly or by what went missing with it.

use skoop_model::{Evidence, HostRole, Link, LinkKind, Role, Severity, VxlanConfig};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail, argv};
use crate::engine::HostId;

/// `LINK-DOWN`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "LINK-DOWN",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A network device on the way is down; its routes are gone with it, and its other end has no carrier.",
    remedy: "Set the device up and restore the routes that went with it.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let (host, link) = culprit(case)?;
    let place = case.network.host(host);
    let whose = if place.role == HostRole::Host { format!("node {}", place.node) } else { place.label.clone() };
    let message = if link.up {
        format!("Device {} of {whose} has no carrier: what it is connected to is down.", link.name)
    } else {
        format!("Device {} of {whose} is down.", link.name)
    };
    let text = format!("{}: {} <{}> state DOWN", link.index, link.name, if link.up { "UP,NO-CARRIER" } else { "" });
    let mut commands = vec![argv(&["ip", "link", "set", &link.name, "up"])];
    commands.extend(lost_with(case, host, link));
    let fix = if commands.len() == 1 {
        format!("Set {} up.", link.name)
    } else {
        let agent = capitalised(case.network.cni().agent());
        format!("Set {} up, and restore the routes that went with it. {agent} writes them anew when restarted.", link.name)
    };
    Some(Detail::new(message).on(Evidence::new("link", text)).at(host).fix(fix, commands))
}

/// The device that is down, and its namespace.
fn culprit<'a>(case: &Case<'a>) -> Option<(HostId, &'a Link)> {
    let host = case.blocked.host?;
    match case.stop() {
        Stop::LinkDown => {
            let device = case.device()?;
            (!device.up).then_some((host, device))
        }
        Stop::NoCarrier => down_peer(case, host, case.device()?).or_else(|| Some((host, case.device()?))),
        Stop::NoNeighbour { .. } | Stop::BridgeNobody { .. } => around_owner(case),
        // A VXLAN device that is down receives on no port.
        Stop::TunnelPortMismatch { port } => tunnel_that_is_down(case, host, |config| config.port == *port),
        Stop::VniMismatch { vni } => tunnel_that_is_down(case, host, |config| config.vni == *vni),
        Stop::NoRoute | Stop::LeftCluster { .. } => routes_went_with(case, host),
        _ => None,
    }
}

fn tunnel_that_is_down<'a>(
    case: &Case<'a>,
    host: HostId,
    is_meant: impl Fn(&VxlanConfig) -> bool,
) -> Option<(HostId, &'a Link)> {
    let mut links = case.network.host(host).namespace.snapshot().links.elements().iter().filter(|link| !link.up);
    let link = links.find(|link| matches!(&link.kind, LinkKind::Vxlan(config) if is_meant(config)))?;
    Some((host, link))
}

/// The other end of a device without carrier.
fn down_peer<'a>(case: &Case<'a>, host: HostId, link: &Link) -> Option<(HostId, &'a Link)> {
    case.peer(host, link).filter(|(_, peer)| !peer.up)
}

/// The owner of the address that nobody answers for has its device down, or the host's end of it.
fn around_owner<'a>(case: &Case<'a>) -> Option<(HostId, &'a Link)> {
    let address = case.neighbour_address()?;
    let Some((owner, link)) = case.owner(address) else {
        // An IPv6 address goes when its device goes down.
        let (_, host) = case.pod_of_address(address)?;
        let links = case.network.host(host).namespace.snapshot().links.elements().iter();
        let mut down = links.filter(|link| link.veth_peer().is_some() && !link.up);
        return down.next().map(|link| (host, link));
    };
    if !link.up {
        return Some((owner, link));
    }
    down_peer(case, owner, link)
}

/// A device that is down and whose routes would have led to the destination.
fn routes_went_with<'a>(case: &Case<'a>, host: HostId) -> Option<(HostId, &'a Link)> {
    let place = case.network.host(host);
    let dst = case.packet().dst;
    let mut down = place.namespace.snapshot().links.elements().iter().filter(|link| !link.up && !link.loopback);
    let remote = case.node_of_pod_address(dst).is_some_and(|node| node.name != place.node);
    let has_address = |link: &Link| place.namespace.snapshot().addresses.elements().iter().any(|entry| entry.link == link.index);
    down.find(|link| {
        let tunnel = remote && matches!(link.kind, LinkKind::Vxlan(_));
        let subnet = Case::on_subnet_of(&place.namespace, link, dst);
        let only = place.role == HostRole::Other && has_address(link);
        tunnel || subnet || only
    })
    .map(|link| (host, link))
}

/// Commands that restore what the kernel removed with the device.
fn lost_with(case: &Case<'_>, host: HostId, link: &Link) -> Vec<Vec<String>> {
    let place = case.network.host(host);
    if place.role == HostRole::Other {
        let lost = case.restore_pod(host, case.packet().family());
        if !lost.is_empty() {
            return lost;
        }
        return case.missing_pod_routes(host, false).iter().map(skoop_cni::ExpectedRoute::command).collect();
    }
    if !matches!(link.kind, LinkKind::Vxlan(_)) {
        return Vec::new();
    }
    let nodes = case.network.cluster().nodes.elements().iter().filter(|node| node.name != place.node);
    nodes.flat_map(|node| case.restore_remote(&place.node, node, Some(&link.name))).collect()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
