//! Packets that go round in circles.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

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
    let again = passed.iter().enumerate().find(|(position, host)| passed.iter().take(*position).any(|earlier| earlier == *host));
    let host = case.network.host(*again?.1);
    let nodes: std::collections::BTreeSet<&str> =
        passed.iter().map(|host| case.network.host(*host).node.as_str()).collect();
    let nodes: Vec<&str> = nodes.into_iter().collect();
    let route = case.journey.steps.iter().rev().find(|step| step.by.kind == "route" && step.place.node == host.node)?;
    let message = format!("The packet to {} circles between {}.", case.packet().dst, nodes.join(", "));
    Some(Detail::new(message).on(route.by.clone()))
}
