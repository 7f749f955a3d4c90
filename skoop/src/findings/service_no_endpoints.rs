//! A Service that nothing stands behind.

use skoop_model::{Evidence, Role, Severity};

use super::FindingKind;
use super::case::{Case, Detail};
use crate::engine::endpoints;

/// `SERVICE-NO-ENDPOINTS`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SERVICE-NO-ENDPOINTS",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The Service has no endpoint: its selector matches no pod, or nobody wrote its EndpointSlices.",
    remedy: "Make the Service's selector match the labels of running pods, or start the pods.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let service = case.service()?;
    case.network.cluster().endpoint_slices.get().ok()?;
    if !endpoints(case.network, service).is_empty() || !case.is_untranslated(service) {
        return None;
    }
    let selector: Vec<String> = service.selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let selector = if selector.is_empty() { "none".to_owned() } else { selector.join(",") };
    let evidence = Evidence::new("object", format!("svc/{} has no endpoints; selector: {selector}", service.key));
    let message = format!("Service {} has no endpoint, so that whatever is sent to it is refused.", service.key);
    let pods = case.network.cluster().pods.elements().iter();
    let matching = pods.filter(|pod| {
        let matches = service.selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value));
        pod.key.namespace == service.key.namespace && !service.selector.is_empty() && matches
    });
    let fix = match matching.count() {
        0 => format!("No pod in namespace {} has the labels {selector}: correct the selector or the pods' labels.", service.key.namespace),
        count => format!("{count} pods match the selector, yet no EndpointSlice names them: look at kube-controller-manager."),
    };
    Some(Detail::new(message).on(evidence).fix(fix, Vec::new()))
}
