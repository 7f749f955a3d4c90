//! From the packet that is asked about to the start of a walk.

use std::net::IpAddr;

use skoop_model::{
    Encap, Family, Frame, IfIndex, Link, MacAddr, Mark, NamespaceSnapshot, Packet, Port, Protocol, TcpFlags, Transport,
    Vni,
};
use skoop_sim::{Entry, Flow, Forks, Lookup, Sender};

use super::packet::DEFAULT_SPORT;
use super::{Ground, WalkEncap, WalkPacket};

/// IANA's port of VXLAN; Linux' own default is another, and devices of nodes use both.
const VXLAN_PORT: Port = Port(4789);
/// Outer source port where none is given: nothing is decided by it.
const OUTER_SPORT: Port = Port(49_152);
/// Outer UDP and VXLAN header, and the Ethernet header inside.
const VXLAN_BYTES: u32 = 8 + 8 + 14;

/// Where a packet starts, or why that cannot be told.
pub(super) fn start(ground: &Ground, packet: &WalkPacket) -> Result<Entry, String> {
    let header = header(packet);
    let Some(name) = &packet.device else {
        return Ok(Entry::Local {
            packet: header,
            choose_source: packet.src.is_none(),
            sender: Sender { uid: packet.uid, gid: packet.gid },
        });
    };
    let snapshot = ground.namespace().snapshot();
    if let Err(why) = snapshot.links.get() {
        return Err(format!("device {name}: the devices are not known: {why}"));
    }
    let device = snapshot.link_named(name).ok_or_else(|| missing(name, snapshot))?;
    let index = device.index;
    let outer = match &packet.encap {
        Some(encap) => wrapped(encap, header),
        None => header,
    };
    let src_mac = packet.src_mac.or_else(|| neighbour(ground, arrival(ground, device), outer.src)).unwrap_or_default();
    let dst_mac = packet.dst_mac.unwrap_or_else(|| addressed(ground, device, outer.dst));
    Ok(Entry::Frame { device: index, frame: Frame { src_mac, dst_mac, packet: outer } })
}

/// That there is no such device, and which there are.
fn missing(name: &str, snapshot: &NamespaceSnapshot) -> String {
    const MOST_NAMED: usize = 8;
    let links = snapshot.links.value().map(Vec::as_slice).unwrap_or_default();
    let mut names: Vec<&str> = links.iter().map(|link| link.name.as_str()).take(MOST_NAMED).collect();
    if links.len() > names.len() {
        names.push("…");
    }
    format!("device {name}: the namespace has no such device, but {}", names.join(", "))
}

/// The header, with what a Linux sender would put where nothing is said.
fn header(packet: &WalkPacket) -> Packet {
    let unspecified: IpAddr = match packet.family() {
        Family::V4 => [0_u8; 4].into(),
        Family::V6 => [0_u8; 16].into(),
    };
    let transport = transport(packet);
    let length = packet.length.unwrap_or_else(|| usual_length(packet));
    let mut header = Packet::new(packet.src.unwrap_or(unspecified), packet.dst, packet.proto, transport, length);
    header.ttl = packet.ttl.unwrap_or(header.ttl);
    header.tos = packet.tos.unwrap_or(0);
    header.mark = Mark(packet.mark.unwrap_or(0));
    header.dont_fragment = packet.df.unwrap_or(true) || packet.family() == Family::V6;
    header
}

fn transport(packet: &WalkPacket) -> Transport {
    let sport = packet.sport.map_or(DEFAULT_SPORT, Port);
    let dport = Port(packet.dport.unwrap_or(0));
    match packet.proto {
        Protocol::TCP => Transport::Tcp { sport, dport, flags: packet.tcp_flags.unwrap_or(TcpFlags::SYN) },
        Protocol::UDP => Transport::Udp { sport, dport },
        Protocol::SCTP => Transport::Sctp { sport, dport },
        Protocol::ICMP | Protocol::ICMPV6 => {
            let echo = if packet.proto == Protocol::ICMP { 8 } else { 128 };
            Transport::Icmp {
                kind: packet.icmp_type.unwrap_or(echo),
                code: packet.icmp_code.unwrap_or(0),
                id: packet.icmp_id.unwrap_or(0),
            }
        }
        _ => Transport::Other,
    }
}

