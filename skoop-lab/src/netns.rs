//! Network namespaces by name, as `ip netns` keeps them under `/run/netns`.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::command;

/// Where `ip netns` keeps its names.
const DIRECTORY: &str = "/run/netns";

/// The path of a named namespace.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(DIRECTORY).join(name)
}

/// Creates namespaces; the caller's own is untouched.
pub(crate) fn create(names: &[String]) -> Result<()> {
    command::ip_batch(None, &lines("netns add", names)).context("create network namespaces")
}

/// Deletes namespaces. The kernel takes their devices, rules and routes down on its own.
pub(crate) fn delete(names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    command::ip_batch(None, &lines("netns del", names)).context("delete network namespaces")
}

/// The names that begin with `prefix`, sorted.
pub fn with_prefix(prefix: &str) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("read {DIRECTORY}")),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.with_context(|| format!("read {DIRECTORY}"))?.file_name();
        if let Some(name) = name.to_str().filter(|name| name.starts_with(prefix)) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Runs `work` in a namespace, on a thread of its own: the caller's thread never leaves its namespace. Sockets that `work` opens and
/// processes that it starts belong to that namespace for good.
///
/// # Errors
///
/// The namespace does not exist, or may not be entered.
pub fn enter<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T> {
    let path = path(name);
    let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .with_context(|| format!("enter namespace {name}"))?;
            Ok(work())
        });
        thread.join().map_err(|_| anyhow!("the work in namespace {name} panicked"))?
    })
}

fn lines(verb: &str, names: &[String]) -> String {
    names.iter().map(|name| format!("{verb} {name}\n")).collect::<Vec<_>>().concat()
}
