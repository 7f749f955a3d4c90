//! Namespaces for tests, made with iproute2 and removed again.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use skoop_collect::local::NetnsRef;

/// A named namespace, removed when dropped.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    pub(crate) fn new(tag: &str) -> Self {
        let name = format!("skt-A-{}-{tag}", std::process::id());
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

    /// What `ip -j` prints.
    pub(crate) fn ip_json(&self, arguments: &str) -> Vec<Value> {
        json(&run(&self.command(&["ip", "-j"], arguments)))
    }

    /// Runs a program in the namespace.
    pub(crate) fn exec(&self, arguments: &str) -> String {
        let mut command = vec!["ip", "netns", "exec", &self.name];
        command.extend(arguments.split(' '));
        run(&command)
    }

    /// Runs `work` in a thread that has entered the namespace; sockets that it opens stay there.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(Path::new("/run/netns").join(&self.name)).unwrap();
        thread::scope(|scope| {
            scope
                .spawn(|| {
                    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                    work()
                })
                .join()
                .unwrap()
        })
    }

    fn command<'a>(&'a self, program: &[&'a str], arguments: &'a str) -> Vec<&'a str> {
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
    let (program, arguments) = command.split_first().unwrap();
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The objects of a JSON list; none of no text.
pub(crate) fn json(text: &str) -> Vec<Value> {
    if text.trim().is_empty() { Vec::new() } else { serde_json::from_str(text).unwrap() }
}
