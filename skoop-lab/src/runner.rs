//! Runs scenarios: healthy first, then broken, then mended; real packets are the judge each time.

mod judge;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use serde::Serialize;
use skoop::driver::Source;
use skoop_model::{Question, Report, Verdict};

use crate::lab::{Lab, LabSpec};
use crate::packets::Measured;
use crate::scenario::{Ask, Scenario};
use crate::standing;

/// How long a cluster that should work may take until it does: the kernel resolves neighbours again in its own time.
const SETTLING: Duration = Duration::from_secs(6);

/// Whoever answers questions. The lab hands over nothing but a source of facts.
pub trait Diagnose: Send + Sync {
    /// Answers a question.
    ///
    /// # Errors
    ///
    /// There is no answer at all, not even "undetermined".
    fn diagnose(&self, source: &dyn Source, question: Question) -> Result<Report>;
}

/// Which scenarios to run, and how.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Directory of scenario files; none: those of this crate.
    pub dir: Option<PathBuf>,
    /// Part of the names to run.
    pub filter: Option<String>,
    /// Go on after one that is not right.
    pub keep_going: bool,
    /// Labs at the same time.
    pub parallel: usize,
    /// A command whose process calls [`serve_main`](crate::serve_main), one in each serving pod; empty: this process serves.
    pub serve: Vec<String>,
}

impl Default for RunOptions {
    /// All of this crate's, two at a time.
    fn default() -> Self {
        Self { dir: None, filter: None, keep_going: true, parallel: 2, serve: Vec::new() }
    }
}

/// What happens, for progress bars.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A scenario begins a stage: `building`, `healthy`, `breaking`, `diagnosing`, `mending`.
    Stage {
        /// Name of the scenario.
        scenario: &'a str,
        /// What it does now.
        stage: &'a str,
        /// Scenarios in all.
        total: usize,
    },
    /// A scenario has ended.
    Finished {
        /// How.
        outcome: &'a Outcome,
        /// Scenarios in all.
        total: usize,
    },
}

/// How one scenario ended. Its JSON form is fixed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Name of the scenario.
    pub name: String,
    /// What real packets said about the broken cluster.
    pub packets: Option<Verdict>,
    /// What the diagnosis said.
    pub verdict: Option<Verdict>,
    /// Code of the first cause.
    pub first: Option<String>,
    /// Codes of all causes.
    pub causes: Vec<String>,
    /// The first cause names the expected object on the expected node.
    pub evidence_ok: bool,
    /// On the healthy cluster: reachable, no cause, no warning.
    pub healthy_clean: bool,
    /// Whether the cluster was mended.
    pub heal: Heal,
    /// All as expected.
    pub right: bool,
    /// What is not as expected, one sentence each.
    pub problems: Vec<String>,
    /// Evidence of the first cause.
    pub evidence: Option<String>,
    /// Attempts on the broken cluster, for people.
    pub measured: Option<String>,
    /// Time taken, in milliseconds.
    pub took_ms: u64,
}

/// Whether a cluster was mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Heal {
    /// Real packets get through again.
    Ok,
    /// They do not, or a command of the fix failed.
    Failed,
    /// There was nothing to mend, or nothing to mend it with.
    None,
}

/// The scenarios in a directory, or this crate's, whose name contains `filter`.
///
/// # Errors
///
/// A file is no scenario.
pub fn list_scenarios(dir: Option<&std::path::Path>, filter: Option<&str>) -> Result<Vec<Scenario>> {
    let all = match dir {
        Some(dir) => Scenario::load(dir)?,
        None => Scenario::embedded()?,
    };
    Ok(all.into_iter().filter(|scenario| filter.is_none_or(|filter| scenario.name.contains(filter))).collect())
}

