//! Connection tracking: the flows that the packets of one walk make in one namespace.

mod nat;
mod protocol;
mod tcp;
mod track;
mod tuple;

use std::sync::Arc;

use skoop_model::{MacAddr, Mark};

pub(crate) use nat::{Manip, NatRange};
pub(crate) use tcp::TcpState;
pub(crate) use tuple::Tuple;

use crate::Tri;
use crate::netfilter::{Frame, RuleDoubt, RuleId};

/// Flows that the packets of one walk created in one namespace, and what was answered there about things unknown.
#[derive(Debug, Clone, Default)]
pub struct Conntrack {
    place: Option<Arc<str>>,
    connections: Vec<Connection>,
    answers: Vec<(Doubt, bool)>,
}

impl Conntrack {
    /// An empty table of the namespace that people call `place`; questions about unknown rules then name it.
    pub fn of(place: &str) -> Self {
        Self { place: Some(place.into()), ..Self::default() }
    }

    /// ` on PLACE`, or nothing.
    pub(crate) fn on_place(&self) -> String {
        self.place.as_ref().map(|place| format!(" on {place}")).unwrap_or_default()
    }

    pub(crate) fn connection(&self, id: usize) -> Option<&Connection> {
        self.connections.get(id)
    }

    pub(crate) fn connection_mut(&mut self, id: usize) -> Option<&mut Connection> {
        self.connections.get_mut(id)
    }

    /// The connection of a packet, with the packet's part in it.
    pub(crate) fn of_packet(&self, state: &PacketState) -> Option<(&Connection, Info, Direction)> {
        match state.tracking {
            Tracking::Tracked { id, info, direction } => Some((self.connection(id)?, info, direction)),
            Tracking::Unseen | Tracking::Untracked | Tracking::Invalid => None,
        }
    }

    /// What was answered before in this walk about something that is unknown for the whole namespace.
    pub(crate) fn answered(&self, doubt: Doubt) -> Option<bool> {
        self.answers.iter().find(|(known, _)| *known == doubt).map(|(_, answer)| *answer)
    }

    pub(crate) fn remember(&mut self, doubt: Doubt, answer: bool) {
        self.answers.push((doubt, answer));
    }
}

/// Something unknown about a whole namespace, asked once in a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The rules of a family were not seen; its place in `Family::ALL`.
    Rules(usize),
    /// A native base chain, by its place.
    Native(usize),
    /// Which of several base chains at one hook and priority runs first, by the place of the question.
    Order(u32),
}

/// What the kernel keeps with a packet from hook to hook of one namespace: above all, which flow it belongs to
/// (`skb->_nfct`). It lives as long as the `sk_buff` stays in the namespace, also over the loopback device.
#[derive(Debug, Clone, Default)]
pub struct PacketState {
    pub(crate) tracking: Tracking,
    /// Zone of the conntrack template (target CT).
    pub(crate) zone: u16,
    pub(crate) source_mac: Option<MacAddr>,
    pub(crate) sender: Sender,
    pub(crate) origin: Option<Origin>,
    /// What was answered about unknown rules that this packet met.
    pub(crate) answers: Vec<(RuleId, RuleDoubt, bool)>,
    /// Scratch memory of traversal, kept to spare allocations.
    pub(crate) frames: Vec<Frame>,
    pub(crate) untraced: bool,
}

impl PacketState {
    /// The state of a packet whose changes nobody wants to read: [`HookResult::events`](crate::HookResult) stays empty.
    pub fn untraced() -> Self {
        Self { untraced: true, ..Self::default() }
    }

    /// Says which source MAC address the frame came in with, which the match `mac` reads.
    pub fn set_source_mac(&mut self, mac: MacAddr) {
        self.source_mac = Some(mac);
    }

    /// Says who sends the packet.
    pub fn set_sender(&mut self, sender: Sender) {
        self.sender = sender;
    }
}

/// The process that sends a packet, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sender {
    /// User that owns the socket.
    pub uid: Option<u32>,
    /// Group that owns the socket.
    pub gid: Option<u32>,
}

/// Whether a packet came in by a device or was made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Received,
    Local,
}

/// What connection tracking said of a packet (`enum ip_conntrack_info`, `include/uapi/linux/netfilter/nf_conntrack_common.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tracking {
    /// Nothing yet: rules see INVALID.
    #[default]
    Unseen,
    /// `IP_CT_UNTRACKED`.
    Untracked,
    /// It fits no flow and may not begin one.
    Invalid,
    /// It belongs to a flow.
    Tracked { id: usize, info: Info, direction: Direction },
}

/// Part of a packet in its flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Info {
    New,
    Established,
    Related,
}

/// Direction of a packet in its flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Original,
    Reply,
}

/// One flow (`struct nf_conn`).
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub zone: u16,
    pub original: Tuple,
    pub reply: Tuple,
    pub mark: Mark,
    /// `IPS_CONFIRMED`: only now other packets find it.
    pub confirmed: bool,
    /// Removed from the table: later packets do not find it (`nf_ct_kill_acct`).
    pub dead: bool,
    /// `IPS_SEEN_REPLY`.
    pub seen_reply: bool,
    /// `IPS_ASSURED`.
    pub assured: Tri,
    pub tcp: TcpState,
    pub source: NatSide,
    pub destination: NatSide,
}

/// One side of the NAT of a flow.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NatSide {
    /// `IPS_SRC_NAT_DONE`, `IPS_DST_NAT_DONE`: decided, if only on "no change".
    pub done: bool,
    /// `IPS_SRC_NAT`, `IPS_DST_NAT`: there is something to translate.
    pub active: bool,
    /// The source port was drawn at random.
    pub random_port: bool,
    /// The rule that decided.
    pub rule: Option<RuleId>,
}

#[cfg(test)]
mod tests;
