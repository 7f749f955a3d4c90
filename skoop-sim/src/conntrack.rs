//! Connection tracking: the flows that the packets of one walk make in one namespace, over those of its snapshot.
//!
//! Follows `net/netfilter/nf_conntrack_core.c`, the trackers nf_conntrack_proto_*.c and nf_nat_core.c. Sequence numbers are not
//! modelled: every TCP segment counts as in its window, as with `nf_conntrack_tcp_be_liberal`.

mod flows;
pub(crate) mod jhash;
mod known;
mod nat;
mod protocol;
mod sctp;
mod tcp;
mod track;
mod tuple;
mod unique;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};

use skoop_model::{ConntrackTable, IfIndex, MacAddr, Mark, Protocol};

pub(crate) use nat::{Manip, of_direction};
pub(crate) use tcp::Tcp;
pub(crate) use track::Tracked;
pub(crate) use tuple::{Tuple, TupleKey, Zone};
pub(crate) use unique::NatRange;

use crate::Tri;
use crate::netfilter::{RecentMemory, RuleDoubt, RuleId, SetChange};
use flows::Flows;
use known::Known;
use sctp::SctpState;

/// Flows that the packets of one walk created in one namespace, over those that its snapshot knew, and what was answered there
/// about things unknown.
#[derive(Debug, Clone, Default)]
pub struct Conntrack {
    place: Option<Arc<str>>,
    known: Option<KnownFlows>,
    flows: Flows,
    answers: Vec<(Doubt, usize)>,
    /// What rules of nftables did to sets.
    set_changes: Vec<SetChange>,
    /// What rules with the match `recent` did.
    recent: RecentMemory,
}

/// The connection table of a snapshot, found by hash. Cheap to clone and to share between walks.
#[derive(Debug, Clone, Default)]
pub struct KnownFlows(Arc<Known>);

impl KnownFlows {
    /// Takes time in proportion to the number of entries.
    pub fn new(table: &ConntrackTable) -> Self {
        Self(Arc::new(Known::new(table)))
    }
}

impl Conntrack {
    /// An empty table of the namespace that people call `place`; questions about unknown rules then name it.
    pub fn of(place: &str) -> Self {
        Self { place: Some(place.into()), ..Self::default() }
    }

    /// A table that holds the flows of a snapshot already; packets that belong to one of them are treated as the kernel would
    /// at that time. For many walks make the [`KnownFlows`] once, and use [`Conntrack::over`].
    pub fn seeded(table: &ConntrackTable) -> Self {
        Self::default().over(&KnownFlows::new(table))
    }

    /// The same table over the flows of a snapshot.
    #[must_use]
    pub fn over(self, known: &KnownFlows) -> Self {
        Self { known: Some(known.clone()), ..self }
    }

    /// ` on PLACE`, or nothing.
    pub(crate) fn on_place(&self) -> String {
        self.place.as_ref().map(|place| format!(" on {place}")).unwrap_or_default()
    }

    /// What rules with the match `recent` did in this walk.
    pub(crate) fn recent(&self) -> &RecentMemory {
        &self.recent
    }

    pub(crate) fn connection(&self, id: usize) -> Option<&Connection> {
        self.flows.get(id)
    }

    pub(crate) fn connection_mut(&mut self, id: usize) -> Option<&mut Connection> {
        self.flows.get_mut(id)
    }

    /// Says whether a flow is in the table (`IPS_CONFIRMED`). Returns whether it was.
    pub(crate) fn set_confirmed(&mut self, id: usize, confirmed: bool) -> bool {
        self.connection_mut(id).is_some_and(|flow| std::mem::replace(&mut flow.confirmed, confirmed))
    }

    /// The connection of a packet, with the packet's part in it. Once a rule said how to track it, and until it is tracked, that is an
    /// empty one (`nf_ct_tmpl_alloc`), of which it seems to be the first packet.
    pub(crate) fn of_packet(&self, state: &PacketState) -> Option<(&Connection, Info, Direction)> {
        match state.tracking {
            Tracking::Unseen | Tracking::Invalid if state.template.is_some() => {
                Some((&EMPTY, Info::New, Direction::Original))
            }
            Tracking::Tracked { id, info, direction } => Some((self.connection(id)?, info, direction)),
            Tracking::Unseen | Tracking::Untracked | Tracking::Invalid => None,
        }
    }

    /// The entry of the snapshot that a packet's flow was known by, as `conntrack -L` prints it. None for a flow that began in this
    /// walk, and for a packet without a flow.
    pub fn entry_text(&self, state: &PacketState) -> Option<String> {
        let (connection, ..) = self.of_packet(state)?;
        self.text_of(connection)
    }

