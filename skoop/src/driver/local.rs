//! This host as a source.

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use skoop_collect::local::{self, NetnsRef, Options, Others, Selection};
use skoop_model::{ClusterSnapshot, Item, KubeNode, NodeName, Reason, Unavailable};

use super::Source;
use crate::engine::{Supplied, Want};

/// This host: its own namespace and all others on it, as the one node that can be seen.
///
/// Without a cluster ([`with_cluster`](Self::with_cluster)) nothing is known of pods and services; ends are then nodes and addresses.
pub struct LocalHost {
    node: NodeName,
    cluster: Option<Box<dyn Source>>,
    selection: Selection,
    options: Options,
}

impl LocalHost {
    /// This host under the name that it gives itself.
    pub fn new() -> Self {
        Self::named(local::hostname())
    }

    /// This host under the name that the cluster gives it.
    pub fn named(node: NodeName) -> Self {
        let selection = Selection { host: NetnsRef::Current, others: Others::All };
        Self { node, cluster: None, selection, options: Options::default() }
    }

    /// The same host as a node of a cluster, whose objects come from another source.
    #[must_use]
    pub fn with_cluster(self, cluster: impl Source + 'static) -> Self {
        Self { cluster: Some(Box::new(cluster)), ..self }
    }

    /// The same host with other namespaces selected.
    #[must_use]
    pub fn with_selection(self, selection: Selection) -> Self {
        Self { selection, ..self }
    }

    /// Name under which the host's snapshot is asked for.
    pub fn node(&self) -> &NodeName {
        &self.node
    }

    /// A cluster of one node about which nobody was asked.
    fn no_cluster(&self) -> ClusterSnapshot {
        let at_ms = now_ms();
        let why = || Unavailable::new(Reason::NotCollected, "no cluster was asked");
        let node = KubeNode {
            name: self.node.clone(),
            addresses: Vec::new(),
            pod_cidrs: Vec::new(),
            ready: None,
            labels: std::collections::BTreeMap::new(),
            provider_id: None,
        };
        ClusterSnapshot {
            nodes: Item::known(at_ms, vec![node]),
            pods: Item::Unavailable(why()),
            services: Item::Unavailable(why()),
            endpoint_slices: Item::Unavailable(why()),
            namespaces: Item::Unavailable(why()),
            network_policies: Item::Unavailable(why()),
            config_maps: Item::Unavailable(why()),
            daemon_sets: Item::Unavailable(why()),
            ..ClusterSnapshot::new("this host", at_ms)
        }
    }

    async fn snapshot(&self) -> Supplied {
        let (node, selection, options) = (self.node.clone(), self.selection.clone(), self.options.clone());
        let collected = tokio::task::spawn_blocking(move || local::collect(node, &selection, &options)).await;
        match collected {
            Ok(Ok(snapshot)) => Supplied::Node(Box::new(snapshot)),
            Ok(Err(error)) => Supplied::Unavailable(Unavailable::new(error.reason(), described(&error))),
            Err(error) => {
                Supplied::Unavailable(Unavailable::new(Reason::Failed, format!("collecting this host: {error}")))
            }
        }
    }
}

impl Default for LocalHost {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Source for LocalHost {
    async fn fetch(&self, want: &Want) -> Supplied {
        match want {
            Want::Cluster => match &self.cluster {
                Some(cluster) => cluster.fetch(want).await,
                None => Supplied::Cluster(Box::new(self.no_cluster())),
            },
            Want::Node(node) if *node == self.node => self.snapshot().await,
            Want::Node(node) => Supplied::Unavailable(Unavailable::new(
                Reason::NotCollected,
                format!("{node} is another host; only this one, {}, was looked at", self.node),
            )),
        }
    }

    fn changes(&self) -> bool {
        true
    }
}

/// An error with its sources, on one line.
fn described(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Milliseconds since the Unix epoch.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_cluster_there_is_one_node() {
        let host = LocalHost::named(NodeName::from("here"));
        let Supplied::Cluster(cluster) = host.fetch(&Want::Cluster).await else { panic!("always known") };
        let names: Vec<&str> = cluster.nodes.elements().iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["here"]);
        assert_eq!(cluster.pods.get().map_err(|why| why.reason), Err(Reason::NotCollected));
    }

    #[tokio::test]
    async fn other_hosts_are_out_of_sight() {
        let host = LocalHost::named(NodeName::from("here"));
        let Supplied::Unavailable(why) = host.fetch(&Want::Node(NodeName::from("there"))).await else {
            panic!("not this host")
        };
        assert_eq!(why.reason, Reason::NotCollected);
        assert!(why.detail.contains("there is another host"), "{why}");
    }

    #[tokio::test]
    async fn this_host_is_collected() {
        let host = LocalHost::named(NodeName::from("here"));
        let Supplied::Node(node) = host.fetch(&Want::Node(NodeName::from("here"))).await else {
            panic!("every process may read its own namespace")
        };
        assert_eq!(node.node.as_str(), "here");
        assert!(node.host().is_some());
    }
}
