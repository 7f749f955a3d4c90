//! Network devices.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Family, IfIndex, MacAddr, NetnsId, Port, Vni};

/// One network device (`ip -d link`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Index in its namespace.
    pub index: IfIndex,
    /// Name.
    pub name: String,
    /// Link-layer address; none for devices without (tun, ipip).
    pub mac: Option<MacAddr>,
    /// MTU in bytes.
    pub mtu_bytes: u32,
    /// `IFF_UP`: administratively up.
    pub up: bool,
    /// `IFF_LOWER_UP`: has carrier.
    pub lower_up: bool,
    /// `IFF_LOOPBACK`.
    #[serde(default)]
    pub loopback: bool,
    /// `IFF_NOARP`: no neighbour resolution.
    #[serde(default)]
    pub no_arp: bool,
    /// `IFF_POINTOPOINT`.
    #[serde(default)]
    pub point_to_point: bool,
    /// `IFF_PROMISC`.
    #[serde(default)]
    pub promiscuous: bool,
    /// Operational state (RFC 2863).
    pub oper_state: OperState,
    /// Kind with its settings.
    pub kind: LinkKind,
    /// Bridge, bond or VRF that the device is a port of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<IfIndex>,
    /// State of the device as a port of a bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge_port: Option<BridgePort>,
    /// Device group.
    #[serde(default)]
    pub group: u32,
    /// Names of qdiscs and programs that may change a packet's fate and that were seen on the device: `xdp`, `clsact`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<String>,
}

impl Link {
    /// An Ethernet device that is up and has carrier, with an MTU of 1500 bytes and no address: a base to build on.
    pub fn new(index: IfIndex, name: impl Into<String>, kind: LinkKind) -> Self {
        Self {
            index,
            name: name.into(),
            mac: None,
            mtu_bytes: 1500,
            up: true,
            lower_up: true,
            loopback: kind == LinkKind::Loopback,
            no_arp: false,
            point_to_point: false,
            promiscuous: false,
            oper_state: OperState::Up,
            kind,
            controller: None,
            bridge_port: None,
            group: 0,
            hooks: Vec::new(),
        }
    }

    /// Whether packets can leave and enter: up, with carrier.
    pub fn is_running(&self) -> bool {
        self.up && self.lower_up
    }

    /// The veth peer, if this is a veth.
    pub fn veth_peer(&self) -> Option<&VethPeer> {
        match &self.kind {
            LinkKind::Veth { peer } => peer.as_ref(),
            _ => None,
        }
    }

    /// Whether the device encapsulates what is sent through it.
    pub fn is_tunnel(&self) -> bool {
        match &self.kind {
            LinkKind::Vxlan(_) => true,
            LinkKind::Other { kind } => {
                ["ipip", "sit", "gre", "gretap", "ip6gre", "ip6tnl", "geneve", "wireguard"].contains(&kind.as_str())
            }
            _ => false,
        }
    }
}

/// Operational state of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperState {
    /// The driver does not say.
    Unknown,
    /// Some component is missing.
    NotPresent,
    /// Down.
    Down,
    /// A device below it is down.
    LowerLayerDown,
    /// In some test mode.
    Testing,
    /// Waiting for an event, such as authentication.
    Dormant,
    /// Up.
    Up,
}

/// Kind of a device, with the settings that forwarding reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// The loopback device.
    Loopback,
    /// A device without link-info: a hardware or virtio NIC.
    Physical,
    /// One end of a virtual Ethernet pair.
    Veth {
        /// The other end, where the kernel tells it.
        peer: Option<VethPeer>,
    },
    /// A bridge.
    Bridge(BridgeConfig),
    /// A VXLAN tunnel end.
    Vxlan(VxlanConfig),
    /// Any other kind, by the kernel's name: `ipip`, `macvlan`, `vlan`, `tun`…
    Other {
        /// `IFLA_INFO_KIND`.
        kind: String,
    },
}

impl LinkKind {
    /// The kernel's name of the kind.
    pub fn name(&self) -> &str {
        match self {
            Self::Loopback => "loopback",
            Self::Physical => "physical",
            Self::Veth { .. } => "veth",
            Self::Bridge(_) => "bridge",
            Self::Vxlan(_) => "vxlan",
            Self::Other { kind } => kind,
        }
    }
}