    fn text_of(&self, connection: &Connection) -> Option<String> {
        Some(known::text(self.known()?.entry(connection.entry?)?))
    }

    fn known(&self) -> Option<&Known> {
        self.known.as_ref().map(|known| &*known.0)
    }

    /// What was answered before in this walk about something that is unknown for the whole namespace.
    pub(crate) fn answered(&self, doubt: Doubt) -> Option<usize> {
        self.answers.iter().find(|(known, _)| *known == doubt).map(|(_, answer)| *answer)
    }

    /// What rules of nftables did to sets in this walk, the last at the end.
    pub(crate) fn set_changes(&self) -> &[SetChange] {
        &self.set_changes
    }

    pub(crate) fn change_set(&mut self, change: SetChange) {
        self.set_changes.push(change);
    }

    /// Whether later packets fare alike with both, that came of the same table.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.flows.newest().eq(other.flows.newest()) && self.memory_is_like(other)
    }

    /// The same after a packet was stopped: a flow that it began is forgotten.
    pub(crate) fn leaves_like(&self, other: &Self) -> bool {
        fn kept(table: &Conntrack) -> impl Iterator<Item = (usize, &Connection)> {
            table.flows.newest().filter(|(_, flow)| flow.confirmed)
        }
        kept(self).eq(kept(other)) && self.memory_is_like(other)
    }

    fn memory_is_like(&self, other: &Self) -> bool {
        self.set_changes == other.set_changes && self.recent.is_like(&other.recent)
    }

    pub(crate) fn remember(&mut self, doubt: Doubt, answer: usize) {
        self.answers.push((doubt, answer));
    }
}

/// Something unknown about a whole namespace, asked once in a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The rules of a family were not seen; its place in `Family::ALL`.
    Rules(usize),
    /// In which order base chains at one hook and priority run, by the place of the question. The answer is the number of an order.
    Order(u32),
}

/// What the kernel keeps with a packet from hook to hook of one namespace: above all, which flow it belongs to
/// (`skb->_nfct`). It lives as long as the `sk_buff` stays in the namespace, also over the loopback device.
#[derive(Debug, Clone, Default)]
pub struct PacketState {
    pub(crate) tracking: Tracking,
    /// How it is to be tracked (target CT); none if no rule said so.
    pub(crate) template: Option<Template>,
    /// What the caller said of its flow.
    pub(crate) assumed: Option<Assumed>,
    /// The local address that TPROXY handed the packet to.
    pub(crate) tproxy: Option<SocketAddr>,
    pub(crate) source_mac: Option<MacAddr>,
    /// To whom the frame goes that the packet came in with (`skb->pkt_type`).
    pub(crate) destination_mac: Option<MacAddr>,
    /// That is neither the port's nor the bridge's that it came in by (`PACKET_OTHERHOST`).
    pub(crate) other_host: bool,
    pub(crate) sender: Sender,
    pub(crate) origin: Option<Origin>,
    pub(crate) maker: Maker,
    /// A copy that nobody follows: what stops it ends it.
    pub(crate) copy: bool,
    /// No rule may say how it is to be tracked.
    pub(crate) claimed: bool,
    /// What was answered about unknown rules that this packet met.
    pub(crate) answers: Vec<(RuleId, RuleDoubt, bool)>,
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

    /// Says what connection tracking will think of the packet, for a packet in the middle of a flow whose beginning is not walked:
    /// the flow is taken to be without NAT. A flow that the table knows is not overruled.
    pub fn assume(&mut self, assumed: Assumed) {
        if assumed == Assumed::Untracked {
            self.tracking = Tracking::Untracked;
        }
        self.assumed = Some(assumed);
    }

    /// The local address and port whose socket takes the packet, if TPROXY gave it one (`nf_tproxy_assign_sock`). The packet still
    /// has to be routed to this host.
    pub fn tproxy(&self) -> Option<SocketAddr> {
        self.tproxy
    }

    /// The state of a packet that the kernel makes as an answer to this one: of the same flow, the other way
    /// (`nf_conntrack_attach`, `net/netfilter/nf_conntrack_core.c`).
    pub(crate) fn of_answer(tracking: Tracking, maker: Maker) -> Self {
        // Of an untracked one `skb->_nfct` is not zero, so that no rule says how to track the answer ("Previously seen").
        let claimed = tracking == Tracking::Untracked;
        let tracking = match tracking {
            Tracking::Tracked { id, direction, .. } => {
                Tracking::Tracked { id, info: Info::Related, direction: direction.opposite() }
            }
            Tracking::Unseen | Tracking::Untracked | Tracking::Invalid => Tracking::Unseen,
        };
        Self { tracking, maker, claimed, ..Self::default() }
    }

