//! The TCP state machine of connection tracking (`net/netfilter/nf_conntrack_proto_tcp.c`). Sequence numbers are not modelled: every
//! segment counts as in its window.

use crate::mutation::{Mutation, is};
use skoop_model::TcpFlags;

use super::Direction;

/// State of a TCP flow (`enum tcp_conntrack`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TcpState {
    #[default]
    None,
    SynSent,
    SynReceived,
    Established,
    FinWait,
    CloseWait,
    LastAck,
    TimeWait,
    Close,
    SynSent2,
}

/// What a segment does to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transition {
    To(TcpState),
    /// The packet belongs to the flow, whose state stays.
    Ignore,
    /// The packet belongs to no flow.
    Invalid,
}

use TcpState::{Close, CloseWait, Established, FinWait, LastAck, SynReceived, SynSent, SynSent2, TimeWait};

/// A cell of the kernel's table.
const fn to(state: TcpState) -> Transition {
    Transition::To(state)
}

const IG: Transition = Transition::Ignore;
const IV: Transition = Transition::Invalid;
const SS: Transition = to(SynSent);
const SR: Transition = to(SynReceived);
const ES: Transition = to(Established);
const FW: Transition = to(FinWait);
const CW: Transition = to(CloseWait);
const LA: Transition = to(LastAck);
const TW: Transition = to(TimeWait);
const CL: Transition = to(Close);
const S2: Transition = to(SynSent2);

/// `tcp_conntracks`: by direction, then by flags (SYN, SYN+ACK, FIN, ACK, RST, none), then by state.
#[rustfmt::skip]
const TABLE: [[[Transition; 10]; 6]; 2] = [
    [
        [SS, SS, IG, IG, IG, IG, IG, SS, SS, S2],
        [IV, IV, SR, IV, IV, IV, IV, IV, IV, SR],
        [IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
        [ES, IV, ES, ES, CW, CW, TW, TW, CL, IV],
        [IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
        [IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
    ],
    [
        [IV, S2, IV, IV, IV, IV, IV, SS, IV, S2],
        [IV, SR, IG, IG, IG, IG, IG, IG, IG, SR],
        [IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
        [IV, IG, SR, ES, CW, CW, TW, TW, CL, IG],
        [IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
        [IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
    ],
];

const SYN: usize = 0;
const SYN_ACK: usize = 1;
const ACK: usize = 3;
const RST: usize = 4;

/// `get_conntrack_index`: the row of the table.
fn row(flags: TcpFlags) -> usize {
    let has = |flag| flags.contains(flag);
    match (has(TcpFlags::RST), has(TcpFlags::SYN), has(TcpFlags::ACK), has(TcpFlags::FIN)) {
        (true, ..) => RST,
        (_, true, false, _) => SYN,
        (_, true, true, _) => SYN_ACK,
        (_, _, _, true) => 2,
        (_, _, true, _) if !is(Mutation::AckInvalid) => ACK,
        _ => 5,
    }
}

/// Names of the states as dumps print them (`tcp_conntrack_names`).
const NAMES: [(&str, TcpState); 10] = [
    ("NONE", TcpState::None),
    ("SYN_SENT", SynSent),
    ("SYN_RECV", SynReceived),
    ("ESTABLISHED", Established),
    ("FIN_WAIT", FinWait),
    ("CLOSE_WAIT", CloseWait),
    ("LAST_ACK", LastAck),
    ("TIME_WAIT", TimeWait),
    ("CLOSE", Close),
    ("SYN_SENT2", SynSent2),
];

impl TcpState {
    /// The state that a dump names.
    pub(super) fn from_name(name: &str) -> Self {
        NAMES.iter().find(|(known, _)| *known == name).map_or(Self::None, |(_, state)| *state)
    }

    fn step(self, direction: Direction, row: usize) -> Transition {
        let rows = TABLE.get(direction as usize).and_then(|rows| rows.get(row));
        rows.and_then(|row| row.get(self as usize)).copied().unwrap_or(Transition::Invalid)
    }
}

/// What is kept of a TCP flow (`struct ip_ct_tcp`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tcp {
    pub state: TcpState,
    /// `last_dir` and `last_index`.
    last: Option<(Direction, usize)>,
    /// A FIN was seen (`IP_CT_TCP_FLAG_CLOSE_INIT`).
    closing: bool,
    /// `IP_CT_TCP_SIMULTANEOUS_OPEN`.
    simultaneous: bool,
    /// `IP_CT_EXP_CHALLENGE_ACK`.
    challenge: bool,
    /// It was read from a dump, which does not tell `last`.
    read: bool,
}

/// What a segment is to its flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment {
    /// Part of it; the state before and after.
    Taken { old: TcpState, new: TcpState },
    /// Part of it, though the state does not heed it.
    Ignored,
    /// No part of it.
    Invalid,
    /// It begins the flow anew, whose entry is removed first.
    Reopens,
    /// It begins the flow anew, or is ignored: that depends on which side reset the flow.
    MayReopen,
}

impl Tcp {
    /// A flow in this state.
    pub(super) fn known(state: TcpState) -> Self {
        let closing = matches!(state, FinWait | CloseWait | LastAck | TimeWait);
        Self { state, closing, read: true, ..Self::default() }
    }

    /// Takes a segment in (`nf_conntrack_tcp_packet`).
    pub(super) fn take(&mut self, direction: Direction, flags: TcpFlags) -> Segment {
        let row = row(flags);
        let (mut old, last) = (self.state, self.last);
        let mut new = match old.step(direction, row) {
            Transition::Invalid => return Segment::Invalid,
            Transition::To(SynSent) if matches!(old, TimeWait | Close) => {
                if self.closing || last == Some((direction, RST)) {
                    return Segment::Reopens;
                }
                if self.read && last.is_none() {
                    return Segment::MayReopen;
                }
                None
            }
            Transition::Ignore => None,
            Transition::To(state) => Some(state),
        };
        let syn_before = last == Some((direction.opposite(), SYN));
        if new.is_none() && row == SYN_ACK && syn_before {
            // It acknowledges a SYN that was ignored before: now both ends and the entry agree again.
            (old, new) = (SynSent, Some(SynReceived));
        }
        let Some(mut new) = new else {
            self.challenge |= row == SYN && direction == Direction::Original && old == LastAck;
            self.last = Some((direction, row));
            return Segment::Ignored;
        };
        match new {
            // "Detected RFC5961 challenge ACK": it does not acknowledge the last FIN.
            TimeWait if old == LastAck && row == ACK && syn_before && self.challenge => {
                self.challenge = false;
                return Segment::Ignored;
            }
            SynSent2 => self.simultaneous = true,
            SynReceived if direction == Direction::Reply && row == ACK && self.simultaneous => new = Established,
            _ => {}
        }
        self.last = Some((direction, row));
        self.closing |= old != new && new == FinWait;
        self.state = new;
        Segment::Taken { old, new }
    }

    /// A SYN that may or may not begin the flow anew does not.
    pub(super) fn ignore_syn(&mut self, direction: Direction) {
        self.last = Some((direction, SYN));
    }
}
