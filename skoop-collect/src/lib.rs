//! skoop-collect: live systems as snapshots.

#[cfg(feature = "bundle")]
pub mod bundle;
mod error;
#[cfg(feature = "kube")]
pub mod kube;
#[cfg(feature = "local")]
pub mod local;

pub use error::CollectError;
