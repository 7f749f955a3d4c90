//! Many seeds, on several threads.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::coverage::Coverage;
use super::generate;
use super::judge::{Judged, judge_with};
use super::lab::{Lab, pin};
use super::regression::keep;
use super::shape::Shape;
use super::shrink::shrink;
use skoop_sim::mutation::Mutation;

/// How much to run.
#[derive(Debug, Clone)]
pub struct Budget {
    /// First seed.
    pub seed: u64,
    /// Nodes at most.
    pub nodes: u64,
    /// Flows to each node.
    pub flows: usize,
    /// Ends when this is over, if it is given.
    pub time: Option<Duration>,
    /// Threads, each with namespaces of its own.
    pub threads: usize,
    /// Where cases that fail are kept, made as small as they get; none: they are only told.
    pub keep: Option<PathBuf>,
    /// How many of them at most: making one small takes up to a minute and a half.
    pub most: usize,
    /// Faults of the simulator that the same packets must show.
    pub mutants: Vec<Mutant>,
}

/// A fault that is planted in the simulator, by name.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// Its name.
    pub name: String,
    /// The fault.
    pub mutation: Mutation,
    /// Plants it in the calling thread, or removes it.
    pub plant: fn(Option<Mutation>),
}

/// Flows that have to show a planted fault before it is not planted any more.
const CAUGHT: usize = 3;

impl Default for Budget {
    /// What `make test` runs.
    fn default() -> Self {
        Self {
            seed: 0,
            nodes: 450,
            flows: 48,
            time: None,
            threads: thread::available_parallelism().map_or(2, usize::from).min(4),
            keep: None,
            most: 4,
            mutants: Vec::new(),
        }
    }
}

/// What a run gave.
#[derive(Debug, Default)]
pub struct Report {
    /// Nodes made.
    pub nodes: usize,
    /// Packets sent.
    pub packets: usize,
    /// Packets by the kernel's verdict.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// Packets whose fate the simulator cannot know, by the reason.
    pub undetermined: BTreeMap<String, usize>,
    /// Rules that the kernel refused, with its words.
    pub refused: Vec<String>,
    /// Flows that fare otherwise in the kernel: seed and text.
    pub differences: Vec<(u64, String)>,
    /// Flows that fared otherwise once, and not on a node made anew: seed and text.
    pub unsteady: Vec<(u64, String)>,
    /// How often each match and target was met.
    pub coverage: Coverage,
    /// Flows that showed a planted fault, by its name.
    pub caught: BTreeMap<String, usize>,
    /// Nodes with such flows.
    pub failing: usize,
    /// Files of cases that failed.
    pub kept: Vec<PathBuf>,
    /// Wall time.
    pub took: Duration,
    /// Of it, spent on packets in the kernel, over all threads.
    pub kernel_time: Duration,
    /// Of it, spent on walks of the simulator, over all threads.
    pub walk_time: Duration,
    /// Of it, spent on loading and collecting, over all threads.
    pub load_time: Duration,
}

/// Nodes of one worker before its namespaces are built anew: what earlier nodes leave behind, as routes that ICMP errors told of, is then gone.
const NODES_A_LAB: usize = 40;

