//! Compares what came out with what a scenario expects.

use anyhow::Result;
use skoop_model::{Finding, Report, Severity, Verdict};

use super::{Heal, Outcome};
use crate::lab::Lab;
use crate::packets::Measured;
use crate::scenario::{Scenario, fill};

/// Two shares that differ by less are equal: reports round to a hundredth.
const SHARE_TOLERANCE: f64 = 0.006;

impl Outcome {
    pub(super) fn of(scenario: &Scenario) -> Self {
        Self {
            name: scenario.name.clone(),
            packets: None,
            verdict: None,
            first: None,
            causes: Vec::new(),
            evidence_ok: false,
            healthy_clean: false,
            heal: Heal::None,
            right: false,
            problems: Vec::new(),
            evidence: None,
            measured: None,
            took_ms: 0,
        }
    }
}

/// A healthy cluster must be called so.
pub(super) fn healthy(report: &Report, outcome: &mut Outcome) {
    let mut told: Vec<&str> = report.causes.iter().map(|finding| finding.code.as_str()).collect();
    told.extend(alarming(report).map(|finding| finding.code.as_str()));
    outcome.healthy_clean = report.verdict == Verdict::Reachable && told.is_empty();
    if !outcome.healthy_clean {
        let told = if told.is_empty() { String::new() } else { format!(", {}", told.join(", ")) };
        outcome.problems.push(format!("the healthy cluster is called {}{told}", report.verdict));
    }
}

/// What packets do must be what the scenario says.
pub(super) fn packets(scenario: &Scenario, measured: &Measured, outcome: &mut Outcome) {
    let verdict = measured.verdict();
    outcome.packets = Some(verdict);
    outcome.measured = Some(measured.to_string());
    let expected = scenario.expect.verdict;
    if expected != Verdict::Undetermined && verdict != expected {
        outcome.problems.push(format!("packets say {verdict}, the scenario {expected}: {measured}"));
    }
}

/// What the report says must be what the scenario says.
pub(super) fn report(scenario: &Scenario, lab: &Lab, report: &Report, outcome: &mut Outcome) -> Result<()> {
    let expect = &scenario.expect;
    let first = report.causes.first();
    outcome.verdict = Some(report.verdict);
    outcome.first = first.map(|finding| finding.code.clone());
    outcome.causes = report.causes.iter().map(|finding| finding.code.clone()).collect();
    outcome.evidence = first.map(|finding| finding.evidence.text.clone());
    if report.verdict != expect.verdict {
        outcome.problems.push(format!("the diagnosis says {}, the scenario {}", report.verdict, expect.verdict));
    }
    if let Some(expected) = expect.share {
        let share = report.share.map(|share| share.0);
        if share.is_none_or(|share| (share - expected).abs() > SHARE_TOLERANCE) {
            let share = share.map_or_else(|| "none".to_owned(), |share| format!("{share:.2}"));
            outcome.problems.push(format!("the share is {share}, not {expected:.2}"));
        }
    }
    first_cause(scenario, report, outcome);
    let evidence = expect.evidence.as_deref().map(|evidence| fill(evidence, lab)).transpose()?;
    outcome.evidence_ok = evidence_holds(evidence.as_deref(), expect.node.as_deref(), first);
    if !outcome.evidence_ok {
        outcome.problems.push(evidence_problem(evidence.as_deref(), expect.node.as_deref(), first));
    }
    let all = || report.causes.iter().chain(&report.symptoms).chain(&report.warnings);
    for code in expect.also.iter().filter(|code| !all().any(|finding| finding.code == **code)) {
        outcome.problems.push(format!("{code} is not reported"));
    }
    Ok(())
}

/// Mended, unless there was nothing to mend.
pub(super) fn heal(scenario: &Scenario, outcome: &mut Outcome) {
    let broken = outcome.packets.is_some_and(|verdict| verdict != Verdict::Reachable);
    if outcome.heal == Heal::None && broken && scenario.expect.verdict != Verdict::Undetermined {
        outcome.problems.push("neither the first cause nor the scenario says how to mend it".to_owned());
    }
}

fn first_cause(scenario: &Scenario, report: &Report, outcome: &mut Outcome) {
    let expected = &scenario.expect.first;
    match report.causes.first() {
        Some(first) if !expected.contains(&first.code) => {
            let wanted = if expected.is_empty() { "none".to_owned() } else { expected.join(" or ") };
            outcome.problems.push(format!("the first cause is {}, not {wanted}", first.code));
        }
        None if !expected.is_empty() => outcome.problems.push(format!("no cause, not {}", expected.join(" or "))),
        _ => {}
    }
    if expected.is_empty() {
        for finding in alarming(report).filter(|finding| !scenario.expect.also.contains(&finding.code)) {
            outcome.problems.push(format!("a warning: {}", finding.code));
        }
    }
}

/// Warnings that are more than information.
fn alarming(report: &Report) -> impl Iterator<Item = &Finding> {
    report.warnings.iter().filter(|finding| finding.severity != Severity::Info)
}

fn evidence_holds(evidence: Option<&str>, node: Option<&str>, first: Option<&Finding>) -> bool {
    let Some(first) = first else { return evidence.is_none() && node.is_none() };
    evidence.is_none_or(|text| first.evidence.text.contains(text)) && node.is_none_or(|node| first.node == node)
}

fn evidence_problem(evidence: Option<&str>, node: Option<&str>, first: Option<&Finding>) -> String {
    let wanted = [evidence.map(|text| format!("`{text}`")), node.map(|node| format!("on {node}"))];
    let wanted: Vec<String> = wanted.into_iter().flatten().collect();
    match first {
        Some(first) => {
            format!("the evidence is `{}` on `{}`, not {}", first.evidence.text, first.node, wanted.join(" "))
        }
        None => format!("no evidence, not {}", wanted.join(" ")),
    }
}

#[cfg(test)]
mod tests;
