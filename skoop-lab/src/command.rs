//! Programs, run with argument lists and no shell.

use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use crate::netns;

/// Directories of the network tools, which a user's `PATH` often lacks.
const TOOL_DIRECTORIES: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// Runs `argv` in a named namespace, or in the caller's own, and returns what it printed.
///
/// # Errors
///
/// It could not be started, or failed; the error holds what it printed to standard error.
pub fn run(namespace: Option<&str>, argv: &[String], input: Option<&str>) -> Result<String> {
    match namespace {
        Some(name) => netns::enter(name, || run_here(argv, input))?.with_context(|| format!("in namespace {name}")),
        None => run_here(argv, input),
    }
}

/// Runs lines of `ip` commands at once.
pub(crate) fn ip_batch(namespace: Option<&str>, lines: &str) -> Result<()> {
    batch("ip", namespace, lines)
}

/// Runs lines of `bridge` commands at once.
pub(crate) fn bridge_batch(namespace: Option<&str>, lines: &str) -> Result<()> {
    batch("bridge", namespace, lines)
}

/// The words of a fixed command.
pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn batch(tool: &str, namespace: Option<&str>, lines: &str) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let outcome = run(namespace, &words(&format!("{tool} -batch -")), Some(lines));
    outcome.map(drop).map_err(|error| {
        // `Command failed -:3` names the line by its number only.
        let text = format!("{error:#}");
        let number =
            text.rsplit_once("-:").and_then(|(_, rest)| rest.trim().split(|c: char| !c.is_ascii_digit()).next());
        let line = number.and_then(|number| lines.lines().nth(number.parse::<usize>().ok()?.checked_sub(1)?));
        match line {
            Some(line) => anyhow!("{text}: {tool} {line}"),
            None => error,
        }
    })
}

fn run_here(argv: &[String], input: Option<&str>) -> Result<String> {
    let (program, arguments) = argv.split_first().context("an empty command")?;
    let name = argv.join(" ");
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", search_path())
        .env("LC_ALL", "C")
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start `{name}`"))?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // A program that fails early closes its end; its own message says why.
        let _closed_early = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().with_context(|| format!("wait for `{name}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        bail!("`{name}` failed ({}): {}", output.status, said.join("; "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":");
    path.push(TOOL_DIRECTORIES);
    path
}
