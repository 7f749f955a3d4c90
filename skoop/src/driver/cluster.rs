//! The objects of a live cluster as a source.

use async_trait::async_trait;
use skoop_collect::kube::ClusterReader;
use skoop_model::{Reason, Unavailable};

use super::Source;
use crate::engine::{Supplied, Want};

/// What the Kubernetes API says, and nothing of the nodes: to be joined with a source that sees those, as
/// [`LocalHost::with_cluster`](super::LocalHost::with_cluster) does.
#[derive(Debug)]
pub struct ClusterObjects {
    reader: ClusterReader,
}

impl ClusterObjects {
    /// The objects that `reader` reads.
    pub fn new(reader: ClusterReader) -> Self {
        Self { reader }
    }
}

#[async_trait]
impl Source for ClusterObjects {
    async fn fetch(&self, want: &Want) -> Supplied {
        match want {
            Want::Cluster => Supplied::Cluster(Box::new(Box::pin(self.reader.snapshot()).await)),
            Want::Node(_) => Supplied::Unavailable(Unavailable::new(
                Reason::NotCollected,
                format!("{want}: the API server does not know a node's kernel state"),
            )),
        }
    }
}
