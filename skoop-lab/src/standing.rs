//! Labs that stand after the process that built them has ended.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use skoop_model::{Question, Verdict};

use crate::api::ObjectStore;
use crate::claim::{self, Claim};
use crate::lab::{Lab, LabSpec};
use crate::netns;
use crate::plan::{PREFIX, Plan};
use crate::runner::list_scenarios;
use crate::source::LabSource;

/// What to leave standing.
#[derive(Debug, Clone, Default)]
pub struct UpOptions {
    /// Directory of scenario files; none: those of this crate.
    pub dir: Option<PathBuf>,
    /// Leave it healthy.
    pub healthy: bool,
    /// A command whose process calls [`serve_main`](crate::serve_main); one in each pod runs the listeners until the lab is taken down.
    pub serve: Vec<String>,
}

/// A lab that stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Standing {
    /// Scenario by which it was built.
    pub scenario: String,
    /// Whether it was broken.
    pub broken: bool,
    /// Names and addresses.
    pub plan: Plan,
    /// The scenario's question.
    pub question: Question,
    /// API objects.
    objects: Value,
    /// The processes that run the listeners.
    servers: Vec<Server>,
}

/// A process, and when it started, so that another one with its number is not taken for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Server {
    pid: u32,
    started: String,
}

impl Standing {
    /// The lab as a source of facts.
    ///
    /// # Errors
    ///
    /// The API server could not be started.
    pub fn source(&self) -> Result<LabSource> {
        LabSource::start(&self.plan, Arc::new(ObjectStore::from_json(self.objects.clone())?))
    }
}

/// Builds a scenario's cluster, checks that it works, breaks it, and leaves it standing.
///
/// # Errors
///
/// There is no such scenario, or a step fails; then nothing is left.
pub fn up(name: &str, options: &UpOptions) -> Result<Standing> {
    let scenarios = list_scenarios(options.dir.as_deref(), None)?;
    let scenario = scenarios.iter().find(|scenario| scenario.name == name);
    let scenario = scenario.with_context(|| format!("there is no scenario `{name}`"))?;
    let lab = Lab::build_serving(&LabSpec::from(scenario), &options.serve)?;
    let healthy = lab.settle(&scenario.question)?;
    if healthy.verdict() != Verdict::Reachable {
        bail!("the healthy cluster does not work: {healthy}");
    }
    if !options.healthy {
        lab.apply(&scenario.breaks)?;
    }
    let standing = Standing {
        scenario: scenario.name.clone(),
        broken: !options.healthy,
        plan: lab.plan().clone(),
        question: lab.question(&scenario.question)?,
        objects: lab.objects().to_json(),
        servers: lab.detach_servers()?.into_iter().map(Server::of).collect::<Result<_>>()?,
    };
    lab.leave_standing(&serde_json::to_string_pretty(&standing)?)?;
    Ok(standing)
}

/// The labs that stand.
///
/// # Errors
///
/// Their state files cannot be read.
pub fn standing() -> Result<Vec<Standing>> {
    let mut labs = Vec::new();
    for id in claim::ids()? {
        if let Some(mut claim) = Claim::take(&id)? {
            // A process that was killed leaves an empty file.
            labs.extend(serde_json::from_str(&claim.read()?).ok());
        }
    }
    Ok(labs)
}

/// What [`down`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TakenDown {
    /// Labs removed.
    pub removed: usize,
    /// Labs left alone, because a running process works on them.
    pub in_use: usize,
}

/// Takes down every lab that no running process works on: those that stand, and what killed processes left.
///
/// # Errors
///
/// A namespace could not be deleted.
pub fn down() -> Result<TakenDown> {
    take_down(true)
}

/// Takes down only what killed processes left.
pub(crate) fn sweep() -> Result<usize> {
    Ok(take_down(false)?.removed)
}

fn take_down(standing_too: bool) -> Result<TakenDown> {
    let mut ids = claim::ids()?;
    ids.extend(netns::with_prefix(PREFIX)?.iter().filter_map(|name| claim::id_of_namespace(name)));
    ids.sort();
    ids.dedup();
    let mut taken = TakenDown::default();
    for id in ids {
        let Some(mut claim) = Claim::take(&id)? else {
            taken.in_use += 1;
            continue;
        };
        if let Ok(standing) = serde_json::from_str::<Standing>(&claim.read()?) {
            if !standing_too {
                continue;
            }
            standing.servers.iter().for_each(Server::stop);
        }
        // Its own process may have deleted them before the lock was free.
        netns::delete(&netns::with_prefix(&format!("{PREFIX}{id}-"))?)?;
        claim.remove()?;
        taken.removed += 1;
    }
    Ok(taken)
}

impl Server {
    fn of(pid: u32) -> Result<Self> {
        Ok(Self { pid, started: started(pid)? })
    }

    /// Ends it, if it is still the one that was started.
    fn stop(&self) {
        let same = started(self.pid).is_ok_and(|started| started == self.started);
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| same) {
            // It may have ended in between.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// When a process started, in clock ticks since boot: field 22 of `/proc/PID/stat` (proc(5)).
fn started(pid: u32) -> Result<String> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    // The second field is the name in parentheses and may hold anything.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    after_name.split_whitespace().nth(19).map(str::to_owned).with_context(|| format!("{path} is too short"))
}
