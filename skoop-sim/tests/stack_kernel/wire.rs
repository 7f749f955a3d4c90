//! Frames as bytes: Ethernet, IPv4 and IPv6, TCP, UDP, ICMP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use skoop_model::{Details, Family, Frame, MacAddr, Packet, Port, Protocol, TcpFlags, Transport};

/// A frame seen on a wire, and the MTU that an ICMP error in it tells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub frame: Frame,
    pub mtu_bytes: Option<u32>,
}

/// The frame with right checksums, as long as its packet says.
pub(crate) fn encode(frame: &Frame) -> Vec<u8> {
    let kind: [u8; 2] = if frame.packet.dst.is_ipv4() { [8, 0] } else { [0x86, 0xdd] };
    [&frame.dst_mac.0[..], &frame.src_mac.0, &kind, &ip(&frame.packet)].concat()
}

/// An ARP probe for `address`, which its owner answers.
pub(crate) fn arp_probe(mac: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    let head = [&[0xff; 6][..], &mac.0, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &mac.0, &[0; 4], &[0; 6]].concat();
    [head, address.octets().to_vec(), vec![0; 18]].concat()
}

/// Whether the bytes are an ARP reply.
pub(crate) fn is_arp_reply(bytes: &[u8]) -> bool {
    bytes.get(12..14) == Some(&[8, 6]) && bytes.get(20..22) == Some(&[0, 2])
}

fn ip(packet: &Packet) -> Vec<u8> {
    let upper = upper(packet);
    match (packet.src, packet.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let df = if packet.dont_fragment { 0x40 } else { 0 };
            let total = short(20 + upper.len());
            let rest = [0, 1, df, 0, packet.ttl, packet.protocol.0];
            let head =
                |sum: [u8; 2]| [&[0x45, packet.tos][..], &total, &rest, &sum, &src.octets(), &dst.octets()].concat();
            [head(checksum(&head([0, 0])).to_be_bytes()), upper].concat()
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let class = [0x60 | (packet.tos >> 4), packet.tos << 4, 0, 0];
            let rest = [packet.protocol.0, packet.ttl];
            [&class[..], &short(upper.len()), &rest, &src.octets(), &dst.octets(), &upper].concat()
        }
        // Nothing that a wire could carry.
        _ => Vec::new(),
    }
}

fn upper(packet: &Packet) -> Vec<u8> {
    let header = if packet.dst.is_ipv4() { 20 } else { 40 };
    let size = usize::try_from(packet.length_bytes).expect("fits") - header;
    let ports = |sport: Port, dport: Port| [sport.0.to_be_bytes(), dport.0.to_be_bytes()].concat();
    let (mut bytes, at) = match packet.transport {
        Transport::Tcp { sport, dport, flags } => {
            let rest = [0, 0, 0, 1, 0, 0, 0, 0, 5 << 4, flags.0, 0xff, 0xff, 0, 0, 0, 0];
            ([ports(sport, dport), rest.to_vec()].concat(), Some(16))
        }
        Transport::Udp { sport, dport } => ([ports(sport, dport), short(size).to_vec(), vec![0, 0]].concat(), Some(6)),
        Transport::Icmp { kind, code, id } => {
            ([vec![kind, code, 0, 0], id.to_be_bytes().to_vec(), vec![0, 1]].concat(), Some(2))
        }
        _ => (Vec::new(), None),
    };
    if let Some(cited) = packet.details.as_ref().and_then(|details| details.cited.as_ref()) {
        bytes.extend(ip(cited));
    }
    bytes.resize(size.max(bytes.len()), 0);
    if let Some(at) = at {
        let pseudo = if packet.protocol == Protocol::ICMP {
            Vec::new()
        } else {
            [octets(packet.src), octets(packet.dst), vec![0, packet.protocol.0], short(bytes.len()).to_vec()].concat()
        };
        let sum = checksum(&[pseudo, bytes.clone()].concat()).to_be_bytes();
        bytes.splice(at..at + 2, sum);
    }
    bytes
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("short").to_be_bytes()
}

