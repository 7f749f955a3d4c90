//! What the network between two node interfaces does with a frame.
//!
//! A [`CloudProvider`] answers for everything between NICs that no node can see: virtual switches, route tables, security groups.
//! [`FlatNetwork`] is the one for machines that share a layer-2 network, and the fallback for clouds that skoop does not know.
//!
//! ```
//! use skoop_cloud::{Carried, CloudProvider, FlatNetwork, Sent};
//! use skoop_model::{ClusterSnapshot, Frame, MacAddr, NodeName, Packet, Port};
//!
//! let packet = Packet::tcp_syn("10.0.0.1".parse()?, Port(40_000), "203.0.113.1".parse()?, Port(443));
//! let frame = Frame { src_mac: MacAddr::ZERO, dst_mac: MacAddr::ZERO, packet };
//! let cluster = ClusterSnapshot::new("example", 0);
//! let sent = Sent { node: &NodeName::from("node-1"), frame: &frame, next_hop: Some("10.0.0.254".parse()?), cluster: &cluster };
//! assert!(matches!(FlatNetwork.carry(&sent), Carried::Gateway { .. }));
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

mod flat;

use std::net::IpAddr;

use skoop_model::{ClusterSnapshot, Evidence, Frame, NodeName};

pub use flat::FlatNetwork;

/// The network between nodes.
pub trait CloudProvider: std::fmt::Debug + Send + Sync {
    /// Name for people: `flat network`.
    fn name(&self) -> &'static str;

    /// Whether the nodes of this cluster are this provider's.
    fn detect(&self, cluster: &ClusterSnapshot) -> bool;

    /// What becomes of a frame that left a node.
    fn carry(&self, sent: &Sent<'_>) -> Carried;
}

/// A frame that left a node by one of its NICs.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// Node that sent it.
    pub node: &'a NodeName,
    /// The frame.
    pub frame: &'a Frame,
    /// Next hop that it was sent to; none for a frame that a bridge passed on.
    pub next_hop: Option<IpAddr>,
    /// What the cluster's objects say about nodes and their addresses.
    pub cluster: &'a ClusterSnapshot,
}

/// What became of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    /// It reaches the NIC of a node that has this address.
    Node {
        /// Node.
        node: NodeName,
        /// Address that selects the NIC.
        address: IpAddr,
    },
    /// It reaches a gateway or host that is no node.
    Gateway {
        /// Its address, if the frame was sent to one.
        next_hop: Option<IpAddr>,
    },
    /// The network drops it.
    Dropped {
        /// Rule or route that decides.
        by: Evidence,
    },
}
