//! Packets as bytes. Shares no code with the simulator.

use std::net::IpAddr;

use super::headers::{Body, DCCP, Headers, ICMP, ICMP6, SCTP, TCP, UDP, flag, has_id};

/// What a frame carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decoded {
    pub headers: Headers,
    /// The tag of the packet, or of the one that an ICMP error cites.
    pub tag: Option<u32>,
    /// Its length in bytes.
    pub length: usize,
    /// Offset in bytes and "more fragments".
    pub fragment: Option<(u16, bool)>,
}

/// Mobility of IPv6 (RFC 6275): its header has a checksum.
const MOBILITY: u8 = 135;

/// Ethernet types.
pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
pub(super) const ARP: u16 = 0x0806;
/// Protocol number of OSPF.
const OSPF: u8 = 89;

/// An Ethernet frame.
pub(super) fn frame(dst: [u8; 6], src: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    [&dst[..], &src, &kind.to_be_bytes(), payload].concat()
}

/// An ARP probe for `target` (RFC 5227): the kernel answers for an address of its own, whatever its routes say.
pub(super) fn arp_probe(src: [u8; 6], target: [u8; 4]) -> Vec<u8> {
    let body = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &src, &[0; 4], &[0; 6], &target].concat();
    frame([0xff; 6], src, ARP, &body)
}

/// The ARP answer `mac` to a request in `payload`; none if it is none.
pub(super) fn arp_answer(payload: &[u8], mac: [u8; 6]) -> Option<Vec<u8>> {
    let [asker_mac, asker, target] = [payload.get(8..14)?, payload.get(14..18)?, payload.get(24..28)?];
    if payload.get(7)? != &1 || asker == target {
        return None;
    }
    let body = [&[0, 1, 8, 0, 6, 4, 0, 2][..], &mac, target, asker_mac, asker].concat();
    Some(frame(asker_mac.try_into().ok()?, mac, ARP, &body))
}

/// The neighbour advertisement (RFC 4861) of `mac` for a solicitation in `packet`, an IPv6 packet.
pub(super) fn neighbour_answer(packet: &[u8], mac: [u8; 6], asker_mac: [u8; 6]) -> Option<Vec<u8>> {
    if packet.get(6)? != &ICMP6 || packet.get(40)? != &135 {
        return None;
    }
    let (asker, target) = (packet.get(8..24)?, packet.get(48..64)?);
    // Solicited and override.
    let upper = [&[136, 0, 0, 0, 0x60, 0, 0, 0][..], target, &[2, 1], &mac].concat();
    let size = u32::try_from(upper.len()).ok()?;
    let pseudo = [target, asker, &size.to_be_bytes(), &[0, 0, 0, ICMP6], &upper].concat();
    let sum = checksum(&pseudo).to_be_bytes();
    let upper = [upper.get(..2)?, &sum, upper.get(4..)?].concat();
    let head = [&[0x60, 0, 0, 0][..], &u16::try_from(size).ok()?.to_be_bytes(), &[ICMP6, 255], target, asker].concat();
    Some(frame(asker_mac, mac, IPV6, &[head, upper].concat()))
}

impl Headers {
    /// The IP packet with right checksums.
    pub fn encode(&self, tag: u32) -> Vec<u8> {
        let upper = self.upper(tag);
        let (src, dst) = (octets(self.src), octets(self.dst));
        if self.v6() {
            let flow = [0x60 | self.tos >> 4, self.tos << 4, 0, 0];
            let (first, upper) = self.extended(tag, upper);
            return [&flow[..], &short(upper.len()), &[first, self.ttl], &src, &dst, &upper].concat();
        }
        let id = u16::try_from(tag & 0xffff).unwrap_or(0).max(1).to_be_bytes();
        let begin = [
            &[0x45, self.tos][..],
            &short(20 + upper.len()),
            &id,
            &(self.fragment.map_or(0, |(offset, more)| (offset / 8) | if more { 0x2000 } else { 0 })
                | if self.df { 0x4000 } else { 0 })
            .to_be_bytes(),
            &[self.ttl, self.protocol],
        ]
        .concat();
        let sum = checksum(&[&begin[..], &src, &dst].concat()).to_be_bytes();
        [&begin[..], &sum, &src, &dst, &upper].concat()
    }

