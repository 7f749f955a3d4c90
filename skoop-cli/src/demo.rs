//! `skoop demo`: a cluster is built, broken in three ways, diagnosed and healed; real packets are the judge each time.

mod offline;
mod tell;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use skoop::render;
use skoop_lab::{Diagnose, Lab, LabSource, LabSpec, Measured, Scenario, Skoop};
use skoop_model::{Question, Report, Verdict};

use self::tell::Teller;
use crate::args::DemoArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::output::Style;

/// Rounds of diagnosing and mending until packets get through: a fix may uncover the next fault.
const ROUNDS: usize = 4;

/// The demonstration; without root or namespaces the recorded one.
pub(crate) fn run(args: &DemoArgs, style: &Style) -> Result<Exit, Failure> {
    if let Some(dir) = &args.bundles {
        return offline::run(dir, None, style);
    }
    let teller = Teller::new(style);
    let scenarios = skoop_lab::demo_scenarios()?;
    let Some(first) = scenarios.first() else { return Err(anyhow!("the lab has no scenarios for a demo").into()) };
    let begun = Instant::now();
    let interrupted = interrupt::flag();
    teller.busy("building a cluster: three nodes, pods, a bridge and VXLAN, kube-proxy's rules");
    let lab = match Lab::build_serving(&LabSpec::from(first), &crate::lab::serve()?) {
        Ok(lab) => lab,
        Err(error) => {
            teller.done();
            return offline::run(offline::DIRECTORY.as_ref(), Some(&format!("{error:#}")), style);
        }
    };
    teller.opening();
    teller.built(lab.plan(), begun.elapsed());
    let mut demo =
        Demo { lab: &lab, source: lab.source()?, teller: &teller, interrupted: &interrupted, score: Score::default() };
    let told = demo.tell(&scenarios);
    let Demo { source, score, .. } = demo;
    drop(source);
    teller.busy("removing the cluster");
    lab.tear_down()?;
    teller.done();
    told?;
    teller.closing(&score, begun.elapsed());
    Ok(if score.is_perfect() { Exit::Fine } else { Exit::Unreachable })
}

/// How often skoop and the kernel were of one mind, and what was healed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Score {
    pub(crate) judged: usize,
    pub(crate) agreed: usize,
    pub(crate) faults: usize,
    pub(crate) healed: usize,
}

impl Score {
    fn is_perfect(self) -> bool {
        self.agreed == self.judged && self.healed == self.faults
    }
}

struct Demo<'a> {
    lab: &'a Lab,
    source: LabSource,
    teller: &'a Teller,
    interrupted: &'a AtomicBool,
    score: Score,
}

impl Demo<'_> {
    fn tell(&mut self, scenarios: &[Scenario]) -> Result<()> {
        for (number, scenario) in scenarios.iter().enumerate() {
            self.teller.chapter(number + 1, scenarios.len(), scenario);
            self.scenario(scenario)?;
        }
        Ok(())
    }

    /// Healthy, broken, healed.
    fn scenario(&mut self, scenario: &Scenario) -> Result<()> {
        let question = self.lab.question(&scenario.question)?;
        self.busy("sending packets")?;
        let measured = self.lab.settle(&scenario.question)?;
        self.busy("diagnosing")?;
        self.judge("healthy", &measured, &Skoop.diagnose(&self.source, question.clone())?);

        self.busy("breaking")?;
        for change in &scenario.breaks {
            self.teller.breaking(&self.lab.describe(change)?);
        }
        self.lab.apply(&scenario.breaks)?;
        self.busy("sending packets")?;
        let measured = self.lab.measure(&scenario.question)?;
        self.busy("diagnosing")?;
        let report = Skoop.diagnose(&self.source, question.clone())?;
        self.judge("broken", &measured, &report);
        self.teller.report(&render::text(&report, &self.teller.text_style()));
        self.heal(scenario, &question, report)
    }

    /// Applies the advised fixes until packets get through.
    fn heal(&mut self, scenario: &Scenario, question: &Question, mut report: Report) -> Result<()> {
        self.score.faults += 1;
        for round in 1..=ROUNDS {
            let mut ran = false;
            for cause in &report.causes {
                self.busy("mending")?;
                if self.lab.apply_fix(cause)? {
                    self.teller.mending(cause);
                    ran = true;
                }
            }
            if !ran {
                break;
            }
            self.busy("sending packets")?;
            let measured = self.lab.settle(&scenario.question)?;
            self.busy("diagnosing")?;
            report = Skoop.diagnose(&self.source, question.clone())?;
            let works = measured.verdict() == Verdict::Reachable;
            self.judge(if works { "healed" } else { "better" }, &measured, &report);
            if works {
                self.score.healed += 1;
                return Ok(());
            }
            if round < ROUNDS {
                self.teller.again(&report);
            }
        }
        // The next chapter needs a healthy cluster, whatever became of the advice.
        self.lab.apply(&scenario.heal)
    }

    fn judge(&mut self, when: &str, measured: &Measured, report: &Report) {
        self.score.judged += 1;
        let agree = measured.verdict() == report.verdict;
        self.score.agreed += usize::from(agree);
        self.teller.judged(when, measured, report, agree);
    }

    /// Says what is done now; ends here if the user wants to.
    fn busy(&self, what: &str) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        self.teller.busy(what);
        Ok(())
    }
}
