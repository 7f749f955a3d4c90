//! The kernel judges the simulator, on random nodes and packets.

use std::path::Path;
use std::time::Duration;

use skoop_lab::differential::{Budget, FLOOR, Known, Mutant, Report, differential, replay};
use skoop_sim::mutation::{Mutation, plant};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/differential");

/// Most packets whose fate hangs on something that the simulator cannot know, in percent.
const UNDETERMINED_PERCENT: usize = 15;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
#[ignore = "needs root: run by make test"]
fn packets_fare_as_in_the_kernel() {
    let mut budget = Budget::default();
    if let Some(seconds) = number("SECONDS") {
        (budget.time, budget.nodes) = (Some(Duration::from_secs(seconds)), u64::MAX);
    }
    budget.seed = number("SEED").unwrap_or(budget.seed);
    budget.nodes = number("NODES").unwrap_or(budget.nodes);
    budget.flows = number("FLOWS").and_then(|flows| usize::try_from(flows).ok()).unwrap_or(budget.flows);
    let kept = std::env::var_os("KEEP")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("differential"), Into::into);
    budget.keep = Some(kept);
    budget.most = number("KEPT").and_then(|most| usize::try_from(most).ok()).unwrap_or(budget.most);
    let mutants = Mutation::ALL.map(|mutation| Mutant { name: format!("{mutation:?}"), mutation, plant });
    if number("SECONDS").is_none() {
        budget.mutants = mutants.to_vec();
    }
    let report = differential(&budget).expect("a run");
    let known = Known::read(&Path::new(DATA).join("known.toml")).expect("the list of known differences");
    let (expected, different): (Vec<_>, Vec<_>) =
        report.differences.iter().partition(|(_, text)| known.iter().any(|entry| entry.covers(text)));
    for (seed, text) in &different {
        println!("seed {seed}, again with `make differential SEED={seed} NODES=1`:\n{text}");
    }
    println!("{}\n{report}", report.coverage);
    println!("{} differences are known, {} are not", expected.len(), different.len());
    if number("NODES").is_none() && number("SECONDS").is_none() {
        meets_the_floors(&report);
    }
    assert!(different.is_empty(), "{} flows differ", different.len());
}

/// What a run of `make test` has to reach.
fn meets_the_floors(report: &Report) {
    assert!(report.packets >= 20_000 && report.nodes >= 400, "{} packets, {} nodes", report.packets, report.nodes);
    assert!(report.rare_verdicts().is_empty(), "{:?}", report.rare_verdicts());
    let seldom = report.coverage.missing();
    assert!(seldom.is_empty(), "met less than {FLOOR} times: {seldom:#?}");
    let hidden: Vec<_> = Mutation::ALL.map(|fault| format!("{fault:?}")).into_iter().collect();
    let hidden: Vec<_> =
        hidden.iter().filter(|name| report.caught.get(*name).is_none_or(|count| *count == 0)).collect();
    assert!(hidden.is_empty(), "planted and not seen: {hidden:?}");
    // Few enough that they are the kernel's timing, and no habit of the simulator.
    assert!(report.unsteady.len() * 2_000 <= report.packets, "{:#?}", report.unsteady);
    let undetermined: usize = report.undetermined.values().sum();
    assert!(undetermined * 100 <= report.packets * UNDETERMINED_PERCENT, "{undetermined} packets are undetermined");
}

#[test]
#[ignore = "needs root: run by make test"]
fn what_once_failed_does_not_again() {
    let directory = format!("{DATA}/regressions");
    let directory = std::env::var("REPLAY").unwrap_or(directory);
    let differences = replay(Path::new(&directory)).expect("a replay");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
