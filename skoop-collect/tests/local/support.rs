//! Namespaces for tests, made with iproute2 and removed again.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use skoop_collect::local::NetnsRef;

/// A named namespace, removed when dropped.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    pub(crate) fn new(tag: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("skt-A-{}-{number}-{tag}", std::process::id());
        run(&["ip", "netns", "add", &name]);
        let namespace = Self { name };
        namespace.ip("link set lo up");
        namespace
    }

    pub(crate) fn netns(&self) -> NetnsRef {
        NetnsRef::Name(self.name.clone())
    }

    /// Runs `ip` in the namespace.
    pub(crate) fn ip(&self, arguments: &str) {
        run(&self.command(&["ip"], arguments));
    }

    /// Runs a program in the namespace.
    pub(crate) fn exec(&self, arguments: &str) -> String {
        let mut command = vec!["ip", "netns", "exec", &self.name];
        command.extend(arguments.split(' '));
        run(&command)
    }

    pub(crate) fn command<'a>(&'a self, program: &[&'a str], arguments: &'a str) -> Vec<&'a str> {
        let mut command = program.to_vec();
        command.extend(["-n", &self.name]);
        command.extend(arguments.split(' '));
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).stderr(Stdio::null()).status();
    }
}

/// Runs a command, which must end well, and yields what it prints.
pub(crate) fn run(command: &[&str]) -> String {
    let (program, arguments) = command.split_first().expect("a program");
    let output = Command::new(program).args(arguments).output().expect("a program that runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
