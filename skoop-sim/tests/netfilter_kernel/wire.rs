//! IPv4 packets as bytes.

use std::net::{IpAddr, Ipv4Addr};

use skoop_model::{Packet, Port, Protocol, TcpFlags, Transport};

/// Bytes behind the transport header: the tag that tells packets of one test apart, and some more, so that an ICMP error that
/// cites eight bytes does not cite all.
const PAYLOAD: usize = 8;

/// The packet with right checksums; the kernel fills in that of the IP header.
pub(crate) fn encode(packet: &Packet, tag: u32) -> Vec<u8> {
    let payload = [tag.to_be_bytes(), [0; 4]].concat();
    let (head, tail) = transport(packet);
    let size = head.len() + 2 + tail.len() + PAYLOAD;
    let mut summed = Vec::new();
    if !packet.protocol.is_icmp() {
        summed.extend(octets(packet.src));
        summed.extend(octets(packet.dst));
        summed.extend([0, packet.protocol.0]);
        summed.extend(short(size));
    }
    summed.extend([&head[..], &[0, 0], &tail, &payload].concat());
    let total = short(20 + size);
    let fixed = [&[0x45, packet.tos][..], &total, &[0, 0, 0x40, 0, packet.ttl, packet.protocol.0, 0, 0]].concat();
    let sum = checksum(&summed).to_be_bytes();
    [&fixed[..], &octets(packet.src), &octets(packet.dst), &head, &sum, &tail, &payload].concat()
}

/// The transport header before and after its checksum.
fn transport(packet: &Packet) -> (Vec<u8>, Vec<u8>) {
    let ports = |sport: Port, dport: Port| [sport.0.to_be_bytes(), dport.0.to_be_bytes()].concat();
    match packet.transport {
        Transport::Tcp { sport, dport, flags } => {
            // A SYN takes up one number and the payload eight; both ends begin with 1.
            let seq = if flags.contains(TcpFlags::SYN) { 1 } else { 10 };
            let rest = [0, 0, 0, seq, 0, 0, 0, 10, 5 << 4, flags.0, 0xff, 0xff];
            ([ports(sport, dport), rest.to_vec()].concat(), vec![0, 0])
        }
        Transport::Udp { sport, dport } => ([ports(sport, dport), short(8 + PAYLOAD).to_vec()].concat(), Vec::new()),
        Transport::Icmp { kind, code, id } => (vec![kind, code], [id.to_be_bytes(), [0, 1]].concat()),
        Transport::Sctp { .. } | Transport::Dccp { .. } | Transport::Other => (Vec::new(), Vec::new()),
    }
}

fn octets(address: IpAddr) -> [u8; 4] {
    match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => [0; 4],
    }
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("short").to_be_bytes()
}

/// Length in bytes of what [`encode`] makes.
pub(crate) fn length(packet: &Packet) -> u32 {
    u32::try_from(encode(packet, 0).len()).expect("short")
}

/// What a raw socket received: the packet and its tag. For an ICMP error the tag is that of the packet that it cites, if long enough.
pub(crate) fn decode(bytes: &[u8]) -> Option<(Packet, Option<u32>)> {
    let header = usize::from(bytes.first()? & 0xf) * 4;
    let address = |at: usize| Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?)));
    let upper = bytes.get(header..)?;
    let word = |at: usize| Some(u16::from_be_bytes(upper.get(at..at + 2)?.try_into().ok()?));
    let protocol = Protocol(*bytes.get(9)?);
    let (transport, payload) = match protocol {
        Protocol::TCP => {
            let flags = TcpFlags(*upper.get(13)?);
            (Transport::Tcp { sport: Port(word(0)?), dport: Port(word(2)?), flags }, 20)
        }
        Protocol::UDP => (Transport::Udp { sport: Port(word(0)?), dport: Port(word(2)?) }, 8),
        Protocol::ICMP => {
            let (kind, code) = (*upper.first()?, *upper.get(1)?);
            let echo = matches!(kind, 0 | 8 | 13 | 14);
            let id = if echo { word(4)? } else { 0 };
            (Transport::Icmp { kind, code, id }, 8)
        }
        _ => return None,
    };
    let tag = upper.get(payload..payload + 4).and_then(|tag| tag.try_into().ok()).map(u32::from_be_bytes);
    let mut packet = Packet::new(address(12)?, address(16)?, protocol, transport, u32::try_from(bytes.len()).ok()?);
    packet.tos = *bytes.get(1)?;
    packet.ttl = *bytes.get(8)?;
    Some((packet, tag))
}

fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([at(pair, 0), at(pair, 1)])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}

fn at(bytes: &[u8], position: usize) -> u8 {
    bytes.get(position).copied().unwrap_or(0)
}
