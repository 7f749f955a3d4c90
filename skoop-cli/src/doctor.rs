//! `skoop doctor`: what works here, and why not.

mod cluster;
mod host;

use serde::Serialize;

use crate::args::{DoctorArgs, TextOrJson};
use crate::diagnose::runtime;
use crate::exit::{Exit, Failure};
use crate::output::{self, Style};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// It works.
    Works,
    /// It does not, and something else does its work or is only poorer for it.
    Limited,
    /// It does not work.
    Fails,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    /// What was looked at: `cluster`, `nodes`, `host`.
    of: &'static str,
    what: String,
    state: State,
    /// What was found, or what to do.
    told: String,
}

impl Check {
    fn new(of: &'static str, what: impl Into<String>, state: State, told: impl Into<String>) -> Self {
        Self { of, what: what.into(), state, told: told.into() }
    }
}

/// Checks the cluster and this host, as far as the arguments ask for it.
pub(crate) fn run(args: &DoctorArgs, style: &Style) -> Result<Exit, Failure> {
    let checks = runtime()?.block_on(async {
        let cluster = if args.local { Vec::new() } else { Box::pin(cluster::checks(args)).await };
        [cluster, Box::pin(host::checks()).await].concat()
    });
    match args.output {
        TextOrJson::Json => output::print(&output::json(&checks)?)?,
        TextOrJson::Text => output::print(&text(&checks, style))?,
    }
    Ok(exit(&checks, args.local))
}

/// Whether anything can be looked at: the cluster with some way to its nodes, or this host where nothing else was asked for.
fn exit(checks: &[Check], local: bool) -> Exit {
    let of = if local { "host" } else { "cluster" };
    let works = |of: &str| checks.iter().filter(|check| check.of == of).all(|check| check.state != State::Fails);
    if works(of) && (local || works("nodes")) { Exit::Fine } else { Exit::NotPermitted }
}

fn text(checks: &[Check], style: &Style) -> String {
    let width = checks.iter().map(|check| check.what.chars().count()).max().unwrap_or(0);
    let (mut text, mut of) = (String::new(), "");
    for check in checks {
        if check.of != of {
            of = check.of;
            let gap = if text.is_empty() { "" } else { "\n" };
            text += &format!("{gap}{of}\n");
        }
        let (mark, ink) = match check.state {
            State::Works => ("✓", "32"),
            State::Limited => ("○", "33"),
            State::Fails => ("✗", "31"),
        };
        let mark = if style.color { format!("\u{1b}[{ink}m{mark}\u{1b}[0m") } else { mark.to_owned() };
        let told = skoop::render::clean_line(&check.told);
        text += format!("  {mark} {:width$}  {told}", check.what).trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(of: &'static str, state: State) -> Check {
        Check::new(of, "x", state, "y")
    }

    #[test]
    fn what_was_asked_for_decides() {
        let checks = [check("cluster", State::Works), check("nodes", State::Works), check("host", State::Fails)];
        assert_eq!(exit(&checks, false), Exit::Fine);
        assert_eq!(exit(&checks, true), Exit::NotPermitted);
        let checks = [check("cluster", State::Works), check("nodes", State::Fails), check("host", State::Limited)];
        assert_eq!((exit(&checks, false), exit(&checks, true)), (Exit::NotPermitted, Exit::Fine));
    }
}
