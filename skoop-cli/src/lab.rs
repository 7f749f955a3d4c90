//! `skoop lab`: the test kit at the command line.

use std::fmt::Write as _;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use skoop_lab::{Event, Outcome, RunOptions, Scenario, Skoop, Standing, UpOptions};

use crate::args::{FileOrStdout, LabCommand, LabDiagnoseArgs, LabListArgs, LabRunArgs, LabUpArgs, TextOrJson};
use crate::diagnose::{Answering, runtime};
use crate::exit::{Exit, Failure};
use crate::output::{self, Style};
use crate::{ask, interrupt};

/// Runs a command of the lab.
pub(crate) fn run(command: LabCommand, style: &Style) -> Result<Exit, Failure> {
    match command {
        LabCommand::Run(args) => run_scenarios(&args, style),
        LabCommand::Up(args) => up(&args, style),
        LabCommand::Diagnose(args) => diagnose(&args, style),
        LabCommand::Down => down(style),
        LabCommand::List(args) => list(&args),
        LabCommand::Serve => {
            skoop_lab::serve_main()?;
            Ok(Exit::Fine)
        }
    }
}

fn run_scenarios(args: &LabRunArgs, style: &Style) -> Result<Exit, Failure> {
    interrupt::say_on_interrupt("interrupted; `skoop lab down` removes what is left");
    let options = RunOptions {
        dir: args.scenarios.clone(),
        filter: args.filter.clone(),
        keep_going: !args.fail_fast,
        parallel: args.jobs,
        serve: serve()?,
    };
    let board = Board::new(style);
    let outcomes = skoop_lab::run(&options, &Skoop, &|event| board.hear(event)).map_err(refused)?;
    board.bar.finish_and_clear();
    output::print(&match args.output {
        TextOrJson::Text => skoop_lab::scoreboard(&outcomes),
        TextOrJson::Json => output::json(&outcomes)?,
    })?;
    Ok(if outcomes.iter().all(|outcome| outcome.right) { Exit::Fine } else { Exit::Unreachable })
}

/// What runs now, on standard error.
struct Board {
    bar: ProgressBar,
    running: Mutex<Vec<(String, String)>>,
    style: Style,
}

impl Board {
    fn new(style: &Style) -> Self {
        let bar = if style.progress() {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        if let Ok(look) = ProgressStyle::with_template("{bar:24.cyan/dim} {pos}/{len} {wide_msg:.dim}") {
            bar.set_style(look.progress_chars("━━─"));
        }
        Self { bar, running: Mutex::default(), style: *style }
    }

    fn hear(&self, event: Event<'_>) {
        let mut running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::Stage { scenario, stage, total } => {
                self.bar.set_length(total as u64);
                running.retain(|(name, _)| name != scenario);
                running.push((scenario.to_owned(), stage.to_owned()));
            }
            Event::Finished { outcome, total } => {
                self.bar.set_length(total as u64);
                running.retain(|(name, _)| *name != outcome.name);
                self.bar.inc(1);
                self.bar.suspend(|| self.tell(outcome));
            }
        }
        let now: Vec<String> = running.iter().map(|(name, stage)| format!("{name}: {stage}")).collect();
        self.bar.set_message(now.join(", "));
    }

    /// One line about a scenario that is not right, or with --verbose about any.
    fn tell(&self, outcome: &Outcome) {
        if outcome.right && !self.style.verbose {
            return;
        }
        let how = if outcome.right { "right" } else { "WRONG" };
        output::note(&format!("{how}  {}  {} ms", outcome.name, outcome.took_ms), &self.style);
    }
}

fn up(args: &LabUpArgs, style: &Style) -> Result<Exit, Failure> {
    let options = UpOptions { dir: args.scenarios.clone(), healthy: args.healthy, serve: serve()? };
    let standing = skoop_lab::up(&args.scenario, &options).map_err(refused)?;
    if style.quiet {
        return Ok(Exit::Fine);
    }
    output::print(&described(&standing))?;
    Ok(Exit::Fine)
}

/// This program as the process that listens in a pod.
pub(crate) fn serve() -> Result<Vec<String>, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot find this program's own file: {error}")))?;
    Ok(vec![program.to_string_lossy().into_owned(), "lab".to_owned(), "serve".to_owned()])
}

/// How to play with a standing cluster.
fn described(standing: &Standing) -> String {
    let (plan, question) = (&standing.plan, &standing.question);
    let state = if standing.broken { "stands, broken" } else { "stands, healthy" };
    let mut text =
        format!("{} {state}: {} → {}\n\nNetwork namespaces:\n", standing.scenario, question.from, question.to);
    let mut row = |name: String, netns: String| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {name:26} ip netns exec {netns} …");
    };
    for node in &plan.nodes {
        row(format!("node/{}", node.name), plan.node_netns(&node.name));
    }
    for pod in &plan.pods {
        row(format!("pod/{}", pod.key), plan.pod_netns(&pod.key));
    }
    row("outside".to_owned(), plan.outside_netns());
    text.push_str("\nNext:\n  skoop lab diagnose    why does it not work?\n  skoop lab down        remove it\n");
    text
}

fn diagnose(args: &LabDiagnoseArgs, style: &Style) -> Result<Exit, Failure> {
    let mut labs = skoop_lab::standing().map_err(refused)?;
    let Some(standing) = labs.pop() else {
        return Err(Failure::usage("no cluster of the lab stands").hint("build one with `skoop lab up SCENARIO`"));
    };
    if !labs.is_empty() {
        output::note(&format!("several clusters stand; this is about {}", standing.scenario), style);
    }
    let questions = match (&args.from, &args.to) {
        (Some(from), Some(to)) => ask::questions(from, to, "default", &args.packet)?,
        _ => vec![standing.question.clone()],
    };
    let source = standing.source()?;
    let answering = Answering { record: args.record.as_deref(), output: args.output, to: &FileOrStdout::Stdout, style };
    runtime()?.block_on(answering.answer(Box::new(source), questions))
}

fn down(style: &Style) -> Result<Exit, Failure> {
    let taken = skoop_lab::down().map_err(refused)?;
    let mut what = match taken.removed {
        0 => "nothing was left".to_owned(),
        1 => "removed 1 cluster".to_owned(),
        count => format!("removed {count} clusters"),
    };
    if taken.in_use > 0 {
        what.push_str(&format!("; {} in use by running processes", taken.in_use));
    }
    output::note(&what, style);
    Ok(Exit::Fine)
}

fn list(args: &LabListArgs) -> Result<Exit, Failure> {
    let scenarios = skoop_lab::list_scenarios(args.scenarios.as_deref(), args.filter.as_deref()).map_err(refused)?;
    let widest = scenarios.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    let row = |scenario: &Scenario| {
        let (name, ask) = (&scenario.name, &scenario.question);
        format!("{name:widest$}  {} → {}: {}\n", ask.from, ask.to, scenario.expect.verdict)
    };
    output::print(&scenarios.iter().map(row).collect::<String>())?;
    Ok(Exit::Fine)
}

/// The lab's errors: a missing right, a missing scenario, a file that does not parse. None is a bug of the lab by itself.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn refused(error: anyhow::Error) -> Failure {
    let message = format!("{error:#}");
    let exit = if message.contains("needs root") { Exit::NotPermitted } else { Exit::Usage };
    Failure::new(exit, message)
}
