//! Objects as the standard tools print them.

use std::net::IpAddr;

use skoop_model::{Evidence, Packet, Port, Protocol, Socket};
use skoop_sim::Near;

/// A socket as `ss -ln` shows it.
pub fn socket(socket: &Socket) -> String {
    let state = match socket.protocol {
        Protocol::TCP => "LISTEN",
        _ => "UNCONN",
    };
    format!("{} {state} {}", socket.protocol, endpoint(socket.address, socket.port))
}

/// What listens instead of what was asked for.
pub fn near_sockets(packet: &Packet, near: &[Near]) -> Evidence {
    let asked = packet.dport().map_or_else(|| packet.dst.to_string(), |port| endpoint(packet.dst, port));
    if near.is_empty() {
        return Evidence::new("missing", format!("no {} socket for {asked}", packet.protocol));
    }
    let texts: Vec<String> = near.iter().map(|near| socket(&near.socket)).collect();
    Evidence::new("socket", format!("no {} socket for {asked}; there is {}", packet.protocol, texts.join(", ")))
}

fn endpoint(address: IpAddr, port: Port) -> String {
    match address {
        IpAddr::V4(address) => format!("{address}:{port}"),
        IpAddr::V6(address) => format!("[{address}]:{port}"),
    }
}
