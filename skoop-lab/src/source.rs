//! The lab as a source of facts for a diagnosis.

use anyhow::Result;
use async_trait::async_trait;
use skoop::driver::Source;
use skoop::engine::{Supplied, Want};
use skoop_collect::local::{self, NetnsRef, Options, Others, Selection};
use skoop_model::{NodeName, Reason, Unavailable};

use crate::cluster::Cluster;
use crate::plan::Plan;

/// Kernel state from the namespaces of the lab, by the collector, and API objects from its API server, by the real client.
pub struct LabSource {
    plan: Plan,
}

impl LabSource {
    pub(crate) fn start(plan: &Plan, _cluster: &Cluster) -> Result<Self> {
        Ok(Self { plan: plan.clone() })
    }

    /// What a collector on this node would see: its own namespace and those of its pods.
    fn selection(&self, node: &NodeName) -> Option<Selection> {
        let node = self.plan.node(node.as_str()).ok()?;
        let pods = self.plan.pods_on(&node.name).map(|pod| NetnsRef::Name(self.plan.pod_netns(&pod.key)));
        Some(Selection {
            host: NetnsRef::Name(self.plan.node_netns(&node.name)),
            others: Others::These(pods.collect()),
        })
    }

    async fn node(&self, node: NodeName) -> Supplied {
        let Some(selection) = self.selection(&node) else {
            return Supplied::Unavailable(Unavailable::new(Reason::NotFound, format!("the lab has no node {node}")));
        };
        let collected =
            tokio::task::spawn_blocking(move || local::collect(node, &selection, &Options::default())).await;
        match collected {
            Ok(Ok(snapshot)) => Supplied::Node(Box::new(snapshot)),
            Ok(Err(error)) => Supplied::Unavailable(Unavailable::new(error.reason(), error.to_string())),
            Err(error) => Supplied::Unavailable(Unavailable::new(Reason::Failed, format!("collect a node: {error}"))),
        }
    }
}

#[async_trait]
impl Source for LabSource {
    async fn fetch(&self, want: &Want) -> Supplied {
        match want {
            Want::Node(node) => self.node(node.clone()).await,
            other => Supplied::Unavailable(Unavailable::new(Reason::Unsupported, format!("the lab has no {other}"))),
        }
    }
}
