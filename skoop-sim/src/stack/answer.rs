//! What goes back to the sender of a packet that was stopped.

use skoop_model::{Family, Packet, Step};

use super::{Blocker, Ending};

/// The packet that tells a sender that its own was stopped, on its way back.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What it is.
    pub kind: AnswerKind,
    /// The packet as it was made: its source is who sends it, `details.cited` what an ICMP error is about.
    pub packet: Packet,
    /// MTU that a "packet too big" or "fragmentation needed" tells, in bytes.
    pub mtu_bytes: Option<u32>,
    /// It is sent only after so many milliseconds: the neighbour was asked in vain (three requests, one a second).
    pub delay_ms: u32,
    /// What happened to it, in order.
    pub steps: Vec<Step>,
    /// What stopped it, in order.
    pub blockers: Vec<Blocker>,
    /// How it ended in this namespace.
    pub ending: Ending,
}

impl Answer {
    /// The answer as it left towards the sender, or as a local socket got it. None if it was stopped itself, or if it is not known.
    pub fn arrived(&self) -> Option<&Packet> {
        match &self.ending {
            _ if !self.blockers.is_empty() => None,
            Ending::Sent { frame, .. } => Some(&frame.packet),
            Ending::Delivered { packet, .. } => Some(packet),
            Ending::Stopped | Ending::Unknown(_) => None,
        }
    }
}

/// Kinds of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// An ICMP or ICMPv6 error.
    Icmp {
        /// ICMP or ICMPv6.
        family: Family,
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
    /// A TCP reset.
    TcpReset,
}

/// The error that a system call of the sender gives (`include/uapi/asm-generic/errno.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Errno {
    /// `EPERM`: netfilter dropped or rejected it in OUTPUT or POSTROUTING.
    Eperm,
    /// `EACCES`: a prohibit route.
    Eacces,
    /// `EINVAL`: a blackhole route, or a source address that the host does not have.
    Einval,
    /// `EMSGSIZE`: longer than the MTU, and may not be fragmented.
    Emsgsize,
    /// `ENETUNREACH`: no route.
    Enetunreach,
    /// `EHOSTUNREACH`: an unreachable route.
    Ehostunreach,
    /// `EADDRNOTAVAIL`: no address to send from.
    Eaddrnotavail,
}

impl Errno {
    /// Its name in C: `EPERM`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eperm => "EPERM",
            Self::Eacces => "EACCES",
            Self::Einval => "EINVAL",
            Self::Emsgsize => "EMSGSIZE",
            Self::Enetunreach => "ENETUNREACH",
            Self::Ehostunreach => "EHOSTUNREACH",
            Self::Eaddrnotavail => "EADDRNOTAVAIL",
        }
    }
}
