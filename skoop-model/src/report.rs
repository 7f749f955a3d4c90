//! The answer: a contract. Fields are only ever added.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Evidence, Fix, NodeName, Packet, ResolvedQuestion, Severity};

/// The answer to one question. Its JSON form is a contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`](crate::SCHEMA_VERSION) of the writer.
    pub schema: u32,
    /// The question, as asked and as resolved.
    pub question: ResolvedQuestion,
    /// The verdict.
    pub verdict: Verdict,
    /// Probability that a first packet, its reply included, gets through; none where that is not known.
    pub share: Option<Share>,
    /// Where sight ended, if the packet left for somewhere that is not collected.
    pub horizon: Option<Horizon>,
    /// Root causes, the first one first.
    pub causes: Vec<Finding>,
    /// What the causes lead to.
    pub symptoms: Vec<Finding>,
    /// What does not change the verdict and should be known.
    pub warnings: Vec<Finding>,
    /// Every way that the packet may take, the likeliest first; the forward walk of each.
    pub branches: Vec<Branch>,
    /// The way back.
    pub reply: ReplySummary,
    /// What the API objects promise.
    pub intent: Intent,
    /// What was not seen or not understood, and whether it mattered.
    pub unseen: Vec<Unseen>,
    /// The snapshots that the answer rests on.
    pub snapshots: Vec<SnapshotInfo>,
    /// Version of skoop.
    pub version: String,
}

/// Whether A can reach B.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every way gets through.
    Reachable,
    /// No way gets through.
    Unreachable,
    /// Some ways get through.
    Degraded,
    /// It depends on something unknown.
    Undetermined,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reachable => "reachable",
            Self::Unreachable => "unreachable",
            Self::Degraded => "degraded",
            Self::Undetermined => "undetermined",
        })
    }
}

/// A probability, rounded to two decimals in stored form.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Deserialize)]
#[serde(transparent)]
pub struct Share(pub f64);

impl Serialize for Share {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((self.0 * 100.0).round() / 100.0)
    }
}

/// Where sight ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// Last place seen.
    pub place: Place,
    /// What lies behind it, for people: `203.0.113.9 by way of gateway 192.168.0.1`.
    pub towards: String,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// Stable code: `ROUTE-NO-ROUTE`.
    pub code: String,
    /// How bad.
    pub severity: Severity,
    /// Only met if an earlier blocker were gone.
    pub conditional: bool,
    /// Met on the way back.
    pub reply: bool,
    /// Seen in only one of two readings of a live system.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changing: bool,
    /// Node; empty where it has none.
    pub node: String,
    /// Namespace on the node: `host`, or the pod as `pod/NS/NAME`, or a name under `/run/netns`.
    pub namespace: String,
    /// What it rests on.
    pub evidence: Evidence,
    /// One or two sentences for people.
    pub message: String,
    /// How to mend it.
    pub fix: Fix,
    /// Where it is explained.
    pub docs: String,
}

/// One way that the packet may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// Its probability; none where it hangs on something unknown.
    pub probability: Option<Share>,
    /// How it ends, the reply included.
    pub verdict: Verdict,
    /// What was chosen where the way forked, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The walk, in order.
    pub steps: Vec<Step>,
    /// The walk of the reply, in order; empty if the packet did not arrive or no reply was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reply_steps: Vec<Step>,
    /// Codes of the causes and symptoms met on it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
}

/// One step of a walk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Where.
    pub place: Place,
    /// The packet before.
    pub before: Packet,
    /// The packet after; none if it ended here. Equal to `before` where nothing changed.
    pub after: Option<Packet>,
    /// What was decided, for people.
    pub decision: String,
    /// What decided it.
    pub by: Deciding,
    /// Walked only as if an earlier blocker were gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conditional: bool,
    /// The packet was stopped here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
}

/// What decided a step: kinds and texts as in [`Evidence`].
pub type Deciding = Evidence;

/// Where a step happens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Node.
    pub node: NodeName,
    /// Namespace: `host`, `pod/NS/NAME`, or a name under `/run/netns`.
    pub namespace: String,
    /// Device; empty where none is concerned.
    pub device: String,
    /// Stage.
    pub stage: Stage,
}

/// Stages of the Linux network stack, in the words of its documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// The sender.
    Socket,
    /// A frame comes in by a device.
    Ingress,
    /// A bridge decides.
    Bridge,
    /// Hook PREROUTING.
    Prerouting,
    /// Routing decision.
    Routing,
    /// Hook INPUT.
    Input,
    /// Hook FORWARD.
    Forward,
    /// Hook OUTPUT.
    Output,
    /// Hook POSTROUTING.
    Postrouting,
    /// Neighbour resolution.
    Neighbour,
    /// Tunnel entry or exit.
    Tunnel,
    /// A frame goes out by a device.
    Egress,
    /// Handed to a socket.
    Delivery,
    /// Between nodes.
    Underlay,
}

impl Stage {
    /// The stage in lower case, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Ingress => "ingress",
            Self::Bridge => "bridge",
            Self::Prerouting => "prerouting",
            Self::Routing => "routing",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
            Self::Neighbour => "neighbour",
            Self::Tunnel => "tunnel",
            Self::Egress => "egress",
            Self::Delivery => "delivery",
            Self::Underlay => "underlay",
        }
    }
}

/// The way back, over all branches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplySummary {
    /// The reply was asked for; it is walked wherever the packet arrives.
    pub walked: bool,
    /// How it ends where the packet arrived; none if it arrived nowhere or no reply was asked for.
    pub verdict: Option<Verdict>,
}

/// What the API objects promise about the question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Whether they promise that it works.
    pub verdict: IntentVerdict,
    /// Whether promise and datapath agree; none where either is unknown.
    pub agrees: Option<bool>,
    /// Why, one sentence per object.
    pub reasons: Vec<String>,
}

/// What the API objects promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntentVerdict {
    /// It should work.
    Allowed,
    /// It should not.
    Denied,
    /// They say nothing, or were not seen.
    Unknown,
}

/// Something not seen or not understood.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unseen {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// Whether the verdict hangs on it.
    pub matters: bool,
}

/// One snapshot that the answer rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotInfo {
    /// `cluster`, or the node's name.
    pub of: String,
    /// Time at which collecting began, in milliseconds since the Unix epoch.
    pub taken_at_ms: u64,
    /// How long collecting took, in milliseconds.
    pub took_ms: u64,
    /// Parts that are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partial: Vec<String>,
}
