//! The SCTP state machine of connection tracking (`net/netfilter/nf_conntrack_proto_sctp.c`). Verification tags are not modelled: every
//! chunk counts as having the right one.

use skoop_model::SctpChunk;

use super::Direction;

/// State of an SCTP flow, by the number in `enum sctp_conntrack`: none, closed, cookie wait, cookie echoed, established, shutdown
/// sent, received, acknowledged, heartbeat sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SctpState(u8);

/// Chunk types of RFC 9260 in the order of the table's rows.
const CHUNKS: [u8; 11] = [INIT, INIT_ACK, 6, 7, SHUTDOWN_ACK, 9, 10, 11, 14, HEARTBEAT, HEARTBEAT_ACK];
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const HEARTBEAT: u8 = 4;
const HEARTBEAT_ACK: u8 = 5;
const SHUTDOWN_ACK: u8 = 8;

const NONE: u8 = 0;
const COOKIE_ECHOED: u8 = 3;
const ESTABLISHED: u8 = 4;
/// Belongs to no flow.
const IV: u8 = 9;

/// `sctp_conntracks`: by direction, then by chunk as in [`CHUNKS`], then by state.
#[rustfmt::skip]
const TABLE: [[[u8; 9]; 11]; 2] = [
    [
        [1, 1, 2, 3, 4, 1, 1, 7, 2],
        [1, 1, 2, 3, 4, 5, 6, 7, 1],
        [1, 1, 1, 1, 1, 1, 1, 1, 1],
        [1, 1, 2, 3, 5, 5, 6, 7, 1],
        [7, 1, 2, 3, 4, 7, 7, 7, 7],
        [1, 1, 2, 3, 4, 5, 6, 7, 1],
        [1, 1, 3, 3, 4, 5, 6, 7, 1],
        [1, 1, 2, 4, 4, 5, 6, 7, 1],
        [1, 1, 2, 3, 4, 5, 6, 1, 1],
        [8, 1, 2, 3, 4, 5, 6, 7, 8],
        [1, 1, 2, 3, 4, 5, 6, 7, 8],
    ],
    [
        [IV, 1, 2, 3, 4, 5, 6, 7, IV],
        [IV, 2, 2, 3, 4, 5, 6, 7, IV],
        [IV, 1, 1, 1, 1, 1, 1, 1, IV],
        [IV, 1, 2, 3, 6, 5, 6, 7, IV],
        [IV, 1, 2, 3, 4, 7, 7, 7, IV],
        [IV, 1, 2, 1, 4, 5, 6, 7, IV],
        [IV, 1, 3, 3, 4, 5, 6, 7, IV],
        [IV, 1, 2, 4, 4, 5, 6, 7, IV],
        [IV, 1, 2, 3, 4, 5, 6, 1, IV],
        [IV, 1, 2, 3, 4, 5, 6, 7, 8],
        [IV, 1, 2, 3, 4, 5, 6, 7, 4],
    ],
];

/// Names of the states as dumps print them.
const NAMES: [&str; 9] = [
    "NONE",
    "CLOSED",
    "COOKIE_WAIT",
    "COOKIE_ECHOED",
    "ESTABLISHED",
    "SHUTDOWN_SENT",
    "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT",
    "HEARTBEAT_SENT",
];

impl SctpState {
    /// The state that a dump names.
    pub(super) fn from_name(name: &str) -> Self {
        let place = NAMES.iter().position(|known| *known == name);
        Self(place.and_then(|place| u8::try_from(place).ok()).unwrap_or(NONE))
    }

    fn step(self, direction: Direction, chunk: u8) -> u8 {
        let Some(row) = CHUNKS.iter().position(|known| *known == chunk) else {
            return self.0;
        };
        let rows = TABLE.get(direction as usize).and_then(|rows| rows.get(row));
        rows.and_then(|row| row.get(usize::from(self.0))).copied().unwrap_or(IV)
    }

    /// Takes the chunks of a packet in (`nf_conntrack_sctp_packet`); `begins` says that the packet begins the flow. None if it
    /// belongs to no flow, else whether the flow is established with it (`IPS_ASSURED`).
    pub(super) fn take(&mut self, direction: Direction, chunks: &[SctpChunk], begins: bool) -> Option<bool> {
        if chunks.is_empty() {
            return None;
        }
        let mut assured = false;
        for SctpChunk { kind: chunk, .. } in chunks {
            // Any other one has a verification tag, and the flow has none yet to compare it with.
            if begins && !matches!(*chunk, INIT | HEARTBEAT | HEARTBEAT_ACK | SHUTDOWN_ACK) {
                return None;
            }
            let new = self.step(direction, *chunk);
            if new == IV {
                return None;
            }
            assured |= self.0 == COOKIE_ECHOED && direction == Direction::Reply && new == ESTABLISHED;
            self.0 = new;
        }
        Some(assured)
    }

    /// The same for a packet whose chunks are not known: it does what a healthy peer would send next.
    pub(super) fn take_unknown(&mut self, direction: Direction, begins: bool) {
        let chunk = if begins { INIT } else { INIT_ACK };
        let new = self.step(direction, chunk);
        if new != IV {
            self.0 = new;
        }
    }
}
