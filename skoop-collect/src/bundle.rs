//! `.skoop` files: everything that a diagnosis saw, in one file, to be judged again without cluster or root.
//!
//! A bundle is a tar compressed with zstd. `manifest.json` comes first and lists all other members with size and SHA-256; then follow
//! `cluster.json` and one `nodes/NAME.json` per node. Equal content gives equal bytes: no clock, no owner, members in order.
//!
//! ```
//! use skoop_collect::bundle::Bundle;
//! use skoop_model::{NodeName, NodeSnapshot};
//!
//! let mut bundle = Bundle::new("0.1.0", 1_700_000_000_000);
//! bundle.nodes.push(NodeSnapshot::new(NodeName::from("node-1"), 1_700_000_000_000));
//! let mut bytes = Vec::new();
//! bundle.write(&mut bytes)?;
//! assert_eq!(Bundle::read(bytes.as_slice())?, bundle);
//! # Ok::<(), skoop_collect::bundle::BundleError>(())
//! ```

mod error;
mod file;
mod manifest;
mod read;
mod write;

use std::io::{Read, Write};
use std::path::Path;

use skoop_model::{ClusterSnapshot, NodeSnapshot, Question, Unavailable};

pub use error::BundleError;

/// The contents of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Time of creation, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// Version of the skoop that wrote it.
    pub version: String,
    /// The question for which it was recorded.
    pub question: Option<Question>,
    /// Objects of the cluster.
    pub cluster: Option<ClusterSnapshot>,
    /// Nodes; by name after reading.
    pub nodes: Vec<NodeSnapshot>,
    /// What was wanted and could not be seen, as text of the want (`node worker-3`) and reason.
    pub unavailable: Vec<(String, Unavailable)>,
}

impl Bundle {
    /// An empty bundle of this skoop `version`, made `created_at_ms` milliseconds after the Unix epoch.
    pub fn new(version: impl Into<String>, created_at_ms: u64) -> Self {
        Self {
            created_at_ms,
            version: version.into(),
            question: None,
            cluster: None,
            nodes: Vec::new(),
            unavailable: Vec::new(),
        }
    }

    /// Writes the bundle. Nodes are sorted by name, so that equal content gives equal bytes.
    ///
    /// # Errors
    ///
    /// [`BundleError::DuplicateNode`] when a node stands there twice; [`BundleError::Write`] when `writer` fails.
    pub fn write(&self, writer: impl Write) -> Result<(), BundleError> {
        write::write(self, writer)
    }

    /// Writes the bundle to `path`: whole or not at all, readable by its owner only.
    ///
    /// # Errors
    ///
    /// [`BundleError::Create`] when the directory is not writable, and those of [`Bundle::write`].
    pub fn write_file(&self, path: &Path) -> Result<(), BundleError> {
        file::write_file(self, path)
    }

    /// Reads a bundle and checks every hash. Members that a later skoop added within the same schema are checked and skipped.
    ///
    /// # Errors
    ///
    /// One variant of [`BundleError`] for each thing that can be wrong with the data; it never panics, and it never holds more than 2 GiB of
    /// decompressed data.
    pub fn read(reader: impl Read) -> Result<Self, BundleError> {
        read::read(reader, &read::Limits::default())
    }

    /// Reads the bundle at `path`.
    ///
    /// # Errors
    ///
    /// [`BundleError::Open`], and those of [`Bundle::read`].
    pub fn read_file(path: &Path) -> Result<Self, BundleError> {
        Self::read(file::open(path)?)
    }

    /// Checks every member without giving up at the first wrong one, and tells what is in the bundle.
    ///
    /// # Errors
    ///
    /// As [`Bundle::read`], but a wrong hash or a missing member is told in [`BundleInfo::members`], and no member is decoded.
    pub fn verify(reader: impl Read) -> Result<BundleInfo, BundleError> {
        read::verify(reader, &read::Limits::default())
    }

    /// Checks the bundle at `path` as [`Bundle::verify`] does.
    ///
    /// # Errors
    ///
    /// [`BundleError::Open`], and those of [`Bundle::verify`].
    pub fn verify_file(path: &Path) -> Result<BundleInfo, BundleError> {
        Self::verify(file::open(path)?)
    }
}

/// What a bundle says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleInfo {
    /// Schema of the writer.
    pub schema: u32,
    /// Version of the skoop that wrote it.
    pub version: String,
    /// Time of creation, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// The question for which it was recorded.
    pub question: Option<Question>,
    /// What was wanted and could not be seen, as text of the want and reason.
    pub unavailable: Vec<(String, Unavailable)>,
    /// Members in the manifest's order.
    pub members: Vec<Member>,
}

impl BundleInfo {
    /// Whether every member is what was recorded.
    pub fn is_ok(&self) -> bool {
        self.members.iter().all(|member| member.state == MemberState::Intact)
    }
}

/// One member of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name: `cluster.json`, `nodes/NAME.json`.
    pub name: String,
    /// Size in bytes, as recorded.
    pub size_bytes: u64,
    /// SHA-256 in lower-case hexadecimal, as recorded.
    pub sha256: String,
    /// What the check found.
    pub state: MemberState,
}

/// What the check of a member found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// It is what was recorded.
    Intact,
    /// Its contents differ from what was recorded.
    Altered,
    /// It is not there.
    Missing,
}

#[cfg(test)]
mod tests;
