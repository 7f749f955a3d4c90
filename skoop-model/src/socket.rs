//! Sockets.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{IfIndex, Mark, Port, Protocol};

/// One socket that packets may be delivered to (`ss -tuln`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Socket {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Address bound; `0.0.0.0` or `::` is any.
    pub address: IpAddr,
    /// Port bound.
    pub port: Port,
    /// The other end, of a connected UDP socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<(IpAddr, Port)>,
    /// State.
    pub state: SocketState,
    /// For an IPv6 socket: `IPV6_V6ONLY`, where the kernel tells it. `Some(false)` on `::` takes IPv4 too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v6only: Option<bool>,
    /// Device bound to (`SO_BINDTODEVICE`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<IfIndex>,
    /// Owner.
    pub uid: u32,
    /// Inode, with which the process that holds the socket can be found. No process holds one of the kernel's own (a VXLAN device's).
    pub inode: u64,
    /// `SO_MARK`, where the kernel tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

/// State of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketState {
    /// A TCP listener.
    Listen,
    /// A UDP socket without a peer.
    Unconnected,
    /// Connected.
    Established,
}
