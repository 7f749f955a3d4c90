//! The devices of a node: what is the same for many random nodes, because devices take long to come up.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// Devices that a node has. All nodes of one shape use the same namespaces, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Four veths.
    Routed,
    /// Two veths, and a bridge with three ports.
    Bridged,
}

/// A veth with its other end in a namespace of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire {
    pub name: &'static str,
    /// Its number: address 10.NUMBER.0.1, unless it is a port.
    pub number: u8,
    /// Port of the bridge.
    pub port: bool,
}

const fn wire(name: &'static str, number: u8, port: bool) -> Wire {
    Wire { name, number, port }
}

const ROUTED: [Wire; 4] = [wire("e0", 1, false), wire("e1", 2, false), wire("e2", 3, false), wire("w0", 4, false)];
const BRIDGED: [Wire; 5] =
    [wire("e0", 1, false), wire("e1", 2, false), wire("p0", 3, true), wire("p1", 4, true), wire("p2", 5, true)];

/// The number of the bridge.
pub(super) const BRIDGE: u8 = 9;

impl Shape {
    /// The wires.
    pub(super) fn wires(self) -> &'static [Wire] {
        match self {
            Self::Routed => &ROUTED,
            Self::Bridged => &BRIDGED,
        }
    }

    /// Devices with addresses: name and number.
    pub(super) fn devices(self) -> Vec<(&'static str, u8)> {
        let mut devices: Vec<_> =
            self.wires().iter().filter(|wire| !wire.port).map(|wire| (wire.name, wire.number)).collect();
        if self == Self::Bridged {
            devices.push(("br0", BRIDGE));
        }
        devices
    }

    /// Place of a wire by its name.
    pub(super) fn place(self, name: &str) -> Option<usize> {
        self.wires().iter().position(|wire| wire.name == name)
    }

    /// The wires that lead to the network with this number.
    pub(super) fn wires_to(self, number: u8) -> Vec<usize> {
        let wires = self.wires().iter().enumerate();
        wires
            .filter(|(_, wire)| if number == BRIDGE { wire.port } else { wire.number == number && !wire.port })
            .map(|(at, _)| at)
            .collect()
    }

    /// The number of the network that a wire is on.
    pub(super) fn network(self, wire: usize) -> u8 {
        self.wires().get(wire).map_or(0, |wire| if wire.port { BRIDGE } else { wire.number })
    }

    /// The device whose address a packet that comes in by a wire is sent to.
    pub(super) fn device_mac(self, wire: usize) -> [u8; 6] {
        device_mac(self.network(wire))
    }

    /// What `ip -batch` makes in the node.
    pub(super) fn links(self) -> String {
        let mut lines = "link set lo up\n".to_owned();
        if self == Self::Bridged {
            let _ = writeln!(lines, "link add br0 address {} type bridge", text(device_mac(BRIDGE)));
        }
        for wire in self.wires() {
            if wire.port {
                let _ = writeln!(lines, "link set {} master br0", wire.name);
            }
            let _ = writeln!(lines, "link set {} up", wire.name);
        }
        if self == Self::Bridged {
            lines += "link set br0 up\n";
        }
        for (name, number) in self.devices() {
            let _ = writeln!(lines, "address add {}/32 dev {name} scope host", sentinel(number));
            for host in HOSTS {
                for address in [v4(number, host), v6(number, host)] {
                    let mac = text(neighbour_mac(address));
                    let _ = writeln!(lines, "neighbour add {address} lladdr {mac} dev {name} nud permanent");
                }
            }
        }
        lines
    }

    /// What `bridge -batch` makes: who is behind which port.
    pub(super) fn fdb(self) -> String {
        let ports: Vec<_> = self.wires().iter().filter(|wire| wire.port).collect();
        let mut lines = String::new();
        for (host, port) in HOSTS.iter().zip(ports.iter().cycle()) {
            for address in [v4(BRIDGE, *host), v6(BRIDGE, *host)] {
                let _ = writeln!(lines, "fdb add {} dev {} master static", text(neighbour_mac(address)), port.name);
            }
        }
        for port in ports {
            let _ = writeln!(lines, "fdb add {} dev {} master static", text(own_mac(port.number)), port.name);
        }
        lines
    }

    /// The wire behind which a host of the bridge is.
    pub(super) fn port_of(self, host: u8) -> Option<usize> {
        let ports: Vec<usize> = self.wires_to(BRIDGE);
        let at = HOSTS.iter().position(|other| *other == host)?;
        ports.get(at % ports.len().max(1)).copied()
    }
}

/// Last octets of the hosts on each network.
pub(super) const HOSTS: [u8; 5] = [2, 3, 4, 5, 6];

/// An address on network `number`.
pub(super) fn v4(number: u8, host: u8) -> IpAddr {
    Ipv4Addr::new(10, number, 0, host).into()
}

/// An address on network `number`.
pub(super) fn v6(number: u8, host: u8) -> IpAddr {
    Ipv6Addr::new(0xfd00, u16::from(number), 0, 0, 0, 0, 0, u16::from(host)).into()
}

/// The address that answers probes on a device.
pub(super) fn sentinel(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, number)
}

/// Link-layer address of the node's device.
pub(super) fn device_mac(number: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, number]
}

/// Link-layer address of the harness on a wire.
pub(super) fn own_mac(number: u8) -> [u8; 6] {
    [2, 0xee, 0, 0, 0, number]
}

/// Link-layer address of the neighbour with an address, on whatever network.
pub(super) fn neighbour_mac(address: IpAddr) -> [u8; 6] {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [2, 4, a, b, c, d]
        }
        IpAddr::V6(address) => {
            let [_, number, .., d] = address.segments();
            let [high, low] = d.to_be_bytes();
            let [n, m] = number.to_be_bytes();
            [2, 6, n, m, high, low]
        }
    }
}

/// As `ip` reads it.
pub(super) fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
