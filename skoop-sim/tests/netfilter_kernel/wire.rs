//! IPv4 packets as bytes.

use std::net::{IpAddr, Ipv4Addr};

use skoop_model::{Packet, Port, Protocol, TcpFlags, Transport};

/// Payload that tells packets of one test from others.
const PAYLOAD: usize = 8;

/// The packet with right checksums; the kernel fills in that of the IP header.
pub(crate) fn encode(packet: &Packet, tag: u32) -> Vec<u8> {
    let (IpAddr::V4(src), IpAddr::V4(dst)) = (packet.src, packet.dst) else { panic!("IPv4 only") };
    let mut payload = vec![0; PAYLOAD];
    payload[..4].copy_from_slice(&tag.to_be_bytes());
    let mut upper = match packet.transport {
        Transport::Tcp { sport, dport, flags } => {
            let mut tcp = Vec::from([sport.0.to_be_bytes(), dport.0.to_be_bytes()].concat());
            // A SYN takes up one number and the payload eight; both ends begin with 1.
            let seq = if flags.contains(TcpFlags::SYN) { 1 } else { 10 };
            tcp.extend([0, 0, 0, seq, 0, 0, 0, 10, 5 << 4, flags.0, 0xff, 0xff, 0, 0, 0, 0]);
            tcp
        }
        Transport::Udp { sport, dport } => {
            let length = u16::try_from(8 + PAYLOAD).expect("short").to_be_bytes();
            [sport.0.to_be_bytes(), dport.0.to_be_bytes(), length, [0, 0]].concat()
        }
        Transport::Icmp { kind, code, id } => [&[kind, code, 0, 0][..], &id.to_be_bytes(), &[0, 1]].concat(),
        other => panic!("{other:?} is not sent"),
    };
    upper.extend(payload);
    let (offset, pseudo) = match packet.protocol {
        Protocol::TCP => (16, true),
        Protocol::UDP => (6, true),
        _ => (2, false),
    };
    let mut summed = Vec::new();
    if pseudo {
        summed.extend(src.octets());
        summed.extend(dst.octets());
        summed.extend([0, packet.protocol.0]);
        summed.extend(u16::try_from(upper.len()).expect("short").to_be_bytes());
    }
    summed.extend(&upper);
    upper[offset..offset + 2].copy_from_slice(&checksum(&summed).to_be_bytes());
    let total = u16::try_from(20 + upper.len()).expect("short").to_be_bytes();
    let mut bytes = vec![0x45, packet.tos, total[0], total[1], 0, 0, 0x40, 0, packet.ttl, packet.protocol.0, 0, 0];
    bytes.extend(src.octets());
    bytes.extend(dst.octets());
    bytes.extend(upper);
    bytes
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
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}
