//! Addresses of devices.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::IfIndex;

/// One address of a device (`ip address`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Device.
    pub link: IfIndex,
    /// The address with its prefix length, host bits kept.
    pub net: IpNet,
    /// Address of the other end, on point-to-point devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// Scope.
    pub scope: AddressScope,
    /// `IFA_F_SECONDARY` (IPv4) or `IFA_F_TEMPORARY` (IPv6).
    #[serde(default)]
    pub secondary: bool,
    /// `IFA_F_DEPRECATED`: not chosen as a source while another one fits.
    #[serde(default)]
    pub deprecated: bool,
    /// `IFA_F_TENTATIVE`: duplicate address detection is under way; not yet usable.
    #[serde(default)]
    pub tentative: bool,
    /// `IFA_F_DADFAILED`: the address is used by another host; never usable.
    #[serde(default)]
    pub dad_failed: bool,
}

impl Address {
    /// A usable address of global scope: a base to build on.
    pub fn new(link: IfIndex, net: IpNet) -> Self {
        Self {
            link,
            net,
            peer: None,
            scope: AddressScope::Global,
            secondary: false,
            deprecated: false,
            tentative: false,
            dad_failed: false,
        }
    }

    /// The address itself.
    pub fn ip(&self) -> IpAddr {
        self.net.addr()
    }
}

/// Scope of an address (`rtnetlink(7)`), which source selection reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressScope {
    /// `RT_SCOPE_UNIVERSE`, 0.
    Global,
    /// `RT_SCOPE_SITE`, 200.
    Site,
    /// `RT_SCOPE_LINK`, 253.
    Link,
    /// `RT_SCOPE_HOST`, 254.
    Host,
    /// `RT_SCOPE_NOWHERE`, 255.
    Nowhere,
    /// Any other number.
    Other(u8),
}

impl AddressScope {
    /// The kernel's number: larger is narrower.
    pub fn number(self) -> u8 {
        match self {
            Self::Global => 0,
            Self::Site => 200,
            Self::Link => 253,
            Self::Host => 254,
            Self::Nowhere => 255,
            Self::Other(number) => number,
        }
    }
}

impl From<u8> for AddressScope {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Global,
            200 => Self::Site,
            253 => Self::Link,
            254 => Self::Host,
            255 => Self::Nowhere,
            other => Self::Other(other),
        }
    }
}
