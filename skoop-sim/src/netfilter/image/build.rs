//! From a packet to its bytes.

use std::net::IpAddr;

use skoop_model::{Bytes, Details, Encap, Family, Fragment, Packet, Protocol, Transport};

use super::Image;

/// Packets in packets are written out to this depth.
const MAX_DEPTH: u8 = 3;

const ESP: u8 = 50;
const AH: u8 = 51;
const IPCOMP: u8 = 108;
const FRAGMENT: u8 = 44;

/// Writes a packet; `depth` packets are around it.
pub(super) fn image(packet: &Packet, depth: u8) -> Image {
    let nothing = Details::default();
    let details = packet.details.as_deref().unwrap_or(&nothing);
    let mut image = Image::default();
    match (packet.src, packet.dst) {
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            image.ipv6(packet, details, src.octets(), dst.octets());
        }
        (src, dst) => image.ipv4(packet, details, octets_v4(src), octets_v4(dst)),
    }
    let length = usize::try_from(packet.length_bytes).unwrap_or(usize::MAX);
    let start = image.bytes.len();
    image.total = length.max(start);
    if packet.is_later_fragment() {
        image.payload(details);
    } else {
        image.transport = Some(start);
        image.header(packet, details);
        if image.inner_unknown {
            // Nothing behind the header has a known place.
            image.total = image.total.max(image.bytes.len());
        } else {
            image.inner = Some(image.bytes.len());
            image.total = image.total.max(image.bytes.len());
            image.contents(packet, details, depth);
        }
    }
    image.bytes.truncate(image.total);
    image.known.truncate(image.total);
    image
}

/// An address of the other family cannot stand in such a header.
fn octets_v4(address: IpAddr) -> [u8; 4] {
    match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => [0; 4],
    }
}