/// What came off a wire; none if it is no IP or no packet that a test could have caused.
pub(crate) fn decode(bytes: &[u8]) -> Option<Seen> {
    let mac = |at: usize| Some(MacAddr(bytes.get(at..at + 6)?.try_into().ok()?));
    let (packet, mtu_bytes) = decode_ip(bytes.get(14..)?)?;
    Some(Seen { frame: Frame { dst_mac: mac(0)?, src_mac: mac(6)?, packet }, mtu_bytes })
}

fn decode_ip(bytes: &[u8]) -> Option<(Packet, Option<u32>)> {
    let word = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let (src, dst, protocol, ttl, tos, length, df, header) = match bytes.first()? >> 4 {
        4 => {
            let address =
                |at: usize| Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?)));
            // Of a packet in fragments the first one stands for all.
            if word(6)? & 0x1fff != 0 {
                return None;
            }
            let df = bytes.get(6)? & 0x40 != 0;
            (address(12)?, address(16)?, *bytes.get(9)?, *bytes.get(8)?, *bytes.get(1)?, word(2)?, df, 20)
        }
        6 => {
            let address =
                |at: usize| Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.get(at..at + 16)?).ok()?)));
            let tos = (bytes.first()? << 4) | (bytes.get(1)? >> 4);
            (address(8)?, address(24)?, *bytes.get(6)?, *bytes.get(7)?, tos, word(4)? + 40, true, 40)
        }
        _ => return None,
    };
    let upper = bytes.get(header..)?;
    // Listener reports of the kernel's own come behind a hop-by-hop header.
    if protocol == 0 {
        return None;
    }
    let port = |at: usize| Some(Port(u16::from_be_bytes(upper.get(at..at + 2)?.try_into().ok()?)));
    let mut cited = None;
    let mut mtu_bytes = None;
    let transport = match Protocol(protocol) {
        Protocol::TCP => {
            Transport::Tcp { sport: port(0)?, dport: port(2)?, flags: TcpFlags(*upper.get(13).unwrap_or(&0)) }
        }
        Protocol::UDP => Transport::Udp { sport: port(0)?, dport: port(2)? },
        of @ (Protocol::ICMP | Protocol::ICMPV6) => {
            let (kind, code) = (*upper.first()?, *upper.get(1)?);
            // Neighbour discovery and listener reports are the kernel's own affair.
            if of == Protocol::ICMPV6 && matches!(kind, 130..=137 | 143) {
                return None;
            }
            let echo = matches!(kind, 0 | 8 | 128 | 129);
            if !echo {
                cited = upper.get(8..).and_then(decode_ip).map(|(packet, _)| packet);
                if matches!((of, kind, code), (Protocol::ICMP, 3, 4)) {
                    mtu_bytes = port(6).map(|port| u32::from(port.0));
                } else if matches!((of, kind), (Protocol::ICMPV6, 2)) {
                    mtu_bytes = port(6).map(|port| u32::from(port.0));
                }
            }
            Transport::Icmp { kind, code, id: if echo { port(4)?.0 } else { 0 } }
        }
        _ => Transport::Other,
    };
    let mut packet = Packet::new(src, dst, Protocol(protocol), transport, u32::from(length));
    (packet.ttl, packet.tos, packet.dont_fragment) = (ttl, tos, df);
    packet.details = cited.map(|cited| Box::new(Details { cited: Some(cited), ..Details::default() }));
    Some((packet, mtu_bytes))
}

/// The frame without what a wire does not carry or a citation does not hold.
pub(crate) fn comparable(frame: &Frame) -> Frame {
    let mut frame = frame.clone();
    frame.packet.mark = skoop_model::Mark(0);
    frame.packet.length_bytes = frame.packet.fragment_bytes.take().unwrap_or(frame.packet.length_bytes);
    if let Some(cited) = frame.packet.details.as_mut().and_then(|details| details.cited.as_mut()) {
        cited.mark = skoop_model::Mark(0);
        cited.details = None;
        if Family::of(cited.dst) == Family::V6 {
            cited.dont_fragment = true;
        }
    }
    frame
}

fn checksum(bytes: &[u8]) -> u16 {
    let word =
        |pair: &[u8]| pair.first().copied().map_or(0, u32::from) << 8 | pair.get(1).copied().map_or(0, u32::from);
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}
