//! What looks at the node.

use async_trait::async_trait;
use skoop_collect::CollectError;
use skoop_collect::local::Others;
use skoop_collect::nodes::{ThisNode, this_node};
use skoop_model::NodeSnapshot;

/// Looks at a node.
#[async_trait]
pub trait Look: Send + Sync + 'static {
    /// Its state now.
    ///
    /// # Errors
    ///
    /// Why nothing can be seen at all.
    async fn look(&self) -> Result<NodeSnapshot, CollectError>;

    /// Whether the node can be seen, with as little effort as that takes.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    async fn check(&self) -> Result<(), CollectError>;
}

/// The host on which this runs.
#[derive(Debug, Clone)]
pub struct Host(pub ThisNode);

#[async_trait]
impl Look for Host {
    async fn look(&self) -> Result<NodeSnapshot, CollectError> {
        this_node(&self.0).await
    }

    async fn check(&self) -> Result<(), CollectError> {
        let mut little = self.0.clone();
        little.selection.others = Others::None;
        little.local.netfilter = false;
        little.runtime = None;
        this_node(&little).await.map(drop)
    }
}
