//! From blockers to ranked causes and symptoms.

use skoop_model::{Finding, Question};
use skoop_sim::Way;

use super::case::{Case, Detail};
use super::{FindingKind, REGISTRY, mtu_fragmentation, node_not_ready, pod_runtime_mismatch, route_detour};
use crate::engine::{Network, Plan, Trip, TripResult};

/// Findings of all ways.
#[derive(Debug, Clone, Default)]
pub struct Verdicts {
    /// Root causes, unconditional ones first.
    pub causes: Vec<Finding>,
    /// What they lead to.
    pub symptoms: Vec<Finding>,
    /// What does not change the verdict.
    pub warnings: Vec<Finding>,
    /// Codes met on each way, in order.
    pub codes: Vec<Vec<String>>,
}

/// Explains every blocker of every way.
pub fn explain(network: &Network, plan: &Plan, question: &Question, ways: &[Way<Trip>]) -> Verdicts {
    let mut verdicts = Verdicts::default();
    for way in ways {
        let mut codes = Vec::new();
        for journey in way.value.journeys() {
            for blocked in &journey.blocked {
                let case = Case { network, plan, question, trip: &way.value, journey, blocked };
                let mut found = REGISTRY.iter().filter_map(|kind| Some((kind, (kind.detect)(&case)?)));
                if let Some((kind, detail)) = found.next() {
                    codes.push(kind.code.to_owned());
                    push(&mut verdicts.causes, finding(&case, kind, detail));
                }
                for (kind, detail) in found {
                    codes.push(kind.code.to_owned());
                    push(&mut verdicts.symptoms, finding(&case, kind, detail));
                }
            }
        }
        verdicts.codes.push(codes);
    }
    verdicts.warnings = warnings(network, plan, ways);
    // Stable: causes keep the order in which the packet met them.
    verdicts.causes.sort_by_key(|finding| finding.conditional);
    let causes = verdicts.causes.clone();
    verdicts.symptoms.retain(|symptom| !causes.iter().any(|cause| same(cause, symptom)));
    verdicts
}

fn finding(case: &Case<'_>, kind: &FindingKind, detail: Detail) -> Finding {
    let blocker = case.blocker();
    let place = detail.at.map(|host| case.network.host(host));
    Finding {
        code: kind.code.to_owned(),
        severity: kind.severity,
        conditional: blocker.conditional,
        reply: case.blocked.reply,
        changing: false,
        node: place.map_or_else(|| blocker.place.node.to_string(), |host| host.node.to_string()),
        namespace: place.map_or_else(|| blocker.place.namespace.clone(), |host| host.label.clone()),
        evidence: detail.evidence.unwrap_or_else(|| blocker.evidence.clone()),
        message: detail.message,
        fix: if detail.fix.text.is_empty() {
            skoop_model::Fix { text: kind.remedy.to_owned(), commands: detail.fix.commands }
        } else {
            detail.fix
        },
        docs: kind.docs(),
    }
}

/// Adds a finding unless it is there; one that some way meets unconditionally is unconditional.
fn push(list: &mut Vec<Finding>, finding: Finding) {
    match list.iter_mut().find(|known| same(known, &finding)) {
        Some(known) => known.conditional &= finding.conditional,
        None => list.push(finding),
    }
}

fn same(left: &Finding, right: &Finding) -> bool {
    (&left.code, &left.node, &left.namespace, &left.evidence)
        == (&right.code, &right.node, &right.namespace, &right.evidence)
}

/// Things worth knowing that stop nothing.
fn warnings(network: &Network, plan: &Plan, ways: &[Way<Trip>]) -> Vec<Finding> {
    let mut found = Vec::new();
    for name in [&plan.source.node, &plan.destination.node].into_iter().flatten() {
        if let Some(detail) = node_not_ready::inspect(network, name) {
            push(&mut found, note(network, &node_not_ready::FINDING, detail, false));
        }
    }
    for detail in pod_runtime_mismatch::inspect(network, ways) {
        push(&mut found, note(network, &pod_runtime_mismatch::FINDING, detail, false));
    }
    for way in ways.iter().filter(|way| way.value.result == TripResult::Success) {
        let journeys = [(Some(&way.value.forward), false), (way.value.reply.as_ref(), true)];
        for (journey, reply) in journeys {
            if let Some(detail) = journey.and_then(|journey| route_detour::inspect(network, journey)) {
                push(&mut found, note(network, &route_detour::FINDING, detail, reply));
            }
            if let Some(detail) = journey.and_then(|journey| mtu_fragmentation::inspect(network, journey)) {
                push(&mut found, note(network, &mtu_fragmentation::FINDING, detail, reply));
            }
        }
    }
    found
}

fn note(network: &Network, kind: &FindingKind, detail: Detail, reply: bool) -> Finding {
    let place = detail.at.map(|host| network.host(host));
    Finding {
        code: kind.code.to_owned(),
        severity: kind.severity,
        conditional: false,
        reply,
        changing: false,
        node: place.map(|host| host.node.to_string()).unwrap_or_default(),
        namespace: place.map(|host| host.label.clone()).unwrap_or_default(),
        evidence: detail.evidence.unwrap_or_else(|| skoop_model::Evidence::new("missing", "")),
        message: detail.message,
        fix: skoop_model::Fix { text: kind.remedy.to_owned(), commands: Vec::new() },
        docs: kind.docs(),
    }
}
