//! Every scenario, start to end: healthy by packets and by diagnosis, broken, diagnosed, mended.

use skoop_lab::{Event, RunOptions, Skoop, run, scoreboard};

#[test]
#[ignore = "needs root: run by make test"]
fn every_scenario_is_right() {
    let filter = std::env::var("SCENARIO").ok();
    let options = RunOptions { filter, ..RunOptions::default() };
    let finished = |event: Event<'_>| {
        if let Event::Finished { outcome, .. } = event {
            eprintln!("{} {} ({} ms)", if outcome.right { "right" } else { "WRONG" }, outcome.name, outcome.took_ms);
        }
    };
    let outcomes = run(&options, &Skoop, &finished).expect("scenarios run");
    eprintln!("{}", scoreboard(&outcomes));
    let wrong: Vec<_> = outcomes.iter().filter(|outcome| !outcome.right).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