    /// Puts the extension headers before the rest; the number of the first one.
    fn extended(&self, tag: u32, upper: Vec<u8>) -> (u8, Vec<u8>) {
        let (mut next, mut bytes) = (self.protocol, upper);
        if let Some((offset, more)) = self.fragment {
            let word = (offset | u16::from(more)).to_be_bytes();
            bytes = [&[next, 0][..], &word, &tag.to_be_bytes(), &bytes].concat();
            next = 44;
        }
        for kind in self.extensions.iter().rev() {
            // A routing header of type 0 that is used up; options that only pad.
            let content = if *kind == 43 { [0, 0, 0, 0, 0, 0] } else { [1, 4, 0, 0, 0, 0] };
            bytes = [&[next, 0][..], &content, &bytes].concat();
            next = *kind;
        }
        (next, bytes)
    }

    /// Length of what [`Self::encode`] makes, in bytes.
    pub fn length(&self) -> u32 {
        u32::try_from(self.encode(0).len()).unwrap_or(u32::MAX)
    }

    /// Everything above IP, as a raw socket sends it.
    pub fn upper(&self, tag: u32) -> Vec<u8> {
        let filler = vec![b'x'; usize::from(self.payload.saturating_sub(4))];
        let payload = match &self.cited {
            Some(cited) => cited.encode(tag),
            None => [&tag.to_be_bytes()[..], &filler].concat(),
        };
        if self.fragment.is_some_and(|(offset, _)| offset != 0) {
            return payload;
        }
        let ports = |sport: u16, dport: u16| [sport.to_be_bytes(), dport.to_be_bytes()].concat();
        let (bytes, at) = match self.body {
            Body::Tcp { sport, dport, flags, server } => {
                // A SYN takes up one number and eight bytes of payload eight.
                let (own, other) = if server { (1000_u32, 10_u32) } else { (1, 1009) };
                let seq = if flags & flag::SYN != 0 { own } else { own + 9 };
                let ack = if flags & flag::ACK != 0 { other } else { 0 };
                let head = [
                    &ports(sport, dport)[..],
                    &seq.to_be_bytes(),
                    &ack.to_be_bytes(),
                    &[u8::try_from(5 + self.options.len() / 4).unwrap_or(5) << 4, flags, 0xff, 0xff, 0, 0, 0, 0],
                    &self.options,
                ];
                ([&head.concat()[..], &payload].concat(), 16)
            }
            Body::Udp { sport, dport } => {
                ([&ports(sport, dport)[..], &short(8 + payload.len()), &[0, 0], &payload].concat(), 6)
            }
            Body::Sctp { sport, dport, chunk } => return sctp(sport, dport, chunk, &payload),
            // With long sequence numbers; behind that of a request stands the code of the service (RFC 4340, 5.1).
            Body::Dccp { sport, dport, kind } => {
                let service: &[u8] = if kind == 0 { &[0, 0, 0, 1] } else { &[] };
                let words = if kind == 0 { 5 } else { 4 };
                let rest = [words, 0, 0, 0, kind << 1 | 1, 0, 0, 0, 0, 0, 0, 9];
                ([&ports(sport, dport)[..], &rest, service, &payload].concat(), 6)
            }
            Body::Icmp { kind, code, id } => {
                // The MTU that "too big" errors tell: one that changes nothing.
                let mtu = if self.cited.is_some() { 1500 } else { 1 };
                ([&[kind, code, 0, 0][..], &id.to_be_bytes(), &short(mtu), &payload].concat(), 2)
            }
            // OSPF has a sum over all of it; over IPv6 with the addresses.
            Body::Other if self.protocol == OSPF => (other(OSPF, &payload), 4),
            Body::Other if self.protocol == MOBILITY => (other(self.protocol, &payload), 4),
            Body::Other => return other(self.protocol, &payload),
        };
        let mut summed = Vec::new();
        if self.v6() || !matches!(self.protocol, ICMP | OSPF) {
            summed.extend(octets(self.src));
            summed.extend(octets(self.dst));
            summed.extend(u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes());
            summed.extend([0, 0, 0, self.protocol]);
        }
        summed.extend(&bytes);
        let sum = match checksum(&summed) {
            0 if self.protocol == UDP => 0xffff,
            sum => sum,
        };
        [bytes.get(..at).unwrap_or_default(), &sum.to_be_bytes(), bytes.get(at + 2..).unwrap_or_default()].concat()
    }
}