/// The other end of a veth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VethPeer {
    /// Its index in its own namespace.
    pub index: IfIndex,
    /// Its namespace; none if that namespace was not seen on this host.
    pub netns: Option<NetnsId>,
}

/// Settings of a bridge (`IFLA_BR_*`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BridgeConfig {
    /// VLAN filtering is on.
    #[serde(default)]
    pub vlan_filtering: bool,
    /// Spanning tree is on.
    #[serde(default)]
    pub stp: bool,
    /// `nf_call_iptables` of this bridge; the namespace's sysctl counts too.
    #[serde(default)]
    pub nf_call_iptables: bool,
    /// `nf_call_ip6tables` of this bridge.
    #[serde(default)]
    pub nf_call_ip6tables: bool,
}

/// State of a bridge port (`IFLA_BRPORT_*`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgePort {
    /// STP state.
    pub state: PortState,
    /// Frames may leave by the port they came in by.
    #[serde(default)]
    pub hairpin: bool,
    /// Source addresses are learned.
    #[serde(default)]
    pub learning: bool,
    /// Frames to unknown unicast addresses leave by this port.
    #[serde(default)]
    pub unicast_flood: bool,
    /// Broadcast leaves by this port.
    #[serde(default)]
    pub broadcast_flood: bool,
    /// Isolated: never exchanges frames with another isolated port.
    #[serde(default)]
    pub isolated: bool,
    /// The bridge answers ARP here by what it knows.
    #[serde(default)]
    pub neighbour_suppress: bool,
}

/// STP state of a bridge port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortState {
    /// 0: no carrier or administratively down.
    Disabled,
    /// 1.
    Listening,
    /// 2.
    Learning,
    /// 3: the only state that passes data.
    Forwarding,
    /// 4.
    Blocking,
}

/// Settings of a VXLAN device (`IFLA_VXLAN_*`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VxlanConfig {
    /// Network identifier.
    pub vni: Vni,
    /// Outer destination port, and the port of the receiving socket.
    pub port: Port,
    /// Outer source address.
    pub local: Option<IpAddr>,
    /// Default remote, unicast or multicast.
    pub remote: Option<IpAddr>,
    /// Device that the outer packet must leave by.
    pub underlay: Option<IfIndex>,
    /// The FDB learns from received packets.
    pub learning: bool,
    /// Outer TTL; 0 inherits or uses the default.
    pub ttl: u8,
    /// Outer "don't fragment".
    pub dont_fragment: OuterDf,
    /// External ("collect metadata") mode: each packet's tunnel is set from outside the device.
    #[serde(default)]
    pub collect_metadata: bool,
}

impl VxlanConfig {
    /// Whether the device's socket is of this family: of that of its addresses, of both if each packet's tunnel is set from outside
    /// (`vxlan_sock_add`, drivers/net/vxlan/vxlan_core.c).
    pub fn listens_on(&self, family: Family) -> bool {
        let v6 = [self.local, self.remote].into_iter().flatten().any(|address| address.is_ipv6());
        self.collect_metadata || v6 == (family == Family::V6)
    }
}

/// How the outer DF bit is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OuterDf {
    /// Never.
    #[default]
    Unset,
    /// Always.
    Set,
    /// As in the inner packet.
    Inherit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_listens_on_the_family_of_its_addresses() {
        let device = |local: Option<&str>, collect_metadata| VxlanConfig {
            vni: Vni(1),
            port: Port(8472),
            local: local.map(|address| address.parse().expect("a literal")),
            remote: None,
            underlay: None,
            learning: false,
            ttl: 0,
            dont_fragment: OuterDf::Unset,
            collect_metadata,
        };
        for (local, metadata, v4, v6) in [
            (None, false, true, false),
            (Some("192.0.2.1"), false, true, false),
            (Some("fd00::1"), false, false, true),
            (None, true, true, true),
        ] {
            let device = device(local, metadata);
            assert_eq!(
                (device.listens_on(Family::V4), device.listens_on(Family::V6)),
                (v4, v6),
                "{local:?} {metadata}"
            );
        }
    }
}
