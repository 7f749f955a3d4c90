//! The TCP state machine of connection tracking (`net/netfilter/nf_conntrack_proto_tcp.c`). Sequence numbers are not modelled: every
//! segment counts as in its window.

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
pub(super) enum Transition {
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

/// `get_conntrack_index`.
fn row(flags: TcpFlags) -> usize {
    let has = |flag| flags.contains(flag);
    match (has(TcpFlags::RST), has(TcpFlags::SYN), has(TcpFlags::ACK), has(TcpFlags::FIN)) {
        (true, ..) => 4,
        (_, true, false, _) => 0,
        (_, true, true, _) => 1,
        (_, _, _, true) => 2,
        (_, _, true, _) => 3,
        _ => 5,
    }
}

impl TcpState {
    /// What a segment does.
    pub(super) fn step(self, direction: Direction, flags: TcpFlags) -> Transition {
        let rows = TABLE.get(direction as usize).and_then(|rows| rows.get(row(flags)));
        rows.and_then(|row| row.get(self as usize)).copied().unwrap_or(Transition::Invalid)
    }
}