/// Bytes of the smallest packet that Linux sends: a SYN has forty bytes with its options, an echo of `ping` sixty-four.
fn usual_length(packet: &WalkPacket) -> u32 {
    let header: u32 = if packet.family() == Family::V4 { 20 } else { 40 };
    let rest = match packet.proto {
        Protocol::ICMP | Protocol::ICMPV6 => 64,
        _ => 40,
    };
    header + rest
}

/// The packet in its tunnel. The mark is the outer one's: it is that of the buffer.
fn wrapped(encap: &WalkEncap, inner: Packet) -> Packet {
    let header = if encap.src.is_ipv4() { 20 } else { 40 };
    let transport =
        Transport::Udp { sport: encap.sport.map_or(OUTER_SPORT, Port), dport: encap.dport.map_or(VXLAN_PORT, Port) };
    let length = inner.length_bytes.saturating_add(header + VXLAN_BYTES);
    let mut outer = Packet::new(encap.src, encap.dst, Protocol::UDP, transport, length);
    outer.mark = inner.mark;
    outer.dont_fragment = encap.src.is_ipv6();
    outer.encap = Some(Box::new(Encap {
        vni: Vni(encap.vni),
        frame: Frame {
            src_mac: encap.inner_src_mac.unwrap_or_default(),
            dst_mac: encap.inner_dst_mac.unwrap_or_default(),
            packet: inner,
        },
    }));
    outer
}

/// The device whose address a neighbour behind `device` would ask for: the bridge of a port.
fn arrival<'a>(ground: &'a Ground, device: &'a Link) -> &'a Link {
    ground.namespace().bridge_of(device).unwrap_or(device)
}

/// The address that a neighbour would put on a frame: a host on the same bridge has its own, and the gateway, which is this
/// namespace, takes the rest.
fn addressed(ground: &Ground, device: &Link, dst: IpAddr) -> MacAddr {
    if let Some(mac) = group_mac(dst) {
        return mac;
    }
    let arrival = arrival(ground, device);
    let own = arrival.mac.unwrap_or_default();
    if arrival.index == device.index {
        return own;
    }
    let host = on_link(ground, arrival.index, dst).then(|| neighbour(ground, arrival, dst));
    host.flatten().unwrap_or(own)
}

/// The MAC address of a group or of everybody.
pub(super) fn group_mac(dst: IpAddr) -> Option<MacAddr> {
    match dst {
        IpAddr::V4(address) if address.is_broadcast() => Some(MacAddr::BROADCAST),
        // RFC 1112 section 6.4: the lower 23 bits.
        IpAddr::V4(address) if address.is_multicast() => {
            let [_, second, third, fourth] = address.octets();
            Some(MacAddr([0x01, 0x00, 0x5e, second & 0x7f, third, fourth]))
        }
        // RFC 2464 section 7: the lower 32 bits.
        IpAddr::V6(address) if address.is_multicast() => {
            let [.., twelfth, thirteenth, fourteenth, last] = address.octets();
            Some(MacAddr([0x33, 0x33, twelfth, thirteenth, fourteenth, last]))
        }
        _ => None,
    }
}

/// Whether a destination is on the link of a device, by the routes of this namespace: those of its neighbours are alike.
fn on_link(ground: &Ground, device: IfIndex, dst: IpAddr) -> bool {
    let unspecified: IpAddr = if dst.is_ipv4() { [0_u8; 4].into() } else { [0_u8; 16].into() };
    let probe = Packet::new(unspecified, dst, Protocol::TCP, Transport::Other, 0);
    match ground.namespace().fib().lookup(&Flow::of(&probe), &mut Forks::first()) {
        Lookup::Found(found) => {
            !found.is_local() && found.nexthop.is_some_and(|hop| hop.link == Some(device) && hop.gateway.is_none())
        }
        _ => false,
    }
}

fn neighbour(ground: &Ground, device: &Link, address: IpAddr) -> Option<MacAddr> {
    let entries = super::known(&ground.namespace().snapshot().neighbours)?;
    let entry = entries.iter().find(|entry| entry.link == device.index && entry.address == address && !entry.proxy)?;
    entry.mac.filter(|_| entry.state.is_valid())
}
