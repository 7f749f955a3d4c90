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

impl Node {
    /// Number of parts.
    pub const PARTS: usize = 9;
    pub const SYSCTLS: usize = 8;
    pub const SETS: usize = 5;
    pub const NATIVE: usize = 4;
    /// The parts that are rules of iptables.
    pub const RULES: std::ops::Range<usize> = 0..4;

    /// A part by its number, those with most in them first.
    pub fn part(&self, number: usize) -> &Vec<String> {
        match number {
            0 => &self.legacy,
            1 => &self.legacy6,
            2 => &self.xnft,
            3 => &self.xnft6,
            Self::NATIVE => &self.native,
            Self::SETS => &self.ipset,
            6 => &self.ip,
            7 => &self.ip6,
            _ => &self.sysctls,
        }
    }

    /// As [`Self::part`].
    pub fn part_mut(&mut self, number: usize) -> &mut Vec<String> {
        match number {
            0 => &mut self.legacy,
            1 => &mut self.legacy6,
            2 => &mut self.xnft,
            3 => &mut self.xnft6,
            Self::NATIVE => &mut self.native,
            Self::SETS => &mut self.ipset,
            6 => &mut self.ip,
            7 => &mut self.ip6,
            _ => &mut self.sysctls,
        }
    }
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
