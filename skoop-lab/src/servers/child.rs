//! A child process that goes on serving after its parent has ended.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::{InProcess, Listen, Servers};

/// Begins every answer of the child, so that nothing else on its output is taken for one.
const ANSWER: &str = "skoop-lab-serve ";

/// One order to the child: a line of JSON.
#[derive(Serialize, Deserialize)]
struct Order {
    netns: String,
    listens: Vec<Listen>,
}

/// The child, as its parent sees it.
pub(crate) struct Child {
    pid: u32,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Child {
    /// Starts `argv`, whose process must call [`serve_main`].
    pub(crate) fn start(argv: &[String]) -> Result<Self> {
        let (program, arguments) = argv.split_first().context("no program to serve with")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Its own group: an interrupt at the terminal is not meant for it.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start `{}`", argv.join(" ")))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the serving child has no pipes");
        };
        Ok(Self { pid: child.id(), pipes: Mutex::new((stdin, BufReader::new(stdout))) })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }
}

impl Servers for Child {
    fn set(&self, netns: &str, listens: &[Listen]) -> Result<()> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let (stdin, stdout) = &mut *pipes;
        let order = serde_json::to_string(&Order { netns: netns.to_owned(), listens: listens.to_vec() })?;
        writeln!(stdin, "{order}").context("speak to the serving child")?;
        loop {
            let mut line = String::new();
            if stdout.read_line(&mut line).context("hear the serving child")? == 0 {
                bail!("the serving child has ended");
            }
            match line.trim_end().split_once(ANSWER) {
                Some((_, "ok")) => return Ok(()),
                Some((_, problem)) => return Err(anyhow!("{problem}")),
                None => {}
            }
        }
    }
}

/// Body of the process that serves a standing lab: takes orders from standard input, and at its end goes on serving until it is killed.
///
/// # Errors
///
/// The runtime could not be started, or standard input is not made of orders.
pub fn serve_main() -> Result<()> {
    let servers = InProcess::start()?;
    for line in std::io::stdin().lock().lines() {
        let line = line.context("read orders")?;
        let order: Order = serde_json::from_str(&line).context("read an order")?;
        let answer = match servers.set(&order.netns, &order.listens) {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{ANSWER}{answer}").and_then(|()| stdout.flush()).context("answer")?;
    }
    loop {
        std::thread::park();
    }
}
