//! What the API objects promise about a question.

use skoop_model::{Endpoint, Intent, IntentVerdict, ObjectKey, Pod, Port, Protocol, Service, Verdict};

use super::network::Network;
use super::resolve::{Plan, Target};

/// The promise, and whether the datapath keeps it.
pub fn judge(network: &Network, plan: &Plan, protocol: Protocol, verdict: Verdict) -> Intent {
    let (promise, mut reasons) = match &plan.target {
        Target::Service(key, port) => of_service(network, key, *port, protocol),
        Target::Pod(key) => of_pod(network, key),
        Target::Node(_) | Target::Address(_) => (IntentVerdict::Unknown, Vec::new()),
    };
    let policies = network.cluster().network_policies.elements().len();
    if policies > 0 {
        reasons.push(format!("{policies} network policies exist; they are not evaluated by this version"));
    }
    let agrees = match (promise, verdict) {
        (IntentVerdict::Unknown, _) | (_, Verdict::Undetermined) => None,
        (IntentVerdict::Allowed, verdict) => Some(verdict == Verdict::Reachable),
        (IntentVerdict::Denied, verdict) => Some(verdict == Verdict::Unreachable),
    };
    Intent { verdict: promise, agrees, reasons }
}

fn of_service(network: &Network, key: &ObjectKey, port: Port, protocol: Protocol) -> (IntentVerdict, Vec<String>) {
    let cluster = network.cluster();
    let Some(service) = cluster.service(key) else { return (IntentVerdict::Unknown, Vec::new()) };
    if service.port(port, protocol).is_none() {
        return (IntentVerdict::Denied, vec![format!("svc/{key} has no port {port}/{protocol}")]);
    }
    if let Err(why) = cluster.endpoint_slices.get() {
        return (IntentVerdict::Unknown, vec![format!("the endpoints of svc/{key} were not seen: {why}")]);
    }
    let endpoints: Vec<&Endpoint> = endpoints(network, service);
    let ready = endpoints.iter().filter(|endpoint| endpoint.ready).count();
    let text = format!("svc/{key} has {ready} ready of {} endpoints", endpoints.len());
    let verdict = if ready == 0 { IntentVerdict::Denied } else { IntentVerdict::Allowed };
    (verdict, vec![text])
}

fn of_pod(network: &Network, key: &ObjectKey) -> (IntentVerdict, Vec<String>) {
    match network.cluster().pod(key) {
        Some(pod) if is_serving(pod) => (IntentVerdict::Allowed, vec![format!("pod/{key} is ready")]),
        Some(_) => (IntentVerdict::Unknown, vec![format!("pod/{key} is not ready")]),
        None => (IntentVerdict::Unknown, Vec::new()),
    }
}

fn is_serving(pod: &Pod) -> bool {
    pod.ready && !pod.phase.is_over()
}

/// All endpoints of a service.
pub fn endpoints<'a>(network: &'a Network, service: &'a Service) -> Vec<&'a Endpoint> {
    network.cluster().slices_of(&service.key).flat_map(|slice| &slice.endpoints).collect()
}
