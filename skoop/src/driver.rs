//! The async driver: fetches what the engine asks for.
//!
//! The engine ([`crate::engine`]) does no IO: it says what it needs to know. [`diagnose`] asks a [`Source`] for it, all
//! facts of one request at the same time, and goes on until there is a report. A fact that cannot be had is no error: it is
//! supplied as unavailable, and the report says what it cost.

#[cfg(feature = "bundle")]
mod bundle;
mod cluster;
mod drive;
mod error;
mod live;
mod local;
mod recheck;
mod recorder;

use async_trait::async_trait;

use crate::engine::{Supplied, Want};

#[cfg(feature = "bundle")]
pub use bundle::BundleSource;
pub use cluster::ClusterObjects;
pub use drive::diagnose;
pub use error::DriverError;
pub use live::LiveCluster;
pub use local::LocalHost;
pub use recorder::Recorder;

/// Where facts come from: a live cluster, this host, a bundle, a lab. Two embedders' worth of world in one method.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Source: Send + Sync {
    /// Fetches one fact. A failure is a [`Supplied::Unavailable`]: it spoils that fact, never the run.
    async fn fetch(&self, want: &Want) -> Supplied;

    /// Whether the same question may have another answer a moment later: true for live systems. What a negative report rests on is then
    /// read a second time.
    fn changes(&self) -> bool {
        false
    }
}

#[async_trait]
impl<S: Source + ?Sized> Source for Box<S> {
    async fn fetch(&self, want: &Want) -> Supplied {
        (**self).fetch(want).await
    }

    fn changes(&self) -> bool {
        (**self).changes()
    }
}

#[async_trait]
impl<S: Source + ?Sized> Source for std::sync::Arc<S> {
    async fn fetch(&self, want: &Want) -> Supplied {
        (**self).fetch(want).await
    }

    fn changes(&self) -> bool {
        (**self).changes()
    }
}

/// Hears what is going on. Both methods do nothing unless implemented.
pub trait Progress: Send + Sync {
    /// A fact is about to be fetched.
    fn fetching(&self, want: &Want) {
        let _ = want;
    }

    /// A fact came, or did not.
    fn fetched(&self, want: &Want, supplied: &Supplied) {
        let _ = (want, supplied);
    }
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}
