//! A Service that the node has no rules for.

use skoop_model::{Evidence, Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};
use super::service_proxy_stale::translates;
use crate::engine::endpoints;

/// `SERVICE-PROXY-MISSING`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SERVICE-PROXY-MISSING",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The Service has ready endpoints, and yet the node does not translate its address.",
    remedy: "See whether kube-proxy runs on the node and whether its log reports errors; restarting it rewrites its rules.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let service = case.service()?;
    let untranslated = service.cluster_ips.contains(&case.packet().dst);
    // Where a rule stopped it, what follows tells whether it would have been translated behind that.
    let beyond_rules = match case.stop() {
        Stop::LeftCluster { .. } | Stop::NoNeighbour { .. } => true,
        Stop::Netfilter(_) => !case.blocked.reply && !case.journey.steps.iter().any(|step| translates(step, service)),
        _ => false,
    };
    let ready = endpoints(case.network, service).iter().any(|endpoint| endpoint.ready);
    if !(untranslated && beyond_rules && ready) {
        return None;
    }
    let node = &case.blocker().place.node;
    let message = format!("Node {node} has no rule that translates {} of Service {}.", case.packet().dst, service.key);
    let evidence = Evidence::new("missing", format!("no rule for {} on {node}", case.packet().dst));
    Some(Detail::new(message).on(evidence))
}
