//! Pod addresses that leave the cluster as they are.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `NAT-MASQUERADE-MISSING`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "NAT-MASQUERADE-MISSING",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A packet leaves the cluster with a pod's address as its source, to which nobody outside can answer.",
    remedy: "Restore the masquerade rule of the CNI plugin or of kube-proxy for traffic that leaves the cluster.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::LeftCluster { .. } = case.stop() else { return None };
    if !case.blocked.reply || !case.trip.forward.passed.is_empty() && case.trip.reply.is_some() {
        return None;
    }
    let source = case.packet().dst;
    let message = format!("The packet left with source {source}, a pod's address; an answer to it cannot find back.");
    Some(Detail::new(message))
}
