//! Neighbours (ARP, NDP) and forwarding databases.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{IfIndex, MacAddr, Vni};

/// One neighbour entry (`ip neighbour`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Device.
    pub link: IfIndex,
    /// Address.
    pub address: IpAddr,
    /// Link-layer address, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
    /// State.
    pub state: NeighbourState,
    /// `NTF_PROXY`: answers for that address on this device.
    #[serde(default)]
    pub proxy: bool,
}

/// State of a neighbour (`NUD_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeighbourState {
    /// Resolution is under way.
    Incomplete,
    /// Confirmed lately.
    Reachable,
    /// Not confirmed lately; used, and probed after.
    Stale,
    /// Used, probe pending.
    Delay,
    /// Being probed, still used.
    Probe,
    /// Resolution failed.
    Failed,
    /// No resolution needed.
    NoArp,
    /// Set by hand; never expires.
    Permanent,
    /// None of these.
    None,
}

impl NeighbourState {
    /// Whether the entry's MAC address is used (`NUD_VALID`).
    pub fn is_valid(self) -> bool {
        !matches!(self, Self::Incomplete | Self::Failed | Self::None)
    }

    /// Whether the kernel keeps the entry whatever the peer does: such an entry is never re-resolved.
    pub fn is_static(self) -> bool {
        matches!(self, Self::Permanent | Self::NoArp)
    }
}

/// One entry of a forwarding database, of a bridge or a VXLAN device (`bridge fdb`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdbEntry {
    /// Device: a bridge port, a bridge (an address of its own), or a VXLAN device.
    pub link: IfIndex,
    /// Address that frames are for.
    pub mac: MacAddr,
    /// VLAN, on bridges that filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Bridge whose database holds the entry (`NTF_MASTER`); none for an entry of the device's own (`NTF_SELF`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<IfIndex>,
    /// Remote tunnel end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dst: Option<IpAddr>,
    /// VNI where it differs from the device's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vni: Option<Vni>,
    /// Outer destination port where it differs from the device's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Device that the outer packet leaves by, where it differs from the device's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<IfIndex>,
    /// Belongs to the device itself: frames for it go up the stack (`permanent` on a bridge).
    #[serde(default)]
    pub local: bool,
    /// Set by hand: never ages.
    #[serde(default)]
    pub is_static: bool,
}