/// Runs scenarios, and gives one outcome each, in the order of their names. A lab that cannot be built is an outcome that is not right.
/// What killed runs left behind is taken down first.
///
/// # Errors
///
/// A file is no scenario, or none is selected.
pub fn run(
    options: &RunOptions,
    diagnose: &dyn Diagnose,
    on_event: &(dyn Fn(Event<'_>) + Sync),
) -> Result<Vec<Outcome>> {
    let scenarios = list_scenarios(options.dir.as_deref(), options.filter.as_deref())?;
    crate::lab::require_root()?;
    if scenarios.is_empty() {
        bail!("no scenario is called like `{}`", options.filter.as_deref().unwrap_or_default());
    }
    standing::sweep()?;
    let total = scenarios.len();
    let queue: Mutex<VecDeque<Scenario>> = Mutex::new(scenarios.into());
    let outcomes = Mutex::new(Vec::new());
    let stop = AtomicBool::new(false);
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let Some(scenario) = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else { return };
            let on_stage = |stage: &str| on_event(Event::Stage { scenario: &scenario.name, stage, total });
            let outcome = run_one(&scenario, &options.serve, diagnose, &on_stage);
            if !outcome.right && !options.keep_going {
                stop.store(true, Ordering::Relaxed);
            }
            on_event(Event::Finished { outcome: &outcome, total });
            outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..options.parallel.clamp(1, total)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("running a scenario panicked")))
    })?;
    let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by(|a: &Outcome, b| a.name.cmp(&b.name));
    Ok(outcomes)
}

/// Runs one scenario; `serve` as in [`RunOptions`].
pub fn run_one(scenario: &Scenario, serve: &[String], diagnose: &dyn Diagnose, on_stage: &dyn Fn(&str)) -> Outcome {
    let begun = Instant::now();
    let mut outcome = Outcome::of(scenario);
    if let Err(error) = steps(scenario, serve, diagnose, on_stage, &mut outcome) {
        outcome.problems.push(format!("{error:#}"));
    }
    outcome.right = outcome.problems.is_empty();
    outcome.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    outcome
}

fn steps(
    scenario: &Scenario,
    serve: &[String],
    diagnose: &dyn Diagnose,
    on_stage: &dyn Fn(&str),
    outcome: &mut Outcome,
) -> Result<()> {
    on_stage("building");
    let spec = LabSpec::from(scenario);
    let lab = if serve.is_empty() { Lab::build(&spec)? } else { Lab::build_serving(&spec, serve)? };
    let question = lab.question(&scenario.question)?;
    let source = lab.source()?;

    on_stage("healthy");
    let healthy = lab.settle(&scenario.question)?;
    if healthy.verdict() != Verdict::Reachable {
        bail!("the healthy cluster does not work: {healthy}");
    }
    judge::healthy(&diagnose.diagnose(&source, question.clone())?, outcome);

    on_stage("breaking");
    lab.apply(&scenario.breaks)?;
    // What should work after all gets the time that any working cluster gets; what should not is asked once.
    let broken = match scenario.expect.verdict {
        Verdict::Reachable => lab.settle(&scenario.question)?,
        _ => lab.measure(&scenario.question)?,
    };
    judge::packets(scenario, &broken, outcome);

    on_stage("diagnosing");
    let report = diagnose.diagnose(&source, question)?;
    judge::report(scenario, &lab, &report, outcome)?;

    on_stage("mending");
    outcome.heal = mend(scenario, &lab, &report, broken.verdict(), outcome);
    judge::heal(scenario, outcome);
    drop(source);
    lab.tear_down()
}

/// Applies the fix of the first cause; if that is not enough, or there is none, what the scenario says.
fn mend(scenario: &Scenario, lab: &Lab, report: &Report, broken: Verdict, outcome: &mut Outcome) -> Heal {
    if broken == Verdict::Reachable {
        return Heal::None;
    }
    let advised = match report.causes.first().map(|cause| lab.apply_fix(cause)) {
        Some(Ok(ran)) => ran,
        Some(Err(error)) => {
            outcome.problems.push(format!("{error:#}"));
            return Heal::Failed;
        }
        None => false,
    };
    if !advised && scenario.heal.is_empty() {
        return Heal::None;
    }
    let mended = lab.apply(&scenario.heal).and_then(|()| lab.settle(&scenario.question));
    match mended {
        Ok(measured) if measured.verdict() == Verdict::Reachable => Heal::Ok,
        Ok(measured) => {
            outcome.problems.push(format!("mended, and still: {measured}"));
            Heal::Failed
        }
        Err(error) => {
            outcome.problems.push(format!("{error:#}"));
            Heal::Failed
        }
    }
}

impl Lab {
    /// Measures until all attempts are answered, or the time for that is over; returns the last measurement.
    ///
    /// # Errors
    ///
    /// As [`Lab::measure`].
    pub fn settle(&self, ask: &Ask) -> Result<Measured> {
        let deadline = Instant::now() + SETTLING;
        loop {
            let measured = self.measure(ask)?;
            if measured.verdict() == Verdict::Reachable || Instant::now() >= deadline {
                return Ok(measured);
            }
        }
    }
}
