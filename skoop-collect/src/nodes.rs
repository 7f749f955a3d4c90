//! The kernel state of nodes, wherever they are: by agents, by pods made for the purpose, by other ways of one's own.
//!
//! A [`NodeCollector`] is one way to see a node. [`Collectors`] tries several in turn, within a deadline per node; what each of them said
//! stands in the reason if none of them saw it.

pub mod agent;
mod command;
mod file;
pub mod pods;
mod session;
mod this_node;
mod wire;

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use skoop_model::{KubeNode, NodeName, NodeSnapshot, Reason, Unavailable};

pub use agent::{AgentAccess, AgentCollector, AgentOptions};
pub use command::SshCollector;
pub use file::FileCollector;
pub use pods::{PodCollector, PodOptions};
pub use session::serve;
pub use this_node::{ThisNode, this_node};
pub use wire::{Answer, MAX_SNAPSHOT_BYTES, WireError, decode, encode};

/// A node to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Name in the cluster.
    pub name: NodeName,
    /// Addresses, those inside the cluster first.
    pub addresses: Vec<IpAddr>,
    /// Whether the cluster says that the node is ready; none if it does not say.
    pub ready: Option<bool>,
}

impl From<&KubeNode> for Target {
    fn from(node: &KubeNode) -> Self {
        Self { name: node.name.clone(), addresses: node.addresses.clone(), ready: node.ready }
    }
}

/// One way to see nodes. A failure spoils that way on that node; whoever tries several goes on with the next.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait NodeCollector: Send + Sync {
    /// What people call this way: `agent`, `pod`, `ssh`, `file`.
    fn name(&self) -> &'static str;

    /// The node's state now.
    ///
    /// # Errors
    ///
    /// Why this way does not see the node; [`Reason::NotFound`] where it is not there at all (no agent on the node).
    async fn snapshot(&self, node: &Target) -> Result<NodeSnapshot, Unavailable>;

    /// Ends what was begun for the sake of collecting: pods are removed, tunnels closed. Called once, at the end.
    async fn close(&self) {}
}

/// Several ways, tried in turn.
pub struct Collectors {
    ways: Vec<Box<dyn NodeCollector>>,
    deadline: Duration,
    seen: Mutex<Vec<Look>>,
}

/// One look at a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The node.
    pub node: NodeName,
    /// The way by which it was seen; none if it was not.
    pub way: Option<&'static str>,
    /// How long it took, ways that failed included.
    pub took: Duration,
}

/// Time for all ways of one node together.
const DEADLINE: Duration = Duration::from_secs(30);

impl Default for Collectors {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl std::fmt::Debug for Collectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.ways.iter().map(|way| way.name()).collect();
        f.debug_struct("Collectors").field("ways", &names).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Collectors {
    /// These ways, in this order.
    pub fn new(ways: Vec<Box<dyn NodeCollector>>) -> Self {
        Self { ways, deadline: DEADLINE, seen: Mutex::default() }
    }

    /// The same ways with another deadline per node.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The node's state by the first way that sees it.
    ///
    /// # Errors
    ///
    /// What each way said. The reason is that of the last way which was there at all.
    pub async fn snapshot(&self, node: &Target) -> Result<NodeSnapshot, Unavailable> {
        if self.ways.is_empty() {
            return Err(Unavailable::new(Reason::NotCollected, format!("node {}: no way to see nodes", node.name)));
        }
        let begun = tokio::time::Instant::now();
        let (way, answer) = self.tried(node, begun + self.deadline).await;
        let look = Look { node: node.name.clone(), way, took: begun.elapsed() };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(look);
        answer
    }

    /// All looks so far, in the order in which they ended.
    pub fn looks(&self) -> Vec<Look> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first answer, with the way that gave it.
    async fn tried(
        &self,
        node: &Target,
        end: tokio::time::Instant,
    ) -> (Option<&'static str>, Result<NodeSnapshot, Unavailable>) {
        let mut failures: Vec<(&'static str, Unavailable)> = Vec::new();
        for way in &self.ways {
            match tokio::time::timeout_at(end, way.snapshot(node)).await {
                Ok(Ok(snapshot)) => return (Some(way.name()), Ok(snapshot)),
                Ok(Err(why)) => failures.push((way.name(), why)),
                Err(_) => {
                    let text = format!("no snapshot within {} s", self.deadline.as_secs_f32());
                    failures.push((way.name(), Unavailable::new(Reason::Timeout, text)));
                    break;
                }
            }
        }
        (None, Err(joined(&node.name, &failures)))
    }

    /// Ends what the ways have begun.
    pub async fn close(&self) {
        futures::future::join_all(self.ways.iter().map(|way| way.close())).await;
    }
}

/// All failures as one.
fn joined(node: &NodeName, failures: &[(&'static str, Unavailable)]) -> Unavailable {
    let there = failures.iter().rev().find(|(_, why)| why.reason != Reason::NotFound);
    let reason = there.or(failures.last()).map_or(Reason::NotCollected, |(_, why)| why.reason);
    let told: Vec<String> = failures.iter().map(|(way, why)| format!("by {way}: {why}")).collect();
    Unavailable::new(reason, format!("node {node}: {}", told.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target { name: NodeName::from("a"), addresses: Vec::new(), ready: None }
    }

    fn way(name: &'static str, answer: Result<NodeSnapshot, Unavailable>) -> Box<dyn NodeCollector> {
        let mut way = MockNodeCollector::new();
        way.expect_name().return_const(name);
        way.expect_snapshot().returning(move |_| answer.clone());
        Box::new(way)
    }

    fn refused(reason: Reason) -> Result<NodeSnapshot, Unavailable> {
        Err(Unavailable::new(reason, "no"))
    }

    #[tokio::test]
    async fn the_first_way_that_sees_the_node_counts() {
        let seen = NodeSnapshot::new(NodeName::from("a"), 7);
        let ways = vec![way("agent", refused(Reason::NotFound)), way("pod", Ok(seen.clone()))];
        assert_eq!(Collectors::new(ways).snapshot(&target()).await, Ok(seen));
    }

    #[tokio::test]
    async fn failures_are_told_together() {
        let ways = vec![way("pod", refused(Reason::Permission)), way("ssh", refused(Reason::NotFound))];
        let why = Collectors::new(ways).snapshot(&target()).await.expect_err("both refuse");
        assert_eq!(why.reason, Reason::Permission);
        assert_eq!(why.detail, "node a: by pod: not permitted: no; by ssh: not found: no");
        let why = Collectors::default().snapshot(&target()).await.expect_err("no way");
        assert_eq!(why.reason, Reason::NotCollected);
    }

    struct Sleeps;

    #[async_trait]
    impl NodeCollector for Sleeps {
        fn name(&self) -> &'static str {
            "agent"
        }

        async fn snapshot(&self, _node: &Target) -> Result<NodeSnapshot, Unavailable> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_way_that_hangs_ends_with_the_deadline() {
        let ways: Vec<Box<dyn NodeCollector>> = vec![Box::new(Sleeps)];
        let collectors = Collectors::new(ways).with_deadline(Duration::from_secs(2));
        let why = collectors.snapshot(&target()).await.expect_err("it hangs");
        assert_eq!(
            (why.reason, why.detail.as_str()),
            (Reason::Timeout, "node a: by agent: timed out: no snapshot within 2 s")
        );
    }
}
