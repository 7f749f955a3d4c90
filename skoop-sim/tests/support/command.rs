//! Commands in namespaces, for the tests that the kernel judges.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Runs a command, in a namespace if one is given, with `input`.
pub(crate) fn run(command: &str, arguments: &[&str], netns: Option<&str>, input: &str) {
    let mut line = Command::new(if netns.is_some() { "ip" } else { command });
    if let Some(netns) = netns {
        line.args(["netns", "exec", netns, command]);
    }
    line.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = line.spawn().expect("it is installed");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{line:?}: {}\n{input}", String::from_utf8_lossy(&output.stderr));
}

/// Removes the namespaces of a test; a failure counts only where nothing failed before.
pub(crate) fn remove(names: &[String]) {
    for name in names {
        let removed = Command::new("ip").args(["netns", "del", name]).output();
        assert!(removed.is_ok_and(|output| output.status.success()) || std::thread::panicking());
    }
}
