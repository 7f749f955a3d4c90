//! The version of every stored form.

use thiserror::Error;

/// Version of the serialised snapshots, bundles and reports that this build writes. Fields are only ever added within one version.
pub const SCHEMA_VERSION: u32 = 1;

/// A stored form that this build cannot read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("schema {found} is newer than the schema {supported} that this build reads: use a newer skoop")]
pub struct SchemaError {
    /// Version found in the data.
    pub found: u32,
    /// Newest version that this build reads.
    pub supported: u32,
}

/// Checks that data of schema `found` can be read by this build.
///
/// # Errors
///
/// [`SchemaError`] when `found` is newer than [`SCHEMA_VERSION`].
pub fn check_schema(found: u32) -> Result<(), SchemaError> {
    if found > SCHEMA_VERSION {
        return Err(SchemaError { found, supported: SCHEMA_VERSION });
    }
    Ok(())
}