/// Runs seeds.
///
/// # Errors
///
/// A tool failed, or a namespace could not be made. That the kernel and the simulator differ is in the report.
pub fn differential(budget: &Budget) -> Result<Report> {
    let begun = Instant::now();
    let next = AtomicU64::new(budget.seed);
    let report = Mutex::new(Report::default());
    let failed = AtomicUsize::new(0);
    thread::scope(|scope| {
        let work = |worker: usize| {
            let outcome = work(worker, budget, begun, &next, &report, &failed);
            failed.fetch_add(usize::from(outcome.is_err()), Ordering::Relaxed);
            outcome
        };
        let threads: Vec<_> = (0..budget.threads.max(1)).map(|worker| scope.spawn(move || work(worker))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a worker panicked"))?)
    })?;
    let mut report = report.into_inner().map_err(|_| anyhow!("a worker panicked"))?;
    report.took = begun.elapsed();
    report.differences.sort();
    Ok(report)
}

fn work(
    worker: usize,
    budget: &Budget,
    begun: Instant,
    next: &AtomicU64,
    report: &Mutex<Report>,
    failed: &AtomicUsize,
) -> Result<()> {
    pin(worker)?;
    for round in 0.. {
        let mut labs = Labs { label: format!("{worker}x{round}"), routed: None, bridged: None };
        for _ in 0..NODES_A_LAB {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let late = budget.time.is_some_and(|time| begun.elapsed() > time);
            if seed >= budget.seed.saturating_add(budget.nodes) || late || failed.load(Ordering::Relaxed) > 0 {
                return Ok(());
            }
            one(seed, budget, &mut labs, report).with_context(|| format!("seed {seed}"))?;
        }
    }
    Ok(())
}

/// The namespaces of a worker, one set of each shape.
struct Labs {
    label: String,
    routed: Option<Lab>,
    bridged: Option<Lab>,
}

impl Labs {
    fn of(&mut self, shape: Shape) -> Result<&mut Lab> {
        let (place, label) = match shape {
            Shape::Routed => (&mut self.routed, "r"),
            Shape::Bridged => (&mut self.bridged, "b"),
        };
        if place.is_none() {
            *place = Some(Lab::build(&format!("{}{label}", self.label), shape)?);
        }
        place.as_mut().context("a lab was just built")
    }
}

/// One seed.
fn one(seed: u64, budget: &Budget, labs: &mut Labs, report: &Mutex<Report>) -> Result<()> {
    let mut case = generate::case(seed, budget.flows);
    let lab = labs.of(case.shape)?;
    let lock = || report.lock().map_err(|_| anyhow!("a worker panicked"));
    // A fault that showed a few times needs no further walks.
    let mutants: Vec<Mutant> = {
        let report = lock()?;
        let hidden = |mutant: &&Mutant| report.caught.get(&mutant.name).copied().unwrap_or(0) < CAUGHT;
        budget.mutants.iter().filter(hidden).cloned().collect()
    };
    let mut judged = judge_with(lab, &mut case, &mutants)?;
    judged.coverage.read(lab, &case.node)?;
    judged.refused = std::mem::take(&mut case.node.refused);
    let failure = judged.differences.first().map(|difference| difference.flow);
    let kept = {
        let mut report = lock()?;
        report.add(seed, judged);
        report.failing += usize::from(failure.is_some());
        report.failing
    };
    if let (Some(directory), Some(flow), true) = (&budget.keep, failure, kept <= budget.most)
        && let Some((case, text)) = shrink(lab, &case, flow)
    {
        let path = keep(directory, &case, &text)?;
        println!("seed {seed}, made small:\n{text}  kept in {}", path.display());
        lock()?.kept.push(path);
    }
    Ok(())
}

impl Report {
    /// Verdicts that are less than a twentieth of the packets.
    pub fn rare_verdicts(&self) -> Vec<&'static str> {
        let all = ["forwarded", "delivered", "dropped", "rejected"];
        all.into_iter().filter(|name| self.verdicts.get(name).copied().unwrap_or(0) * 20 < self.packets).collect()
    }

    fn add(&mut self, seed: u64, judged: Judged) {
        self.nodes += 1;
        self.packets += judged.packets;
        self.kernel_time += judged.kernel_time;
        self.load_time += judged.load_time;
        self.walk_time += judged.walk_time;
        for (name, count) in judged.verdicts {
            *self.verdicts.entry(name).or_default() += count;
        }
        for (what, count) in judged.undetermined {
            *self.undetermined.entry(what).or_default() += count;
        }
        for (name, count) in judged.caught {
            *self.caught.entry(name).or_default() += count;
        }
        self.coverage.add(judged.coverage);
        self.refused.extend(judged.refused);
        self.differences.extend(judged.differences.into_iter().map(|difference| (seed, difference.text)));
        self.unsteady.extend(judged.unsteady.into_iter().map(|difference| (seed, difference.text)));
    }
}

/// For people: counts, shares and the most frequent reasons.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.packets as u128 * 1000 / self.took.as_millis().max(1);
        writeln!(
            f,
            "{} packets on {} nodes in {:.1} s: {rate} a second",
            self.packets,
            self.nodes,
            self.took.as_secs_f64()
        )?;
        writeln!(
            f,
            "loading {:.1} s, packets {:.1} s, walks {:.1} s of all threads",
            self.load_time.as_secs_f64(),
            self.kernel_time.as_secs_f64(),
            self.walk_time.as_secs_f64()
        )?;
        for (name, count) in &self.verdicts {
            let permille = count * 1000 / self.packets.max(1);
            writeln!(f, "  {name:<12} {count:>8} {:>3}.{} %", permille / 10, permille % 10)?;
        }
        let undetermined: usize = self.undetermined.values().sum();
        writeln!(f, "  undetermined {undetermined:>8}")?;
        let mut reasons: Vec<_> = self.undetermined.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (what, count) in reasons.iter().take(12) {
            writeln!(f, "    {count:>6} {what}")?;
        }
        for (name, count) in &self.caught {
            writeln!(f, "  planted fault {name}: shown by {count} flows")?;
        }
        writeln!(f, "{} flows differed once, and not again on a node made anew", self.unsteady.len())?;
        for (seed, text) in &self.unsteady {
            writeln!(f, "  seed {seed}\n{text}")?;
        }
        writeln!(f, "{} lines refused", self.refused.len())?;
        for line in self.refused.iter().filter(|line| line.contains("failed")).take(8) {
            writeln!(f, "    {line}")?;
        }
        writeln!(f, "{} flows differ", self.differences.len())
    }
}
