//! A directory of files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use skoop_model::Unavailable;
use thiserror::Error;

use super::{Dumped, Files, XT_RECENT};
use crate::error::reason_of;

/// A directory that tells of no namespace.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DumpError {
    /// It cannot be listed.
    #[error("cannot read directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// There is nothing in it that is read.
    #[error("{} holds no file that is read: the names are ip-link.json, ip-route.json, iptables-save.txt and so on", path.display())]
    Nothing {
        /// The directory.
        path: PathBuf,
    },
}

/// The namespace that the files of a directory tell of.
///
/// # Errors
///
/// The directory cannot be listed, or holds none of [`FILES`](super::FILES). A file that cannot be read is no error: its part of the
/// snapshot says why it is unavailable.
pub fn read_dir(path: &Path) -> Result<Dumped, DumpError> {
    let mut files = Files::default();
    for entry in list(path)? {
        let Some(name) = entry.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
        if name == XT_RECENT.trim_end_matches('/') && entry.is_dir() {
            files.saw_recent();
            for entry in list(&entry)? {
                let Some(list) = entry.file_name().and_then(|name| name.to_str()) else { continue };
                read_file(&mut files, format!("{XT_RECENT}{list}"), &entry);
            }
        } else if Files::is_known(&name) {
            read_file(&mut files, name, &entry);
        } else if !entry.is_dir() && looks_meant(&name) {
            // Named only, so that the reader can say that it is not read.
            files.insert(name, String::new());
        }
    }
    if !files.names().any(Files::is_known) {
        return Err(DumpError::Nothing { path: path.to_owned() });
    }
    Ok(files.load())
}

/// Whether a name that is not read may be a misspelt one: packets, goldens and notes may lie beside the dumps.
fn looks_meant(name: &str) -> bool {
    ["ip", "nft", "bridge", "sysctl", "conntrack", "ss"].iter().any(|prefix| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(['.', '-', '_', '6', 't', 's', 'v']))
    })
}

fn list(path: &Path) -> Result<Vec<PathBuf>, DumpError> {
    let failed = |source| DumpError::Directory { path: path.to_owned(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    Ok(entries)
}

fn read_file(files: &mut Files, name: String, path: &Path) {
    match fs::read(path) {
        Ok(bytes) => {
            files.at_ms = files.at_ms.max(modified_ms(path));
            files.insert(
                name,
                String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            );
        }
        Err(error) => {
            let why = Unavailable::new(reason_of(&error), format!("read {}: {error}", path.display()));
            files.insert_unreadable(name, why);
        }
    }
}

/// When a file was written, in milliseconds since the Unix epoch; 0 if nobody knows.
fn modified_ms(path: &Path) -> u64 {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    let elapsed = modified.ok().and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    elapsed.map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}
