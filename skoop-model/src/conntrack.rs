//! Entries of the connection table.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Mark, Port, Protocol};

/// The connection table of one namespace, with its limits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConntrackTable {
    /// Entries, in the order of the dump.
    pub entries: Vec<ConntrackEntry>,
    /// Entries in use when it was read (`nf_conntrack_count`). None: not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Most entries that the kernel keeps (`nf_conntrack_max`; the machine's own namespace sets it). None: not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// Counters over all CPUs since boot, by the kernel's names: `insert_failed`, `drop`, `early_drop`, `invalid`, …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stats: BTreeMap<String, u64>,
    /// Lines or messages that were not understood, with their number or text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// One flow (`struct nf_conn`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConntrackEntry {
    /// Protocol above IP.
    pub protocol: Protocol,
    /// Zone; 0 is the default one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub zone: u16,
    /// Addresses as the first packet carried them.
    pub original: ConntrackTuple,
    /// Addresses that its answers carry. Not the mirror image of `original` where the flow is translated.
    pub reply: ConntrackTuple,
    /// What the kernel knows of the flow.
    #[serde(default)]
    pub status: ConntrackStatus,
    /// `ct mark`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mark: Mark,
    /// State of the protocol's own machine: `ESTABLISHED`, `SYN_SENT`, …; none for protocols without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Seconds until it is forgotten. None: not printed (offloaded flows).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
    /// Helper: `ftp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helper: Option<String>,
    /// Labels, as the 128 bits of the kernel, bit 0 first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub labels: u128,
    /// Packets seen in each direction, where accounting is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<[u64; 2]>,
    /// Bytes seen in each direction, where accounting is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<[u64; 2]>,
}

/// One direction of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConntrackTuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Source port; for ICMP the identifier of an echo.
    #[serde(default)]
    pub sport: Port,
    /// Destination port; for ICMP type times 256 plus code.
    #[serde(default)]
    pub dport: Port,
}

/// Bits of `enum ip_conntrack_status` (`include/uapi/linux/netfilter/nf_conntrack_common.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConntrackStatus(pub u32);

impl ConntrackStatus {
    /// `IPS_EXPECTED`: a helper foretold it.
    pub const EXPECTED: Self = Self(1);
    /// `IPS_SEEN_REPLY`: packets went both ways.
    pub const SEEN_REPLY: Self = Self(1 << 1);
    /// `IPS_ASSURED`: not dropped early when the table is full.
    pub const ASSURED: Self = Self(1 << 2);
    /// `IPS_CONFIRMED`: it is in the table.
    pub const CONFIRMED: Self = Self(1 << 3);
    /// `IPS_SRC_NAT`: its source is translated.
    pub const SRC_NAT: Self = Self(1 << 4);
    /// `IPS_DST_NAT`: its destination is translated.
    pub const DST_NAT: Self = Self(1 << 5);
    /// `IPS_SRC_NAT_DONE`: whether to translate its source is decided.
    pub const SRC_NAT_DONE: Self = Self(1 << 7);
    /// `IPS_DST_NAT_DONE`: whether to translate its destination is decided.
    pub const DST_NAT_DONE: Self = Self(1 << 8);
    /// `IPS_DYING`.
    pub const DYING: Self = Self(1 << 9);
    /// `IPS_FIXED_TIMEOUT`.
    pub const FIXED_TIMEOUT: Self = Self(1 << 10);
    /// `IPS_UNTRACKED`.
    pub const UNTRACKED: Self = Self(1 << 12);
    /// `IPS_OFFLOAD`: a flowtable forwards it.
    pub const OFFLOAD: Self = Self(1 << 14);

    /// Whether all of `bits` are set.
    pub fn contains(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }
}

impl std::ops::BitOr for ConntrackStatus {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
