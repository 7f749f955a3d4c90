//! What one comparison is about: a node, and flows of packets. Self-contained, so that it can be kept as a file.

use serde::{Deserialize, Serialize};

use super::headers::Headers;
use super::shape::Shape;

/// A node: what is on top of its devices, as the tools read it, line by line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Node {
    /// `PATH=VALUE` below `/proc/sys`, in the order of writing.
    pub sysctls: Vec<String>,
    /// `ip -batch`: addresses, routes, rules.
    pub ip: Vec<String>,
    /// `ip -6 -batch`.
    pub ip6: Vec<String>,
    /// `ipset restore`.
    pub ipset: Vec<String>,
    /// `iptables-legacy-restore`.
    pub legacy: Vec<String>,
    /// `ip6tables-legacy-restore`.
    pub legacy6: Vec<String>,
    /// `iptables-nft-restore`.
    pub xnft: Vec<String>,
    /// `ip6tables-nft-restore`.
    pub xnft6: Vec<String>,
    /// `nft -f`.
    pub native: Vec<String>,
    /// What the kernel refused, and why.
    #[serde(skip)]
    pub refused: Vec<String>,
}

/// Who sends a packet of the node itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pub uid: u32,
    pub gid: u32,
    pub mark: u32,
}

/// One packet of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// A frame on a wire. Its link-layer destination: the node's device, or a neighbour's.
    Frame { wire: usize, src_mac: [u8; 6], dst_mac: [u8; 6], headers: Headers },
    /// A process of the node sends.
    Local { process: Process, headers: Headers },
    /// Where step `to` left the node, the receiver answers.
    Answer { to: usize },
    /// Where step `about` left the node, somebody reports an error about it.
    Error { about: usize, from_receiver: bool, kind: u8, code: u8 },
}

/// Packets that belong together; conntrack forgets everything before the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flow {
    pub steps: Vec<Step>,
}

/// A node and what is sent to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Case {
    pub shape: Shape,
    #[serde(default)]
    pub seed: u64,
    pub node: Node,
    pub flows: Vec<Flow>,
}
