//! The lab as a source of facts for a diagnosis.

use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use skoop::driver::Source;
use skoop::engine::{Supplied, Want};
use skoop_collect::kube::ClusterReader;
use skoop_collect::local::{self, NetnsRef, Options, Others, Selection};
use skoop_model::{NodeName, Reason, Unavailable};

use crate::api::{ApiServer, ObjectStore};
use crate::plan::Plan;

/// Kernel state from the namespaces of the lab, by the collector, and API objects from its API server, by the real client.
pub struct LabSource {
    plan: Plan,
    server: ApiServer,
}

impl LabSource {
    pub(crate) fn start(plan: &Plan, store: Arc<ObjectStore>) -> Result<Self> {
        let server = ApiServer::start(store).context("start the API server")?;
        Ok(Self { plan: plan.clone(), server })
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

    /// The server of the API objects.
    pub fn server(&self) -> &ApiServer {
        &self.server
    }

    async fn cluster(&self) -> Supplied {
        match self.server.client().await {
            Ok(client) => {
                let reader = ClusterReader::from_client(client, "skoop-lab".to_owned());
                Supplied::Cluster(Box::new(Box::pin(reader.snapshot()).await))
            }
            Err(error) => {
                Supplied::Unavailable(Unavailable::new(Reason::Failed, format!("ask the API server: {error}")))
            }
        }
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
            Want::Cluster => self.cluster().await,
            Want::Node(node) => self.node(node.clone()).await,
            other => Supplied::Unavailable(Unavailable::new(Reason::Unsupported, format!("the lab has no {other}"))),
        }
    }
}
