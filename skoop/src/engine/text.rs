//! Objects as the standard tools print them.

use std::net::IpAddr;

use skoop_model::{Evidence, Packet, Port, Protocol, Socket};
use skoop_sim::Near;

use super::network::{HostId, Network};

/// A socket as `ss -ln` shows it.
pub fn socket(socket: &Socket) -> String {
    let state = match socket.protocol {
        Protocol::TCP => "LISTEN",
        _ => "UNCONN",
    };
    format!("{} {state} {}", socket.protocol, endpoint(socket.address, socket.port))
}

/// What listens instead of what was asked for, and the rule that redirected the packet there.
pub fn near_sockets(packet: &Packet, near: &[Near], redirect: Option<&str>) -> Evidence {
    let asked = packet.dport().map_or_else(|| packet.dst.to_string(), |port| endpoint(packet.dst, port));
    let by = redirect.map_or_else(String::new, |rule| format!(", redirected by {rule}"));
    if near.is_empty() {
        return Evidence::new("missing", format!("no {} socket for {asked}{by}", packet.protocol));
    }
    let texts: Vec<String> = near.iter().map(|near| socket(&near.socket)).collect();
    Evidence::new("socket", format!("no {} socket for {asked}{by}; there is {}", packet.protocol, texts.join(", ")))
}

/// An address of a namespace as `ip -o address` shows it.
pub fn held_address(network: &Network, host: HostId, address: IpAddr) -> String {
    let namespace = &network.host(host).namespace;
    let entry = namespace.snapshot().addresses.elements().iter().find(|entry| entry.ip() == address);
    match entry {
        Some(entry) => format!("{} inet {}", namespace.device_name(entry.link), entry.net),
        None => address.to_string(),
    }
}

fn endpoint(address: IpAddr, port: Port) -> String {
    match address {
        IpAddr::V4(address) => format!("{address}:{port}"),
        IpAddr::V6(address) => format!("[{address}]:{port}"),
    }
}
