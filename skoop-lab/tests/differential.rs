//! The kernel judges the simulator, on random nodes and packets.

use std::time::Duration;

use skoop_lab::differential::{Budget, differential, replay};

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
    let report = differential(&budget).expect("a run");
    for (seed, text) in &report.differences {
        println!("seed {seed}:\n{text}");
    }
    println!("{report}\n{}", report.coverage);
    for seldom in report.coverage.missing() {
        println!("too seldom: {seldom}");
    }
    assert!(report.differences.is_empty(), "{} flows differ", report.differences.len());
}

#[test]
#[ignore = "needs root: run by make test"]
fn what_once_failed_does_not_again() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/differential/regressions");
    let directory = std::env::var("REPLAY").unwrap_or_else(|_| directory.to_owned());
    let differences = replay(std::path::Path::new(&directory)).expect("a replay");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
