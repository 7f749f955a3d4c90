//! A live cluster as a source.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use skoop_collect::kube::{ClusterReader, Traffic};
use skoop_collect::nodes::{Collectors, Look, Target};
use skoop_model::{ClusterSnapshot, NodeName, Reason, Unavailable};

use super::Source;
use crate::engine::{Supplied, Want};

/// A cluster: its objects from the API server, its nodes by whatever ways there are.
#[derive(Debug)]
pub struct LiveCluster {
    reader: ClusterReader,
    collectors: Collectors,
    /// Nodes as the API server told of them last.
    targets: Mutex<BTreeMap<NodeName, Target>>,
}

impl LiveCluster {
    /// The cluster that `reader` reads, its nodes seen by `collectors`.
    pub fn new(reader: ClusterReader, collectors: Collectors) -> Self {
        Self { reader, collectors, targets: Mutex::default() }
    }

    /// Removes what was made for the sake of looking. To be called at the end, and when the user interrupts.
    pub async fn close(&self) {
        self.collectors.close().await;
    }

    /// What was asked of the API server so far.
    pub fn traffic(&self) -> &Traffic {
        self.reader.traffic()
    }

    /// All looks at nodes so far.
    pub fn looks(&self) -> Vec<Look> {
        self.collectors.looks()
    }

    fn remember(&self, cluster: &ClusterSnapshot) {
        let targets = cluster.nodes.elements().iter().map(|node| (node.name.clone(), Target::from(node))).collect();
        *self.targets.lock().unwrap_or_else(PoisonError::into_inner) = targets;
    }

    fn target(&self, node: &NodeName) -> Result<Target, Unavailable> {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = targets.get(node) {
            return Ok(target.clone());
        }
        if targets.is_empty() {
            // Whoever may not list nodes may still be able to look at one by its name.
            return Ok(Target { name: node.clone(), addresses: Vec::new(), ready: None });
        }
        Err(Unavailable::new(Reason::NotFound, format!("the cluster has no node {node}")))
    }
}

#[async_trait]
impl Source for LiveCluster {
    async fn fetch(&self, want: &Want) -> Supplied {
        match want {
            Want::Cluster => {
                let cluster = Box::pin(self.reader.snapshot()).await;
                self.remember(&cluster);
                Supplied::Cluster(Box::new(cluster))
            }
            Want::Node(node) => {
                let seen = match self.target(node) {
                    Ok(target) => self.collectors.snapshot(&target).await,
                    Err(why) => Err(why),
                };
                seen.map_or_else(Supplied::Unavailable, |snapshot| Supplied::Node(Box::new(snapshot)))
            }
        }
    }

    fn changes(&self) -> bool {
        true
    }
}