impl Image {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.known.resize(self.bytes.len(), 0xff);
    }

    fn put_unknown(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len() + count, 0);
        self.known.resize(self.bytes.len(), 0);
    }

    fn put_masked(&mut self, byte: u8, known: u8) {
        self.bytes.push(byte & known);
        self.known.push(known);
    }

    fn put_u16(&mut self, number: Option<u16>) {
        match number {
            Some(number) => self.put(&number.to_be_bytes()),
            None => self.put_unknown(2),
        }
    }

    fn put_u32(&mut self, number: Option<u32>) {
        match number {
            Some(number) => self.put(&number.to_be_bytes()),
            None => self.put_unknown(4),
        }
    }

    fn ipv4(&mut self, packet: &Packet, details: &Details, src: [u8; 4], dst: [u8; 4]) {
        let options = details.ip_options.0.get(..40).unwrap_or(&details.ip_options.0);
        let words = options.len().div_ceil(4);
        self.put(&[0x45 + u8::try_from(words).unwrap_or(10), packet.tos]);
        self.put_u16(Some(u16::try_from(packet.length_bytes).unwrap_or(u16::MAX)));
        self.put_u16(details.ip_id.and_then(|id| u16::try_from(id).ok()));
        let place = details.fragment.unwrap_or(Fragment { offset_bytes: 0, more: false });
        let offset = u16::try_from(place.offset_bytes / 8).unwrap_or(0) & 0x1fff;
        let flags = if packet.dont_fragment { 0x4000 } else { 0 } | if place.more { 0x2000 } else { 0 };
        self.put(&(offset | flags).to_be_bytes());
        self.put(&[packet.ttl, packet.protocol.0]);
        let checksum = self.bytes.len();
        self.put_unknown(2);
        self.put(&src);
        self.put(&dst);
        self.put(options);
        self.put(&vec![0; words * 4 - options.len()]);
        if details.ip_id.is_some() {
            let sum = internet_checksum(&self.bytes);
            for ((byte, known), value) in
                self.bytes.iter_mut().zip(&mut self.known).skip(checksum).zip(sum.to_be_bytes())
            {
                (*byte, *known) = (value, 0xff);
            }
        }
    }

    fn ipv6(&mut self, packet: &Packet, details: &Details, src: [u8; 16], dst: [u8; 16]) {
        self.put(&[0x60 | (packet.tos >> 4)]);
        let label = details.flow_label.map(u32::to_be_bytes);
        if let Some([_, high, middle, low]) = label {
            self.put(&[(packet.tos << 4) | (high & 0x0f), middle, low]);
        } else {
            self.put_masked(packet.tos << 4, 0xf0);
            self.put_unknown(2);
        }
        self.put_u16(Some(u16::try_from(packet.length_bytes.saturating_sub(40)).unwrap_or(u16::MAX)));
        let mut headers: Vec<(u8, &[u8])> = Vec::new();
        headers.extend(details.extensions.iter().map(|header| (header.protocol.0, header.bytes.0.as_slice())));
        let fragment = details.fragment.map(|place| fragment_header(place, details.ip_id.unwrap_or(0)));
        if let Some(bytes) = &fragment {
            headers.push((FRAGMENT, bytes));
        }
        let kinds = headers.iter().map(|(kind, _)| *kind).chain([packet.protocol.0]);
        let next: Vec<u8> = kinds.collect();
        self.put(&[next.first().copied().unwrap_or(packet.protocol.0), packet.ttl]);
        self.put(&src);
        self.put(&dst);
        for ((kind, bytes), follows) in headers.into_iter().zip(next.iter().skip(1)) {
            self.put(&[*follows]);
            self.put(bytes.get(1..).unwrap_or_default());
            if kind == FRAGMENT && details.ip_id.is_none() {
                let start = self.known.len().saturating_sub(4);
                self.known.iter_mut().skip(start).for_each(|known| *known = 0);
            }
        }
    }

    /// The header above IP. Sets `inner_unknown` if its length is not known.
    fn header(&mut self, packet: &Packet, details: &Details) {
        match packet.transport {
            Transport::Tcp { sport, dport, flags } => {
                self.put(&sport.0.to_be_bytes());
                self.put(&dport.0.to_be_bytes());
                self.put_u32(details.sequence);
                self.put_u32(details.acknowledgement);
                self.tcp_rest(flags.0, details);
            }
            Transport::Udp { sport, dport } => {
                self.put(&sport.0.to_be_bytes());
                self.put(&dport.0.to_be_bytes());
                let start = self.transport.unwrap_or(0);
                let length = u16::try_from(self.total.saturating_sub(start)).unwrap_or(u16::MAX);
                // The third word of UDP-Lite says how much the checksum covers.
                self.put_u16(Some(length).filter(|_| packet.protocol == Protocol::UDP));
                self.put_unknown(2);
            }
            Transport::Sctp { sport, dport } => {
                self.put(&sport.0.to_be_bytes());
                self.put(&dport.0.to_be_bytes());
                self.put_unknown(8);
            }
            Transport::Dccp { sport, dport, kind } => {
                self.put(&sport.0.to_be_bytes());
                self.put(&dport.0.to_be_bytes());
                self.put_unknown(4);
                self.put_masked(kind << 1, 0x1e);
                self.inner_unknown = true;
            }
            Transport::Icmp { kind, code, id } => {
                self.put(&[kind, code]);
                self.put_unknown(2);
                if has_identifier(packet.family(), kind) {
                    self.put(&id.to_be_bytes());
                    self.put_u16(details.sequence.and_then(|number| u16::try_from(number).ok()));
                } else {
                    self.put_u32(details.icmp_word);
                }
            }
            Transport::Other => self.other_header(packet.protocol, details),
        }
    }

    fn tcp_rest(&mut self, flags: u8, details: &Details) {
        let Some(Bytes(options)) = &details.tcp_options else {
            self.put_unknown(1);
            self.put(&[flags]);
            self.put_u16(details.window);
            self.put_unknown(4);
            self.inner_unknown = true;
            return;
        };
        let words = options.len().div_ceil(4).min(10);
        self.put(&[u8::try_from(5 + words).unwrap_or(15) << 4, flags]);
        self.put_u16(details.window);
        self.put_unknown(4);
        let options = options.get(..words * 4).unwrap_or(options);
        self.put(options);
        self.put(&vec![0; words * 4 - options.len()]);
    }

    fn other_header(&mut self, protocol: Protocol, details: &Details) {
        match protocol.0 {
            ESP => {
                self.put_u32(details.spi);
                self.put_unknown(4);
            }
            AH => {
                self.put_unknown(4);
                self.put_u32(details.spi);
                self.inner_unknown = true;
            }
            IPCOMP => {
                self.put_unknown(2);
                self.put_u16(details.spi.and_then(|cpi| u16::try_from(cpi).ok()));
            }
            // No header that anything looks into.
            _ => {}
        }
    }

    /// What follows the header above IP.
    fn contents(&mut self, packet: &Packet, details: &Details, depth: u8) {
        if depth < MAX_DEPTH {
            if let Some(encap) = &packet.encap {
                return self.vxlan(encap, depth);
            }
            if let (Transport::Icmp { .. }, Some(cited)) = (packet.transport, &details.cited) {
                return self.append(&image(cited, depth + 1));
            }
        }
        if let (Transport::Sctp { .. }, Some(chunks), None) = (packet.transport, &details.sctp_chunks, &details.payload)
        {
            for chunk in chunks {
                self.put(&[chunk.kind, chunk.flags]);
                self.put_u16(chunk.length_bytes);
                let Some(length) = chunk.length_bytes else { return };
                let body = usize::from(length).saturating_sub(4);
                self.put_unknown(body.div_ceil(4) * 4);
            }
            return;
        }
        self.payload(details);
    }

    fn payload(&mut self, details: &Details) {
        if let Some(payload) = &details.payload {
            self.put(&payload.0);
        }
    }

    fn vxlan(&mut self, encap: &Encap, depth: u8) {
        self.put(&[0x08, 0, 0, 0]);
        self.put(&(encap.vni.0 << 8).to_be_bytes());
        self.put(&encap.frame.dst_mac.0);
        self.put(&encap.frame.src_mac.0);
        let ethertype: u16 = match encap.frame.packet.family() {
            Family::V4 => 0x0800,
            Family::V6 => 0x86dd,
        };
        self.put(&ethertype.to_be_bytes());
        self.append(&image(&encap.frame.packet, depth + 1));
    }

    fn append(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
        self.known.extend_from_slice(&other.known);
    }
}

fn fragment_header(place: Fragment, id: u32) -> [u8; 8] {
    let offset = u16::try_from(place.offset_bytes / 8).unwrap_or(0) << 3 | u16::from(place.more);
    let ([high, low], [a, b, c, d]) = (offset.to_be_bytes(), id.to_be_bytes());
    [0, 0, high, low, a, b, c, d]
}

/// ICMP types whose second word begins with an identifier.
fn has_identifier(family: Family, kind: u8) -> bool {
    match family {
        Family::V4 => matches!(kind, 0 | 8 | 13..=18),
        Family::V6 => matches!(kind, 128 | 129),
    }
}

/// RFC 1071.
fn internet_checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    };
    let sum: u32 = bytes.chunks(2).map(word).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded & 0xffff).unwrap_or(0)
}
