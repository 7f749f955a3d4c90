//! The async driver: fetches what the engine asks for.

use async_trait::async_trait;

use crate::engine::{Supplied, Want};

/// Where facts come from: a live cluster, this host, a bundle, a lab. Two embedders' worth of world in one method.
#[async_trait]
pub trait Source: Send + Sync {
    /// Fetches one fact. A failure is a [`Supplied::Unavailable`]: it spoils that fact, never the run.
    async fn fetch(&self, want: &Want) -> Supplied;
}
