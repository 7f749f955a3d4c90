//! Packets that go round in circles.

use std::collections::BTreeSet;

use skoop_model::{Packet, Role, Severity, Step};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};
use crate::engine::HostId;

/// `ROUTE-LOOP`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "ROUTE-LOOP",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "Routes of two or more nodes send the packet round in circles until its time to live is used up.",
    remedy: "Correct the routes so that each node sends the packet nearer to its destination.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let (Stop::Loop | Stop::TtlExpired) = case.stop() else { return None };
    let passed = &case.journey.passed;
    let again = |host: &HostId| passed.iter().filter(|other| *other == host).count() > 1;
    let first = *passed.iter().find(|host| again(host))?;
    let host = case.network.host(first);
    let circle: BTreeSet<&str> =
        passed.iter().filter(|host| again(host)).map(|host| case.network.host(*host).node.as_str()).collect();
    let circle: Vec<&str> = circle.into_iter().collect();
    let dst = inner(case.packet()).dst;
    // What carries the packet within the circle decides, not what carries its tunnel.
    let here = |step: &&Step| step.place.node == host.node && step.place.namespace == host.label;
    let routed = |step: &&Step| step.by.kind == "route" && step.before.dst == dst;
    let route = case.journey.steps.iter().filter(here).find(routed)?;
    let message = format!("The packet to {dst} circles between {}.", circle.join(", "));
    let remote = case.node_of_pod_address(dst).filter(|remote| remote.name != host.node);
    let expected = remote.and_then(|remote| case.remote_route(&host.node, remote));
    let commands: Vec<Vec<String>> = expected.into_iter().map(|route| route.command()).collect();
    let fix = format!("Correct the route on {}, and then those of the other nodes of the circle.", host.node);
    Some(Detail::new(message).on(route.by.clone()).at(first).fix(fix, commands))
}

/// The packet that a tunnel carries.
fn inner(packet: &Packet) -> &Packet {
    packet.encap.as_deref().map_or(packet, |encap| &encap.frame.packet)
}
