//! What can be wrong with a bundle, one line each, with what to do about it.

use std::io;
use std::path::PathBuf;

use skoop_model::{NodeName, SchemaError};
use thiserror::Error;

/// A bundle that cannot be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The file could not be opened.
    #[error("cannot open bundle {}", path.display())]
    Open {
        /// Path of the file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file could not be made.
    #[error("cannot create bundle {}: choose a writable directory", path.display())]
    Create {
        /// Path of the file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Bytes could not be read.
    #[error("cannot read the bundle")]
    Read(#[source] io::Error),
    /// Bytes could not be written.
    #[error("cannot write the bundle")]
    Write(#[source] io::Error),
    /// Two snapshots of one node.
    #[error("two snapshots of node {node}: put one of each node into a bundle")]
    DuplicateNode {
        /// Name of the node.
        node: NodeName,
    },
    /// A value has no JSON form.
    #[error("cannot encode {member}")]
    Encode {
        /// Name of the member.
        member: String,
        /// What the encoder says.
        source: serde_json::Error,
    },
    /// The data does not begin like a bundle.
    #[error("this is no skoop bundle: make one with `skoop diagnose --record FILE`")]
    NotBundle,
    /// The data ends too early.
    #[error("the bundle is cut off: copy it again, or record a new one")]
    Truncated,
    /// The compressed data is damaged.
    #[error("the bundle is damaged: copy it again, or record a new one")]
    Corrupt(#[source] io::Error),
    /// The first member is not the manifest.
    #[error("the bundle does not begin with manifest.json: record a new one")]
    NoManifest,
    /// The manifest cannot be understood.
    #[error("the bundle's manifest.json cannot be read: record a new one")]
    Manifest(#[source] serde_json::Error),
    /// A newer skoop wrote it.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A member is not what the manifest says.
    #[error(
        "{member} in the bundle is not what was recorded (its SHA-256 differs): copy the bundle again, or record a new one"
    )]
    Hash {
        /// Name of the member.
        member: String,
    },
    /// The manifest lists a member that is not there.
    #[error("{member} is missing from the bundle: copy it again, or record a new one")]
    MissingMember {
        /// Name of the member.
        member: String,
    },
    /// A member that the manifest does not list, or that stands there twice.
    #[error("{member} is not in the bundle's manifest: do not trust this bundle, record a new one")]
    UnlistedMember {
        /// Name of the member.
        member: String,
    },
    /// A member that is no plain file, or whose name leads out of the bundle.
    #[error("{member} has no place in a bundle: do not trust this bundle, record a new one")]
    BadMember {
        /// Name of the member, control characters escaped.
        member: String,
    },
    /// More data than a bundle may hold.
    #[error("the bundle holds more than {limit_bytes} bytes: record fewer nodes")]
    TooLarge {
        /// The limit that was passed, in bytes.
        limit_bytes: u64,
    },
    /// More members than a bundle may hold.
    #[error("the bundle holds more than {limit} members: record fewer nodes")]
    TooManyMembers {
        /// The limit that was passed.
        limit: usize,
    },
    /// The member's hash is right, but its contents cannot be understood.
    #[error("{member} in the bundle cannot be understood: record a new one")]
    Malformed {
        /// Name of the member.
        member: String,
        /// What the decoder says.
        source: serde_json::Error,
    },
}
