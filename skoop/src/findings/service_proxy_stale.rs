//! Service rules that still name an endpoint that is gone.

use skoop_model::{Role, Severity, Step};

use super::FindingKind;
use super::case::{Case, Detail, argv};
use super::shown::is_rule;
use crate::engine::endpoints;

/// `SERVICE-PROXY-STALE`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SERVICE-PROXY-STALE",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The node's Service rules send packets to an endpoint that the API no longer has.",
    remedy: "Restart kube-proxy on the node, and see in its log why it stopped following the API.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let service = case.service()?;
    case.network.cluster().endpoint_slices.get().ok()?;
    let step = case.trip.forward.steps.iter().find(|step| is_rule(&step.by) && translates(step, service))?;
    let chosen = step.after.as_ref()?.dst;
    let known = endpoints(case.network, service).iter().any(|endpoint| endpoint.addresses.contains(&chosen));
    if known || endpoints(case.network, service).is_empty() {
        return None;
    }
    let host = case.host_at(&step.place)?;
    let message = format!(
        "The Service rules on {} send packets to {chosen}, which is no endpoint of Service {} any more.",
        step.place.node, service.key
    );
    let node = format!("--field-selector=spec.nodeName={}", step.place.node);
    let restart = argv(&["kubectl", "-n", "kube-system", "delete", "pod", "-l", "k8s-app=kube-proxy", &node]);
    let text = format!(
        "Restart kube-proxy on {}: it rewrites all Service rules of the node, established connections stay. Run `{}`.",
        step.place.node,
        restart.join(" ")
    );
    Some(Detail::new(message).on(step.by.clone()).at(host).fix(text, Vec::new()))
}

/// Whether a step translates the Service's address to an endpoint.
pub(super) fn translates(step: &Step, service: &skoop_model::Service) -> bool {
    let changed = step.after.as_ref().is_some_and(|after| after.dst != step.before.dst);
    changed && service.has_address(step.before.dst)
}
