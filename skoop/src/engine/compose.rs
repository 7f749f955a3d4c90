//! From ways to a report.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use skoop_model::{
    Branch, Horizon, Protocol, Question, ReplySummary, Report, ResolvedQuestion, SCHEMA_VERSION, Share, SnapshotInfo,
    Unseen, Verdict,
};
use skoop_sim::{ForkKind, Way};

use super::intent;
use super::journey::End;
use super::network::Network;
use super::resolve::Plan;
use super::trip::{Trip, TripResult};
use super::verdict::{Bounds, of_trip};
use crate::findings::{self, Verdicts};

/// Makes the report.
pub fn report(question: &Question, plan: &Plan, network: &Network, ways: &[Way<Trip>], truncated: bool) -> Report {
    let bounds = Bounds::of(ways, truncated);
    let verdict = bounds.verdict();
    let Verdicts { causes, symptoms, warnings, codes } = findings::explain(network, plan, question, ways);
    let mut branches: Vec<Branch> = ways.iter().zip(codes).map(|(way, codes)| branch(way, codes)).collect();
    branches.sort_by(by_probability);
    Report {
        schema: SCHEMA_VERSION,
        question: ResolvedQuestion {
            asked: question.clone(),
            source: Some(plan.source.clone()),
            destination: Some(plan.destination.clone()),
        },
        verdict,
        share: bounds.share(),
        horizon: horizon(ways),
        causes,
        symptoms,
        warnings,
        branches,
        reply: reply_summary(plan, ways, truncated),
        intent: intent::judge(network, plan, protocol(question), verdict),
        unseen: unseen(network, ways, verdict, truncated),
        snapshots: snapshots(network),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn protocol(question: &Question) -> Protocol {
    question.protocol
}

fn branch(way: &Way<Trip>, codes: Vec<String>) -> Branch {
    Branch {
        probability: way.is_certain().then(|| Share(way.chance())),
        verdict: of_trip(&way.value),
        choices: way.choices.iter().map(|choice| choice.label.clone()).collect(),
        steps: way.value.forward.steps.clone(),
        reply_steps: way.value.reply.as_ref().map(|reply| reply.steps.clone()).unwrap_or_default(),
        codes,
    }
}

/// The likeliest first; ways that hang on something unknown last. Stable, so that equal ones keep their order.
fn by_probability(left: &Branch, right: &Branch) -> Ordering {
    let key = |branch: &Branch| branch.probability.map_or(-1.0, |share| share.0);
    key(right).total_cmp(&key(left))
}

/// The horizon of the first way that ends there.
fn horizon(ways: &[Way<Trip>]) -> Option<Horizon> {
    ways.iter().flat_map(|way| way.value.journeys()).find_map(|journey| match &journey.end {
        End::Horizon { place, packet, next_hop } => {
            let by = next_hop.map(|next_hop| format!(" by way of {next_hop}")).unwrap_or_default();
            Some(Horizon { place: place.clone(), towards: format!("{}{by}", packet.dst) })
        }
        _ => None,
    })
}

/// How the answer fares where the packet arrived.
fn reply_summary(plan: &Plan, ways: &[Way<Trip>], truncated: bool) -> ReplySummary {
    let arrived: Vec<Way<Trip>> = ways.iter().filter(|way| way.value.reply.is_some()).cloned().collect();
    let verdict = match arrived.as_slice() {
        [] => None,
        arrived if arrived.len() == ways.len() => Some(Bounds::of(arrived, truncated).verdict()),
        arrived => {
            let worked = arrived.iter().filter(|way| way.value.result == TripResult::Success).count();
            Some(match worked {
                0 => Verdict::Unreachable,
                worked if worked == arrived.len() => Verdict::Reachable,
                _ => Verdict::Degraded,
            })
        }
    };
    ReplySummary { walked: plan.reply, verdict }
}

fn unseen(network: &Network, ways: &[Way<Trip>], verdict: Verdict, truncated: bool) -> Vec<Unseen> {
    let open = verdict == Verdict::Undetermined;
    let mut all = BTreeSet::new();
    for way in ways {
        for choice in &way.choices {
            if let ForkKind::Unknown(unseen) = &choice.kind {
                all.insert(Unseen { matters: open, ..unseen.clone() });
            }
        }
        if let TripResult::Unknown(unseen) = &way.value.result {
            all.insert(Unseen { matters: open, ..unseen.clone() });
        }
    }
    for why in &network.cluster().unseen {
        all.insert(Unseen { what: "cluster objects".to_owned(), why: why.to_string(), matters: false });
    }
    for (node, why) in network.unavailable_nodes() {
        all.insert(Unseen { what: format!("node {node}"), why: why.to_string(), matters: open });
    }
    let passed: BTreeSet<_> =
        ways.iter().flat_map(|way| way.value.journeys()).flat_map(|journey| journey.passed.iter()).collect();
    for host in passed {
        let host = network.host(*host);
        for problem in host.namespace.netfilter().problems() {
            let what = format!("{} in {} of {}", problem.what, host.label, host.node);
            all.insert(Unseen { what, why: problem.why.clone(), matters: false });
        }
    }
    if truncated {
        let why = "the rules fork the packet's way too often".to_owned();
        all.insert(Unseen { what: "some of the ways that the packet may take".to_owned(), why, matters: true });
    }
    all.into_iter().collect()
}

fn snapshots(network: &Network) -> Vec<SnapshotInfo> {
    let cluster = network.cluster();
    let parts = [
        ("nodes", cluster.nodes.get().err()),
        ("pods", cluster.pods.get().err()),
        ("services", cluster.services.get().err()),
        ("endpointslices", cluster.endpoint_slices.get().err()),
        ("namespaces", cluster.namespaces.get().err()),
        ("networkpolicies", cluster.network_policies.get().err()),
        ("configmaps", cluster.config_maps.get().err()),
        ("daemonsets", cluster.daemon_sets.get().err()),
    ];
    let partial = parts.into_iter().filter_map(|(part, why)| Some(format!("{part}: {}", why?))).collect();
    let of_cluster = SnapshotInfo { of: "cluster".to_owned(), taken_at_ms: cluster.taken_at_ms, took_ms: 0, partial };
    std::iter::once(of_cluster).chain(network.snapshots().cloned()).collect()
}
