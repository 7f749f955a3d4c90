//! IPv6 switched off.

use skoop_model::{Evidence, Family, HostRole, Role, Severity, Sysctls};
use skoop_sim::{Stop, dotted};

use super::FindingKind;
use super::case::{Case, Detail, argv};
use crate::engine::HostId;

/// `SYSCTL-IPV6-DISABLED`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SYSCTL-IPV6-DISABLED",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "IPv6 is switched off on a device on the way.",
    remedy: "Switch IPv6 on for the device; its addresses must be given to it anew.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let (host, sysctl, device) = match case.stop() {
        Stop::Ipv6Disabled { sysctl } => (case.blocked.host?, sysctl.clone(), case.device_name()),
        Stop::NoNeighbour { .. } | Stop::BridgeNobody { .. } => of_receiver(case)?,
        _ => return None,
    };
    let key = dotted(&sysctl);
    let place = case.network.host(host);
    let whose = if place.role == HostRole::Host { place.node.to_string() } else { place.label.clone() };
    let message = format!("{whose} takes no IPv6 on {device}: {key} is 1.");
    let mut commands = vec![argv(&["sysctl", "-w", &format!("{key}=0")])];
    commands.extend(case.restore_pod(host, Family::V6));
    let fix = format!("Set {key} to 0, and give the device its IPv6 addresses and routes again: they went with it.");
    let evidence = Evidence::new("sysctl", format!("{key} = 1"));
    Some(Detail::new(message).on(evidence).at(host).fix(fix, commands))
}

/// Nobody answers for the pod's address, because its device lost it with IPv6.
fn of_receiver(case: &Case<'_>) -> Option<(HostId, String, String)> {
    let (_, host) = case.pod_of_address(case.neighbour_address()?)?;
    let namespace = &case.network.host(host).namespace;
    let mut devices = namespace.snapshot().links.elements().iter().filter(|link| !link.loopback);
    devices.find_map(|link| {
        let sysctl = Sysctls::device_path(Family::V6, &link.name, "disable_ipv6");
        (namespace.sysctl(&sysctl)? != 0).then(|| (host, sysctl, link.name.clone()))
    })
}
