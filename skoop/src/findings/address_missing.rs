//! An address that the API promises and no device has.

use skoop_model::{Evidence, Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `ADDRESS-MISSING`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "ADDRESS-MISSING",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A pod has, by the API, an address that no device on its node has.",
    remedy: "Give the address back to the pod's device, or delete the pod so that it is made anew.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let dst = case.packet().dst;
    if !case.went_astray() && !matches!(case.stop(), Stop::BridgeNobody { .. } | Stop::ForwardingOff { .. }) {
        return None;
    }
    let cluster = case.network.cluster();
    let pod = *cluster.pods_with_address(dst).first()?;
    let node = &case.blocker().place.node;
    if pod.phase.is_over() || pod.node.as_ref() != Some(node) || case.owner(dst).is_some() {
        return None;
    }
    let evidence = Evidence::new("missing", format!("no device on {node} has {dst}, the address of pod/{}", pod.key));
    let message = format!("pod/{} should have {dst}, and no device of its node has it.", pod.key);
    let detail = Detail::new(message).on(evidence);
    let Some(host) = case.network.pod_host(pod) else { return Some(detail) };
    let fix = "Give the address back to the pod's device, and the routes that went with it; deleting the pod, so that it is made anew, \
               does the same.";
    Some(detail.at(host).fix(fix, case.restore_pod(host, case.packet().family())))
}
