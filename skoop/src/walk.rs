//! One packet through one namespace, judged: what `skoop walk` says.
//!
//! [`Ground`] is a namespace to walk in; [`Ground::walk`] takes a [`WalkPacket`] through it and gives a [`WalkResult`]. Both have
//! a JSON form that is a contract. Every way that chance or something unknown leaves open is walked, and ways that end alike are one:
//! the verdict is `mixed` where chance decides between different ends, and `undetermined` only where an unknown does.
//!
//! Nothing here does IO. Each packet is walked by itself: it leaves no connection behind for the next one, only for its own answer.
//!
//! ```
//! use skoop::model::{HostRole, Item, NamespaceSnapshot, NetnsId};
//! use skoop::sim::Namespace;
//! use skoop::walk::{Ground, WalkPacket, WalkVerdict};
//!
//! // Nothing was collected, so nothing is known.
//! let ground = Ground::new(Namespace::new(NamespaceSnapshot::new(NetnsId(1), HostRole::Host)));
//! let packet: WalkPacket = "tcp 10.0.0.1:4000 > 10.96.0.1:443".parse()?;
//! let result = ground.walk(&packet);
//! assert_eq!(result.verdict, WalkVerdict::Undetermined);
//! assert!(result.unknown[0].contains("not collected"));
//! # Ok::<(), skoop::walk::PacketError>(())
//! ```

mod entry;
mod fate;
mod merge;
mod packet;
mod result;
mod way;

use skoop_model::{Family, Item, NodeName, Step};
use skoop_sim::{Choice, Conntrack, ForkKind, Namespace, explore};

pub use packet::{PacketError, WalkEncap, WalkPacket, WalkState, WalkTunnel};
pub use result::{WalkAnswer, WalkAnswerKind, WalkBranch, WalkDecision, WalkResult, WalkVerdict};

use way::Walked;

/// Ways of one packet that are walked. A service with more backends than that is not judged in full, and the result says so.
const MOST_WAYS: usize = 4096;

/// A namespace to walk in.
#[derive(Debug)]
pub struct Ground {
    namespace: Namespace,
    node: NodeName,
    label: String,
    conntrack: Conntrack,
    blind: Vec<(Family, String)>,
}

impl Ground {
    /// A namespace of its own, of which nothing is around.
    pub fn new(namespace: Namespace) -> Self {
        Self::named(namespace, NodeName::from("this"), "namespace")
    }

    /// A namespace of a node; `label` is what reports call it.
    pub fn named(namespace: Namespace, node: NodeName, label: impl Into<String>) -> Self {
        let label = label.into();
        // Without a table connections are taken to begin with the packet.
        let conntrack = namespace.snapshot().conntrack.value().map(Conntrack::seeded).unwrap_or_default();
        Self { namespace, node, label, conntrack, blind: Vec::new() }
    }

    /// The same namespace, of which routes or rules of one family were not seen: what is routed there is undetermined. The snapshot
    /// itself cannot say so of one family.
    #[must_use]
    pub fn blind_to(mut self, family: Family, what: impl Into<String>) -> Self {
        self.blind.push((family, what.into()));
        self
    }

    /// The namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// What becomes of a packet.
    pub fn walk(&self, packet: &WalkPacket) -> WalkResult {
        self.walk_told(packet).result
    }

    /// What becomes of a packet, with the steps of every way.
    pub fn walk_told(&self, packet: &WalkPacket) -> Told {
        let start = match entry::start(self, packet) {
            Ok(start) => start,
            Err(why) => return Told { result: WalkResult::undetermined(why), ways: Vec::new() },
        };
        let (ways, more) = explore(MOST_WAYS, |forks| way::walk(self, packet, &start, forks));
        let result = merge::merged(&ways, more.then_some(MOST_WAYS));
        let ways = ways.into_iter().map(|way| {
            let probability = way.choices.iter().map(share).product();
            let choices = way.choices.iter().map(|choice| choice.label.clone()).collect();
            let Walked { fate, steps, reply, reply_steps, .. } = way.value;
            ToldWay {
                probability,
                choices,
                verdict: fate.verdict,
                steps,
                reply: reply.map(|fate| fate.verdict),
                reply_steps,
            }
        });
        let mut ways: Vec<ToldWay> = ways.collect();
        ways.sort_by(|one, other| other.probability.unwrap_or(0.0).total_cmp(&one.probability.unwrap_or(0.0)));
        Told { result, ways }
    }

    fn blindness(&self, family: Family) -> Option<&str> {
        self.blind.iter().find(|(blind, _)| *blind == family).map(|(_, what)| what.as_str())
    }
}

/// A result with its trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The result.
    pub result: WalkResult,
    /// Every way, the likeliest first.
    pub ways: Vec<ToldWay>,
}

/// One way of a packet, step by step.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldWay {
    /// Its probability; none where it hangs on something unknown.
    pub probability: Option<f64>,
    /// What was chosen where the way forked, for people.
    pub choices: Vec<String>,
    /// How it ended.
    pub verdict: WalkVerdict,
    /// The steps, in order. Those after the one that stopped the packet are conditional: they say what else would.
    pub steps: Vec<Step>,
    /// How its answer ended, if that was walked.
    pub reply: Option<WalkVerdict>,
    /// The steps of its answer.
    pub reply_steps: Vec<Step>,
}

/// The probability of the option taken. None: it hangs on something unknown.
fn share(choice: &Choice) -> Option<f64> {
    let total: f64 = choice.options.iter().sum();
    let by_chance = matches!(choice.kind, ForkKind::Random | ForkKind::Hash) && total > 0.0;
    choice.options.get(choice.taken).filter(|_| by_chance).map(|weight| weight / total)
}

/// What becomes of a packet in a namespace. Who walks many packets makes a [`Ground`] once.
pub fn walk_packet(namespace: Namespace, packet: &WalkPacket) -> WalkResult {
    Ground::new(namespace).walk(packet)
}

/// The part of an item that is there, else nothing.
fn known<T>(item: &Item<T>) -> Option<&T> {
    item.value()
}

#[cfg(all(test, feature = "dump"))]
mod tests;
