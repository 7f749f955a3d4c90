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
    let (Stop::NoNeighbour { .. } | Stop::BridgeNobody { .. } | Stop::ForwardingOff { .. }) = case.stop() else { return None };
    let dst = case.packet().dst;
    let cluster = case.network.cluster();
    let pod = *cluster.pods_with_address(dst).first()?;
    if pod.phase.is_over() || pod.node.as_ref() != Some(&case.blocker().place.node) || case.owner(dst).is_some() {
        return None;
    }
    let evidence = Evidence::new("missing", format!("no device on {} has {dst}, the address of pod/{}", case.blocker().place.node, pod.key));
    let message = format!("pod/{} should have {dst}, and no device of its node has it.", pod.key);
    Some(Detail::new(message).on(evidence))
}
