//! A pod of which the container runtime and the API say different things.

use std::collections::BTreeSet;
use std::net::IpAddr;

use skoop_model::{Evidence, Role, Severity};
use skoop_sim::Way;

use super::FindingKind;
use super::case::Detail;
use crate::engine::{Difference, HostId, Mismatch, Network, Trip};

/// `POD-RUNTIME-MISMATCH`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "POD-RUNTIME-MISMATCH",
    severity: Severity::Warning,
    role: Role::Symptom,
    meaning: "The container runtime and the API disagree about a pod's addresses or its network namespace; Services and policies follow the API, packets follow the kernel.",
    remedy: "Compare `crictl inspectp SANDBOX` with the pod's status; if they stay different, delete the pod, so that kubelet makes its sandbox anew.",
    detect: |_| None,
};

/// Disagreements about pods that the packet or its answer met.
pub(super) fn inspect(network: &Network, ways: &[Way<Trip>]) -> Vec<Detail> {
    let journeys = ways.iter().flat_map(|way| way.value.journeys());
    let passed: BTreeSet<HostId> = journeys.flat_map(|journey| journey.passed.iter().copied()).collect();
    let met = network.mismatches().filter(|(host, _)| passed.contains(host));
    met.map(|(host, mismatch)| detail(network, host, mismatch)).collect()
}

fn detail(network: &Network, host: HostId, mismatch: &Mismatch) -> Detail {
    let pod = &mismatch.pod;
    let (message, told) = match &mismatch.difference {
        Difference::Addresses { runtime, api } => {
            let (runtime, api) = (joined(runtime), joined(api));
            let message = format!("The runtime gave pod {pod} the address {runtime}, the API shows {api}.");
            (message, format!("has {runtime}, pod/{pod} has {api}"))
        }
        Difference::Elsewhere { address, namespace } => {
            let node = &network.host(host).node;
            let label = network.of_netns(node, *namespace).map(|other| network.host(other).label.clone());
            let label = label.unwrap_or_else(|| namespace.to_string());
            let message =
                format!("By the runtime's word pod {pod} is not where its address {address} is: that is in {label}.");
            (message, format!("is in network namespace {}, {address} in {namespace}", mismatch.namespace))
        }
        Difference::Processes { uid } => {
            let message =
                format!("In the network namespace of pod {pod} run processes of another pod, the one with UID {uid}.");
            (message, format!("is in network namespace {}, in which pod {uid} runs", mismatch.namespace))
        }
    };
    Detail::new(message).on(Evidence::new("object", format!("sandbox {} {told}", mismatch.sandbox))).at(host)
}

fn joined(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
