//! The kernel judges the simulator, on random nodes and packets.

use std::time::Duration;

use skoop_lab::differential::{Budget, differential};

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
    let report = differential(&budget).expect("a run");
    for (seed, text) in &report.differences {
        println!("seed {seed}:\n{text}");
    }
    println!("{report}");
    assert!(report.differences.is_empty(), "{} flows differ", report.differences.len());
}