    /// Whether what the kernel keeps with the packet is the same.
    pub(crate) fn fares_like(&self, other: &Self) -> bool {
        (self.tracking, &self.template, self.tproxy) == (other.tracking, &other.template, other.tproxy)
    }

    /// Says who sends the packet.
    pub fn set_sender(&mut self, sender: Sender) {
        self.sender = sender;
    }
}

/// What is said of the flow of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assumed {
    /// The packet begins a flow.
    New,
    /// Packets went both ways before.
    Established,
    /// It begins a flow that another one foretold, or is an error about one.
    Related,
    /// It fits no flow and may not begin one.
    Invalid,
    /// It is exempt from tracking.
    Untracked,
}

static EMPTY: LazyLock<Connection> = LazyLock::new(|| {
    let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let tuple = Tuple { src: nowhere, dst: nowhere, protocol: Protocol(0), key: TupleKey::Nothing };
    Connection { confirmed: true, ..Connection::new(tuple, Zone::default()) }
});

/// How a packet is to be tracked (`nf_ct_tmpl`, target CT).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Template {
    pub zone: Zone,
    /// The zone's number is the packet's mark when it is looked up (`NF_CT_FLAG_MARK`).
    pub zone_of_mark: bool,
    /// Helper of a flow that the packet begins.
    pub helper: Option<Arc<str>>,
}

/// The process that sends a packet, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sender {
    /// User that owns the socket.
    pub uid: Option<u32>,
    /// Group that owns the socket.
    pub gid: Option<u32>,
}

/// Who made a packet that did not come in by a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Maker {
    /// A process, by a socket of its own.
    #[default]
    Process,
    /// The kernel, by a socket that no process has: `icmp_sk`, `ipv4_tcp_sk` (`sk->sk_socket->file` is none).
    KernelSocket,
    /// The kernel, without any socket.
    NoSocket,
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
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the kernel's status bits, set one by one")]
pub(crate) struct Connection {
    pub zone: Zone,
    pub original: Tuple,
    pub reply: Tuple,
    pub mark: Mark,
    /// `ct label`, bit 0 first.
    pub labels: u128,
    /// `IPS_CONFIRMED`: only now other packets find it.
    pub confirmed: bool,
    /// Removed from the table: later packets do not find it (`nf_ct_kill_acct`).
    pub dead: bool,
    /// `IPS_SEEN_REPLY`.
    pub seen_reply: bool,
    /// `IPS_ASSURED`.
    pub assured: Tri,
    /// `IPS_EXPECTED`: a helper foretold it.
    pub expected: bool,
    /// Nothing is known of it but what the caller said: neither direction, marks nor NAT.
    pub assumed: bool,
    pub tcp: Tcp,
    pub sctp: SctpState,
    pub source: NatSide,
    pub destination: NatSide,
    /// Device that the source was masqueraded for (`masq_index`).
    pub masqueraded_for: Option<IfIndex>,
    /// Helper that reads the flow.
    pub helper: Option<Arc<str>>,
    /// Helper of the flow that foretold this one (`ct->master`).
    pub master_helper: Option<Arc<str>>,
    /// The entry of the snapshot that it was known by.
    pub entry: Option<u32>,
}

impl Connection {
    /// A flow that nothing is known of yet.
    fn new(original: Tuple, zone: Zone) -> Self {
        Self {
            zone,
            original,
            reply: original.inverted(),
            mark: Mark(0),
            labels: 0,
            confirmed: false,
            dead: false,
            seen_reply: false,
            assured: Tri::No,
            expected: false,
            assumed: false,
            tcp: Tcp::default(),
            sctp: SctpState::default(),
            source: NatSide::default(),
            destination: NatSide::default(),
            masqueraded_for: None,
            helper: None,
            master_helper: None,
            entry: None,
        }
    }

    /// The tuple of one direction.
    pub(crate) fn tuple(&self, direction: Direction) -> Tuple {
        match direction {
            Direction::Original => self.original,
            Direction::Reply => self.reply,
        }
    }
}

/// One side of the NAT of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NatSide {
    /// `IPS_SRC_NAT_DONE`, `IPS_DST_NAT_DONE`: decided, if only on "no change".
    pub done: bool,
    /// `IPS_SRC_NAT`, `IPS_DST_NAT`: there is something to translate.
    pub active: bool,
    /// The port was drawn at random.
    pub random_port: bool,
    /// The rule that decided.
    pub rule: Option<RuleId>,
}

impl Direction {
    /// The other one.
    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Original => Self::Reply,
            Self::Reply => Self::Original,
        }
    }
}

#[cfg(test)]
mod tests;
