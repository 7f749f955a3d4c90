//! Makes a case that fails as small as it gets: lines of the node and steps of the flow are taken out while it still fails.

use std::time::{Duration, Instant};

use super::case::{Case, Flow, Node, Step};
use super::judge::judge;
use super::lab::Lab;

/// Longest time for one case.
const PATIENCE: Duration = Duration::from_secs(90);

/// The smallest case found, with what differs in it. None if the flow alone does not fail.
pub(super) fn shrink(lab: &mut Lab, case: &Case, flow: usize) -> Option<(Case, String)> {
    let deadline = Instant::now() + PATIENCE;
    let flows = case.flows.get(flow).cloned().into_iter().collect();
    let mut best = Case { flows, ..case.clone() };
    let mut text = fails(lab, &best)?;
    // Whole parts first.
    for part in 0..Node::PARTS {
        for all in [true, false] {
            let mut candidate = best.clone();
            candidate.node.part_mut(part).retain(|line| !all && !is_removable(part, line));
            try_out(lab, candidate, &mut best, &mut text);
        }
    }
    by_halves(lab, deadline, &mut best, &mut text);
    for part in Node::RULES {
        for table in ["*raw", "*mangle", "*nat", "*filter"] {
            let mut candidate = best.clone();
            let lines = candidate.node.part_mut(part);
            let Some(begin) = lines.iter().position(|line| line == table) else { continue };
            let length = lines.iter().skip(begin).position(|line| line == "COMMIT").unwrap_or(0);
            lines.drain(begin..=begin + length);
            try_out(lab, candidate, &mut best, &mut text);
        }
    }
    let mut candidate = best.clone();
    candidate.node.ipset.clear();
    try_out(lab, candidate, &mut best, &mut text);
    let steps = best.flows.first().map_or(0, |flow| flow.steps.len());
    for keep in 1..steps {
        let mut candidate = best.clone();
        candidate.flows.iter_mut().for_each(|flow| flow.steps.truncate(keep));
        if let Some(said) = fails(lab, &candidate) {
            (best, text) = (candidate, said);
            break;
        }
    }
    best.flows.iter_mut().for_each(without_followers);
    Some((best, text))
}

/// Takes out halves of each part, quarters, and so on down to lines.
fn by_halves(lab: &mut Lab, deadline: Instant, best: &mut Case, text: &mut String) {
    for part in 0..Node::PARTS {
        let mut size = best.node.part(part).len().div_ceil(2);
        while size > 0 && Instant::now() < deadline {
            let mut at = 0;
            while at < best.node.part(part).len() && Instant::now() < deadline {
                let mut candidate = best.clone();
                let mut place = 0;
                candidate.node.part_mut(part).retain(|line| {
                    let taken = (at..at + size).contains(&place) && is_removable(part, line);
                    place += 1;
                    !taken
                });
                if candidate.node == best.node {
                    at += size;
                } else if let Some(said) = fails(lab, &candidate) {
                    (*best, *text) = (candidate, said);
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
    }
}

/// Steps that nothing depends on stay as they are: their order says what conntrack has seen.
fn without_followers(flow: &mut Flow) {
    while let Some(Step::Answer { to } | Step::Error { about: to, .. }) = flow.steps.last() {
        if *to < flow.steps.len() {
            break;
        }
        flow.steps.pop();
    }
}

/// Takes the candidate if it is smaller and fails too.
fn try_out(lab: &mut Lab, candidate: Case, best: &mut Case, text: &mut String) {
    if candidate.node != best.node
        && let Some(said) = fails(lab, &candidate)
    {
        (*best, *text) = (candidate, said);
    }
}

fn fails(lab: &mut Lab, case: &Case) -> Option<String> {
    // A case that no longer loads is not smaller but another one.
    let judged = judge(lab, &mut case.clone()).ok()?;
    judged.differences.into_iter().next().map(|difference| difference.text)
}

/// Chains, policies and what holds a file together stay.
fn is_removable(part: usize, line: &str) -> bool {
    match part {
        Node::NATIVE => line.starts_with("\t\t") && !line.trim_start().starts_with("type "),
        part if Node::RULES.contains(&part) => line.starts_with("-A "),
        Node::SETS => line.contains("add "),
        Node::SYSCTLS => !line.contains("forward") && !line.contains("icmp"),
        _ => true,
    }
}
