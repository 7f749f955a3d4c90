//! What the engine asks for, and what it is given.

use std::fmt;

use skoop_model::{ClusterSnapshot, NodeName, NodeSnapshot, Unavailable};

/// One fact that the engine needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Want {
    /// The objects of the cluster. A source without a cluster supplies a [`ClusterSnapshot`] whose `nodes` hold the nodes that it can
    /// snapshot and whose other parts are unavailable.
    Cluster,
    /// The kernel state of a node.
    Node(NodeName),
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("cluster objects"),
            Self::Node(node) => write!(f, "node {node}"),
        }
    }
}

/// The answer to a [`Want`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Supplied {
    /// Answers [`Want::Cluster`].
    Cluster(Box<ClusterSnapshot>),
    /// Answers [`Want::Node`].
    Node(Box<NodeSnapshot>),
    /// Could not be seen; answers any.
    Unavailable(Unavailable),
}
