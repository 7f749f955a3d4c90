//! Listeners that are processes of their own, one in each pod's namespace, as the containers' would be.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::{Listen, Servers, Serving, open_all};
use crate::netns;

/// Begins every answer of a child, so that nothing else on its output is taken for one.
const ANSWER: &str = "skoop-lab-serve ";

/// One order to a child: a line of JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// Run exactly these listeners.
    Listen(Vec<Listen>),
    /// Go on when no more orders can come.
    Stay,
}

/// Children that serve. They end with this value, unless they were told to stay.
pub(crate) struct Children {
    argv: Vec<String>,
    children: Mutex<HashMap<String, Served>>,
}

/// One child, as its parent sees it.
struct Served {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stays: bool,
}

impl Children {
    /// Children that are processes of `argv`, which must call [`serve_main`].
    pub(crate) fn new(argv: &[String]) -> Self {
        Self { argv: argv.to_vec(), children: Mutex::default() }
    }

    fn start(&self, netns: &str) -> Result<Served> {
        let (program, arguments) = self.argv.split_first().context("no program to serve with")?;
        let mut command = Command::new(program);
        // Its own group: an interrupt at the terminal is not meant for it.
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child =
            netns::enter(netns, || command.spawn())?.with_context(|| format!("start `{}`", self.argv.join(" ")))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("a serving child has no pipes");
        };
        Ok(Served { child, stdin, stdout: BufReader::new(stdout), stays: false })
    }
}

impl Served {
    fn order(&mut self, order: &Order) -> Result<()> {
        writeln!(self.stdin, "{}", serde_json::to_string(order)?).context("speak to a serving child")?;
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).context("hear a serving child")? == 0 {
                bail!("a serving child has ended");
            }
            match line.trim_end().split_once(ANSWER) {
                Some((_, "ok")) => return Ok(()),
                Some((_, problem)) => return Err(anyhow!("{problem}")),
                None => {}
            }
        }
    }
}

impl Servers for Children {
    fn set(&self, netns: &str, listens: &[Listen]) -> Result<()> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        // A scenario may have killed it.
        if children.get_mut(netns).is_none_or(|served| !matches!(served.child.try_wait(), Ok(None))) {
            children.insert(netns.to_owned(), self.start(netns)?);
        }
        let served = children.get_mut(netns).context("a child that was just started")?;
        served.order(&Order::Listen(listens.to_vec()))
    }

    fn stay(&self) -> Result<Vec<u32>> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pids = Vec::new();
        for served in children.values_mut() {
            if matches!(served.child.try_wait(), Ok(None)) {
                served.order(&Order::Stay)?;
                served.stays = true;
                pids.push(served.child.id());
            }
        }
        Ok(pids)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if !self.stays {
            // It may have ended already.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Body of a process that serves in the namespace in which it was started: takes orders from standard input, and ends when no more can
/// come, unless it was told to stay.
///
/// # Errors
///
/// The runtime could not be started, or standard input is not made of orders.
pub fn serve_main() -> Result<()> {
    let mut serving = Serving::start()?;
    let mut stays = false;
    for line in std::io::stdin().lock().lines() {
        let line = line.context("read orders")?;
        let answer = match serde_json::from_str(&line).context("read an order")? {
            Order::Stay => {
                stays = true;
                Ok(())
            }
            Order::Listen(listens) => serving.set(&listens, open_all),
        };
        let answer = answer.map_or_else(|error| format!("{error:#}"), |()| "ok".to_owned());
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{ANSWER}{answer}").and_then(|()| stdout.flush()).context("answer")?;
    }
    if !stays {
        return Ok(());
    }
    loop {
        std::thread::park();
    }
}
