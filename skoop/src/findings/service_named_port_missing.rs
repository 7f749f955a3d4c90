//! A Service whose target port is a name that no pod has.

use skoop_model::{Evidence, Role, Severity, TargetPort};

use super::FindingKind;
use super::case::{Case, Detail};
use crate::engine::{Target, endpoints};

/// `SERVICE-NAMED-PORT-MISSING`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SERVICE-NAMED-PORT-MISSING",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The Service's target port is a name, and no container port of its pods has that name, so that it has no endpoints there.",
    remedy: "Give the container's port that name, or set targetPort to a name or number that the pods have.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Target::Service(key, port) = &case.plan.target else { return None };
    let (service, cluster) = (case.service()?, case.network.cluster());
    let entry = service.port(*port, case.question.protocol)?;
    let TargetPort::Name(name) = &entry.target_port else { return None };
    let known = cluster.slices_of(key).any(|slice| slice.ports.iter().any(|port| port.name == entry.name && port.port.is_some()));
    if known || endpoints(case.network, service).is_empty() || !case.is_untranslated(service) {
        return None;
    }
    let pods = endpoints(case.network, service).into_iter().filter_map(|endpoint| cluster.pod(endpoint.pod.as_ref()?));
    let lacking = pods.filter(|pod| pod.ports.iter().all(|port| port.name.as_ref() != Some(name)));
    let lacking: Vec<String> = lacking.map(|pod| format!("pod/{}", pod.key)).collect();
    let evidence = Evidence::new("object", format!("svc/{key} port {port} targetPort {name}; no such port in {}", lacking.join(", ")));
    Some(Detail::new(format!("No pod of Service {key} has a container port called {name}.")).on(evidence))
}
