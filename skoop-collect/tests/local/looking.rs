//! Looking into the namespaces of tests.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use crate::support::{Namespace, run};

impl Namespace {
    /// Runs `ip` in the namespace; whether this kernel can do that.
    pub(crate) fn can(&self, arguments: &str) -> bool {
        let command = self.command(&["ip"], arguments);
        let status = Command::new("ip").args(command.iter().skip(1)).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// What `ip -j` prints.
    pub(crate) fn ip_json(&self, arguments: &str) -> Vec<Value> {
        json(&run(&self.command(&["ip", "-j"], arguments)))
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
}

/// The objects of a JSON list; none of no text.
pub(crate) fn json(text: &str) -> Vec<Value> {
    if text.trim().is_empty() { Vec::new() } else { serde_json::from_str(text).unwrap() }
}
