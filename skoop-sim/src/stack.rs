//! One packet through one namespace, as Linux would take it.
//!
//! [`walk`] starts where a frame comes in by a device, or where a process sends, and ends where the packet leaves by a device, is
//! delivered, or is stopped. Bridges, VXLAN devices and the loopback device are walked through; what lies behind a veth or a
//! NIC is the caller's to join.

mod answer;
mod blocker;
mod bridge;
mod forward;
mod input;
mod neighbour;
mod output;
mod reply;
#[cfg(test)]
mod tests;
mod vxlan;
mod walker;

use std::net::IpAddr;

use skoop_model::{Frame, IfIndex, MacAddr, NodeName, Packet, Step, Unseen};

pub use answer::{Answer, AnswerKind, Errno};
pub use blocker::{Blocker, Stop, dotted};

use crate::{Assumed, Conntrack, Forks, Namespace, Sender};
use walker::Walker;

/// The namespace walked, and what it is called in the trace.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// Node.
    pub node: &'a NodeName,
    /// Namespace as reports name it: `host`, `pod/NS/NAME`.
    pub label: &'a str,
    /// The namespace.
    pub namespace: &'a Namespace,
}

/// Where a walk starts.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A frame comes in by a device.
    Frame {
        /// Device.
        device: IfIndex,
        /// Frame.
        frame: Frame,
    },
    /// A process of the namespace sends.
    Local {
        /// The packet.
        packet: Packet,
        /// The source address is not bound yet: routing chooses it, and `packet.src` only gives the family.
        choose_source: bool,
        /// Who sends it.
        sender: Sender,
    },
}

/// What a caller says of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Said {
    /// What connection tracking takes it for, if it is in the middle of a flow whose beginning is not walked; of a packet in a tunnel
    /// the one inside.
    pub assumed: Option<Assumed>,
    /// TTL that the sending process set on its socket (`IP_TTL`). None: the namespace's default.
    pub ttl: Option<u8>,
}

/// What is outside the namespace, as far as a walk inside must know it.
pub trait Surroundings {
    /// Who answers an ARP request or neighbour solicitation for `address` that is sent by `device`.
    fn resolve(&self, device: IfIndex, address: IpAddr) -> Resolution;

    /// Whether a frame for `mac` that leaves by bridge port `port` is taken by somebody there.
    fn takes(&self, port: IfIndex, mac: MacAddr) -> bool;
}

/// Result of neighbour resolution.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    /// Somebody answers with this address.
    Answer(MacAddr),
    /// Several answer with different addresses.
    Several(Vec<MacAddr>),
    /// Nobody answers.
    Nobody,
    /// The answerer lies outside of what was collected.
    Unseen,
}

/// How a walk ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// The frame left by a device that has another end: a veth, a NIC.
    Sent {
        /// Device.
        device: IfIndex,
        /// Frame.
        frame: Frame,
        /// Next hop that it was sent to; none for a bridged frame.
        next_hop: Option<IpAddr>,
    },
    /// The packet reached the local stack above IP.
    Delivered {
        /// The packet as the receiver sees it.
        packet: Packet,
        /// Device that it came in by.
        device: IfIndex,
    },
    /// It was stopped; the last blocker says by what.
    Stopped,
    /// It depends on something that was not seen or is not modelled.
    Unknown(Unseen),
}

/// The result of a walk.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The packet as its sender made it, once the source address was chosen; none for a frame that came in.
    pub origin: Option<Packet>,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// What stopped it, in order. More than one where the walk went on as if allowed.
    pub blockers: Vec<Blocker>,
    /// How it ended.
    pub ending: Ending,
    /// What went back to the sender because of the first blocker; none where the packet was stopped silently.
    pub answer: Option<Answer>,
    /// What the sending process is told at once; none if it learns nothing, and for what came in by a device.
    pub errno: Option<Errno>,
    /// The bridge that the frame left through, where the device of [`Ending::Sent`] is one of its ports.
    pub via_bridge: Option<IfIndex>,
}

/// Walks one packet through one namespace.
///
/// `conntrack` holds the flows that earlier packets of the same question made here; `conditional` says that the packet is walked only
/// as if an earlier blocker were gone. The walk goes on after a drop that a rule or a sysctl decided, so that every blocker is found.
pub fn walk(
    site: Site<'_>,
    entry: Entry,
    conntrack: &mut Conntrack,
    around: &dyn Surroundings,
    forks: &mut Forks,
    conditional: bool,
) -> Outcome {
    run(Walker::new(site, conntrack, around, forks, conditional, true), entry)
}

/// [`walk`] for a packet of which the caller says more than it bears itself.
pub fn walk_said(
    site: Site<'_>,
    entry: Entry,
    said: Said,
    conntrack: &mut Conntrack,
    around: &dyn Surroundings,
    forks: &mut Forks,
) -> Outcome {
    let mut walker = Walker::new(site, conntrack, around, forks, false, true);
    walker.said = said;
    run(walker, entry)
}

/// [`walk`] for callers who read no trace: the same way and the same end, [`Outcome::steps`] stays empty, at a fraction of the cost.
pub fn judge(
    site: Site<'_>,
    entry: Entry,
    conntrack: &mut Conntrack,
    around: &dyn Surroundings,
    forks: &mut Forks,
) -> Outcome {
    run(Walker::new(site, conntrack, around, forks, false, false), entry)
}

fn run(mut walker: Walker<'_, '_>, entry: Entry) -> Outcome {
    let ending = match entry {
        Entry::Frame { device, frame } => walker.ingress(device, frame),
        Entry::Local { packet, choose_source, sender } => walker.output(packet, choose_source, sender),
    };
    walker.finish(ending)
}
