//! Network policies.

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy as KubeNetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector as KubeLabelSelector, LabelSelectorRequirement};
use skoop_model::{
    IpBlock, LabelSelector, NetworkPolicy, PolicyPeer, PolicyPort, PolicyRule, Requirement, RequirementOperator,
};

use super::meta;

/// A network policy; none without namespace and name, or with a pod selector that cannot be understood.
pub(in crate::kube) fn network_policy(policy: &KubeNetworkPolicy) -> Option<NetworkPolicy> {
    let unset = NetworkPolicySpec::default();
    let spec = policy.spec.as_ref().unwrap_or(&unset);
    let ingress = spec.ingress.iter().flatten();
    let egress = spec.egress.iter().flatten();
    let (applies_to_ingress, applies_to_egress) = directions(spec);
    Some(NetworkPolicy {
        key: meta::key(&policy.metadata)?,
        pod_selector: spec.pod_selector.as_ref().map_or_else(|| Some(LabelSelector::default()), selector)?,
        applies_to_ingress,
        applies_to_egress,
        ingress: ingress.filter_map(|entry| rule(entry.from.as_deref(), entry.ports.as_deref())).collect(),
        egress: egress.filter_map(|entry| rule(entry.to.as_deref(), entry.ports.as_deref())).collect(),
    })
}

/// Whether ingress and egress are governed. Without `policyTypes` ingress always is, and egress if there is any egress rule.
fn directions(spec: &NetworkPolicySpec) -> (bool, bool) {
    match spec.policy_types.as_deref() {
        None | Some([]) => (true, spec.egress.as_ref().is_some_and(|rules| !rules.is_empty())),
        Some(types) => (types.iter().any(|name| name == "Ingress"), types.iter().any(|name| name == "Egress")),
    }
}

/// A rule; none when nothing readable is left of its peers or of its ports, since an empty list means all.
fn rule(peers: Option<&[NetworkPolicyPeer]>, ports: Option<&[NetworkPolicyPort]>) -> Option<PolicyRule> {
    Some(PolicyRule { peers: some_or_all(peers, peer)?, ports: some_or_all(ports, port)? })
}

/// Those that can be read; none when there were some and none can be.
fn some_or_all<T, U>(entries: Option<&[T]>, read: fn(&T) -> Option<U>) -> Option<Vec<U>> {
    let entries = entries.unwrap_or_default();
    let readable: Vec<U> = entries.iter().filter_map(read).collect();
    (entries.is_empty() || !readable.is_empty()).then_some(readable)
}

/// A peer; none if it is empty or any part of it cannot be read: with a part less it would select more.
fn peer(peer: &NetworkPolicyPeer) -> Option<PolicyPeer> {
    let read = PolicyPeer {
        pod_selector: optional(peer.pod_selector.as_ref(), selector)?,
        namespace_selector: optional(peer.namespace_selector.as_ref(), selector)?,
        ip_block: optional(peer.ip_block.as_ref(), ip_block)?,
    };
    let is_empty = read.pod_selector.is_none() && read.namespace_selector.is_none() && read.ip_block.is_none();
    (!is_empty).then_some(read)
}

fn ip_block(block: &IPBlock) -> Option<IpBlock> {
    let except: Option<Vec<_>> = block.except.iter().flatten().map(|text| meta::prefix(text)).collect();
    Some(IpBlock { cidr: meta::prefix(&block.cidr)?, except: except? })
}

fn port(port: &NetworkPolicyPort) -> Option<PolicyPort> {
    Some(PolicyPort {
        protocol: meta::protocol(port.protocol.as_ref())?,
        port: optional(port.port.as_ref(), meta::target_port)?,
        end_port: optional(port.end_port.as_ref(), |number| meta::port(*number))?,
    })
}

fn selector(selector: &KubeLabelSelector) -> Option<LabelSelector> {
    let requirements: Option<Vec<Requirement>> = selector.match_expressions.iter().flatten().map(requirement).collect();
    Some(LabelSelector {
        match_labels: selector.match_labels.clone().unwrap_or_default(),
        match_expressions: requirements?,
    })
}

fn requirement(requirement: &LabelSelectorRequirement) -> Option<Requirement> {
    let operator = match requirement.operator.as_str() {
        "In" => RequirementOperator::In,
        "NotIn" => RequirementOperator::NotIn,
        "Exists" => RequirementOperator::Exists,
        "DoesNotExist" => RequirementOperator::DoesNotExist,
        _ => return None,
    };
    let values = requirement.values.clone().unwrap_or_default();
    Some(Requirement { key: requirement.key.clone(), operator, values })
}

/// An unset part stays unset; a set part must be readable.
#[expect(clippy::option_option, reason = "unset and unreadable are two things")]
fn optional<T, U>(part: Option<&T>, read: impl Fn(&T) -> Option<U>) -> Option<Option<U>> {
    match part {
        None => Some(None),
        Some(part) => read(part).map(Some),
    }
}
