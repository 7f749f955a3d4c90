//! The kernel judges the simulator, on random nodes and packets.

use std::path::Path;
use std::time::Duration;

use skoop_lab::differential::{Budget, Known, Mutant, differential, replay};
use skoop_sim::mutation::{Mutation, plant};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/differential");

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
    budget.keep = std::env::var_os("KEEP").map(std::path::PathBuf::from);
    let mutants = Mutation::ALL.map(|mutation| Mutant { name: format!("{mutation:?}"), mutation, plant });
    if number("SECONDS").is_none() {
        budget.mutants = mutants.to_vec();
    }
    let report = differential(&budget).expect("a run");
    let known = Known::read(&Path::new(DATA).join("known.toml")).expect("the list of known differences");
    let (expected, different): (Vec<_>, Vec<_>) =
        report.differences.iter().partition(|(_, text)| known.iter().any(|entry| entry.covers(text)));
    println!("{} differences are known", expected.len());
    for (seed, text) in &different {
        println!("seed {seed}:\n{text}");
    }
    println!("{report}\n{}", report.coverage);
    for seldom in report.coverage.missing() {
        println!("too seldom: {seldom}");
    }
    let hidden: Vec<_> = report.caught.iter().filter(|(_, count)| **count == 0).collect();
    if number("NODES").is_none() && number("SECONDS").is_none() {
        assert!(report.packets >= 20_000 && report.nodes >= 400, "{} packets, {} nodes", report.packets, report.nodes);
        assert!(report.rare_verdicts().is_empty(), "{:?}", report.rare_verdicts());
        assert!(report.coverage.missing().is_empty(), "{:?}", report.coverage.missing());
        assert!(hidden.is_empty(), "planted and not seen: {hidden:?}");
    }
    assert!(different.is_empty(), "{} flows differ", different.len());
}

#[test]
#[ignore = "needs root: run by make test"]
fn what_once_failed_does_not_again() {
    let directory = format!("{DATA}/regressions");
    let directory = std::env::var("REPLAY").unwrap_or(directory);
    let differences = replay(Path::new(&directory)).expect("a replay");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