/// One chunk behind the common header (RFC 9260).
fn sctp(sport: u16, dport: u16, chunk: u8, payload: &[u8]) -> Vec<u8> {
    let init = matches!(chunk, 1 | 2);
    // Verification tag: 0 for INIT, else that which the other side gave.
    let vtag: u32 = if chunk == 1 { 0 } else { 7 };
    let fixed: &[u8] = if init { &[0, 0, 0, 7, 0, 0, 0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 1] } else { &[] };
    let content = [fixed, payload].concat();
    let body = [&[chunk, 0][..], &short(4 + content.len()), &content].concat();
    let head = [&sport.to_be_bytes()[..], &dport.to_be_bytes(), &vtag.to_be_bytes()].concat();
    let sum = crc32c(&[&head[..], &[0; 4], &body].concat()).to_le_bytes();
    [&head[..], &sum, &body].concat()
}

/// A protocol that is only a number: but for GRE and AH, whose first bytes the kernel reads.
fn other(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let head: &[u8] = match protocol {
        // GRE version 0; AH with an SPI; ESP with an SPI.
        47 => &[0, 0, 0x08, 0],
        51 => &[59, 4, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        50 => &[0, 0, 0, 5, 0, 0, 0, 1],
        // The mobility header of a home test: 16 bytes with the payload.
        MOBILITY => &[59, 1, 1, 0, 0, 0, 0, 0],
        _ => &[0; 8],
    };
    [head, payload].concat()
}

/// Length of the header above IP, before the tag.
fn header_length(protocol: u8, upper: &[u8]) -> Option<usize> {
    Some(match protocol {
        TCP => usize::from(upper.get(12)? >> 4) * 4,
        UDP | ICMP | ICMP6 => 8,
        SCTP if matches!(upper.get(12)?, 1 | 2) => 32,
        SCTP => 16,
        DCCP => usize::from(*upper.get(4)?) * 4,
        47 => 4,
        51 => 24,
        _ => 8,
    })
}

/// Reads an IP packet.
pub(super) fn decode(bytes: &[u8]) -> Option<Decoded> {
    match bytes.first()? >> 4 {
        4 => {
            let header = usize::from(bytes.first()? & 0xf) * 4;
            let address = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?));
            let word = word(bytes, 6)?;
            let (offset, more) = ((word & 0x1fff) * 8, word & 0x2000 != 0);
            let fragment = (offset != 0 || more).then_some((offset, more));
            let empty = Headers::new(address(12)?, address(16)?, *bytes.get(9)?, Body::Other);
            let base = Headers { ttl: *bytes.get(8)?, tos: *bytes.get(1)?, df: word & 0x4000 != 0, ..empty };
            Some(above(base, bytes.get(header..)?, fragment, bytes.len()))
        }
        6 => {
            let address = |at: usize| Some(IpAddr::from(<[u8; 16]>::try_from(bytes.get(at..at + 16)?).ok()?));
            let tos = (bytes.first()? << 4) | (bytes.get(1)? >> 4);
            let (mut next, mut at, mut fragment, mut extensions) = (*bytes.get(6)?, 40, None, Vec::new());
            while matches!(next, 0 | 43 | 44 | 60) {
                let length = if next == 44 { 8 } else { usize::from(*bytes.get(at + 1)?) * 8 + 8 };
                if next == 44 {
                    let word = word(bytes, at + 2)?;
                    fragment = Some((word & 0xfff8, word & 1 != 0));
                } else {
                    extensions.push(next);
                }
                (next, at) = (*bytes.get(at)?, at + length);
            }
            let empty = Headers::new(address(8)?, address(24)?, next, Body::Other);
            let base = Headers { ttl: *bytes.get(7)?, tos, df: false, extensions, ..empty };
            Some(above(base, bytes.get(at..)?, fragment, bytes.len()))
        }
        _ => None,
    }
}

/// Adds what is above IP.
fn above(mut base: Headers, upper: &[u8], fragment: Option<(u16, bool)>, length: usize) -> Decoded {
    base.fragment = fragment;
    let follows = fragment.is_some_and(|(offset, _)| offset != 0);
    let read = if follows { None } else { read_body(base.protocol, upper) };
    base.body = read.unwrap_or(Body::Other);
    let at = if follows { 0 } else { header_length(base.protocol, upper).unwrap_or(usize::MAX) };
    if base.protocol == TCP && !follows {
        base.options = upper.get(20..at).unwrap_or_default().to_vec();
    }
    let payload = upper.get(at..).unwrap_or_default();
    base.payload = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut tag = payload.get(..4).and_then(|tag| tag.try_into().ok()).map(u32::from_be_bytes);
    if !follows && base.is_error() {
        let cited = decode(payload);
        tag = cited.as_ref().and_then(|cited| cited.tag);
        base.cited = cited.map(|cited| Box::new(cited.headers));
    }
    Decoded { headers: base, tag, length, fragment }
}

