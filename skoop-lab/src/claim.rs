//! State files under `/run/skoop-lab`: who is at work, and what stands.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::plan::PREFIX;

/// Where state files are. Every lab needs root, so the directory is the same for all.
const DIRECTORY: &str = "/run/skoop-lab";

/// Labs of this process so far.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A lab's state file, locked while its process works on it: a process that was killed holds no lock.
#[derive(Debug)]
pub(crate) struct Claim {
    id: String,
    file: File,
}

impl Claim {
    /// A new lab's.
    pub(crate) fn create() -> Result<Self> {
        let id = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        fs::create_dir_all(DIRECTORY).with_context(|| format!("create {DIRECTORY}"))?;
        let path = path(&id);
        let what = || format!("create {}", path.display());
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).with_context(what)?;
        file.lock().with_context(what)?;
        Ok(Self { id, file })
    }

    /// An existing lab's; none if its process still works on it.
    pub(crate) fn take(id: &str) -> Result<Option<Self>> {
        let path = path(id);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            // A lab that lost its file has no process either.
            Err(error) if error.kind() == ErrorKind::NotFound => OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)
                .with_context(|| format!("create {}", path.display()))?,
            Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { id: id.to_owned(), file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("lock {}", path.display())),
        }
    }

    /// Its lab.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What was written.
    pub(crate) fn read(&mut self) -> Result<String> {
        let mut text = String::new();
        self.file
            .rewind()
            .and_then(|()| self.file.read_to_string(&mut text))
            .with_context(|| format!("read {}", path(&self.id).display()))?;
        Ok(text)
    }

    /// Replaces what was written.
    pub(crate) fn write(&mut self, text: &str) -> Result<()> {
        let written =
            self.file.rewind().and_then(|()| self.file.set_len(0)).and_then(|()| self.file.write_all(text.as_bytes()));
        written.with_context(|| format!("write {}", path(&self.id).display()))
    }

    /// Deletes the file.
    pub(crate) fn remove(&self) -> Result<()> {
        match fs::remove_file(path(&self.id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("delete {}", path(&self.id).display()))
            }
            _ => Ok(()),
        }
    }
}

/// The ids of all labs that have a state file.
pub(crate) fn ids() -> Result<Vec<String>> {
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("read {DIRECTORY}")),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect())
}

/// The id in a namespace's name: `skoop-lab-4711-0-node-1` is of `4711-0`.
pub(crate) fn id_of_namespace(name: &str) -> Option<String> {
    let mut parts = name.strip_prefix(PREFIX)?.splitn(3, '-');
    let (process, number) = (parts.next()?, parts.next()?);
    let numeric = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (numeric(process) && numeric(number) && parts.next().is_some()).then(|| format!("{process}-{number}"))
}

fn path(id: &str) -> PathBuf {
    PathBuf::from(DIRECTORY).join(format!("{id}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_tells_its_lab() {
        assert_eq!(id_of_namespace("skoop-lab-4711-0-node-1"), Some("4711-0".to_owned()));
        assert_eq!(id_of_namespace("skoop-lab-4711-0-pod-default-server"), Some("4711-0".to_owned()));
        for name in ["node-1", "skoop-lab-", "skoop-lab-x-0-node-1", "skoop-lab-4711-0"] {
            assert_eq!(id_of_namespace(name), None, "{name}");
        }
    }
}