/// Reads the header above IP alone, of what a raw socket received.
fn read_body(protocol: u8, upper: &[u8]) -> Option<Body> {
    let (sport, dport) = (word(upper, 0), word(upper, 2));
    Some(match protocol {
        TCP => Body::Tcp { sport: sport?, dport: dport?, flags: *upper.get(13)?, server: false },
        UDP => Body::Udp { sport: sport?, dport: dport? },
        SCTP => Body::Sctp { sport: sport?, dport: dport?, chunk: *upper.get(12)? },
        DCCP => Body::Dccp { sport: sport?, dport: dport?, kind: *upper.get(8)? >> 1 & 0xf },
        ICMP | ICMP6 => {
            let (kind, code) = (*upper.first()?, *upper.get(1)?);
            Body::Icmp { kind, code, id: if has_id(protocol, kind) { word(upper, 4)? } else { 0 } }
        }
        _ => return None,
    })
}

/// Reads what a raw IPv6 socket received from `src`: everything above IP. The destination is not told.
pub(super) fn read_upper(src: IpAddr, protocol: u8, upper: &[u8]) -> Decoded {
    above(Headers::new(src, [0_u8; 16].into(), protocol, Body::Other), upper, None, upper.len() + 40)
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        let [high, low] = [0, 1].map(|at| pair.get(at).copied().unwrap_or(0));
        sum += u32::from(u16::from_be_bytes([high, low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// The checksum of SCTP (RFC 9260, appendix A), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut value = u32::MAX;
    for byte in bytes {
        value ^= u32::from(*byte);
        for _ in 0..8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0x82f6_3b78 } else { value >> 1 };
        }
    }
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets() -> Vec<Headers> {
        let mut packets = Vec::new();
        for (src, dst, icmp) in [("10.1.0.2", "10.2.0.3", ICMP), ("fd00:1::2", "fd00:2::3", ICMP6)] {
            let [src, dst]: [IpAddr; 2] = [src, dst].map(|text| text.parse().expect("an address"));
            let kind = if icmp == ICMP { 8 } else { 128 };
            for (protocol, body) in [
                (TCP, Body::Tcp { sport: 1, dport: 2, flags: 2, server: false }),
                (UDP, Body::Udp { sport: 1, dport: 2 }),
                (SCTP, Body::Sctp { sport: 1, dport: 2, chunk: 1 }),
                (icmp, Body::Icmp { kind, code: 0, id: 7 }),
                (DCCP, Body::Dccp { sport: 1, dport: 2, kind: 0 }),
                (DCCP, Body::Dccp { sport: 1, dport: 2, kind: 2 }),
                (47, Body::Other),
                (200, Body::Other),
            ] {
                let packet = Headers { tos: 0x28, ttl: 3, ..Headers::new(src, dst, protocol, body) };
                packets.push(Headers { fragment: Some((0, true)), ..packet.clone() });
                packets.push(Headers { fragment: Some((64, false)), body: Body::Other, ..packet.clone() });
                if protocol == TCP {
                    packets.push(Headers { options: vec![2, 4, 5, 180], ..packet.clone() });
                }
                if icmp == ICMP6 {
                    packets.push(Headers { extensions: vec![0, 60, 43], ..packet.clone() });
                }
                packets.push(packet);
            }
        }
        packets
    }

    #[test]
    fn what_is_written_is_read() {
        for packet in packets() {
            let decoded = decode(&packet.encode(0x0102_0304)).expect("a packet");
            assert_eq!(decoded.headers, packet);
            assert_eq!(decoded.tag, Some(0x0102_0304), "{packet}");
            assert_eq!(decoded.length, usize::try_from(packet.length()).expect("short"));
        }
    }

    #[test]
    fn an_error_bears_the_tag_of_what_it_is_about() {
        for packet in packets().into_iter().filter(|packet| packet.fragment.is_none()) {
            let error = packet.error(packet.dst, if packet.v6() { 1 } else { 3 }, 1);
            let decoded = decode(&error.encode(77)).expect("a packet");
            assert_eq!(decoded.tag, Some(77), "{error}");
            assert!(decoded.headers.is_error());
            assert_eq!(decoded.headers.cited, error.cited);
        }
    }

    #[test]
    fn checksums_are_those_of_the_standards() {
        // RFC 1071, section 3; RFC 3720, B.4.
        assert_eq!(!checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn broken_packets_are_read_to_their_end() {
        for packet in packets() {
            let bytes = packet.encode(1);
            for length in 0..bytes.len() {
                let _whatever = decode(bytes.get(..length).expect("shorter"));
            }
        }
    }
}
