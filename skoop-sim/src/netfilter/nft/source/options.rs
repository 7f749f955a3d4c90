//! Extension headers, options of TCP and IP, chunks of SCTP (`net/netfilter/nft_exthdr.c`).

use skoop_model::{Details, Packet};

use super::Seen;
use crate::netfilter::run::Run;

/// A part of a packet that may be there or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartKey {
    part: Part,
    /// Offset and length of a field in bits; none: whether it is there.
    field: Option<(usize, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Header number.
    Extension(u8),
    /// Kind of the option.
    Tcp(u8),
    Ip(u8),
    /// Type of the chunk.
    Sctp(u8),
}

const EXTENSIONS: [(&str, u8); 8] =
    [("hbh", 0), ("rt", 43), ("rt0", 43), ("rt2", 43), ("srh", 43), ("frag", 44), ("dst", 60), ("mh", 135)];

const TCP_OPTIONS: [(&str, u8); 17] = [
    ("eol", 0),
    ("nop", 1),
    ("noop", 1),
    ("maxseg", 2),
    ("mss", 2),
    ("window", 3),
    ("sack-perm", 4),
    ("sack-permitted", 4),
    ("sack", 5),
    ("sack0", 5),
    ("sack1", 5),
    ("sack2", 5),
    ("sack3", 5),
    ("timestamp", 8),
    ("md5sig", 19),
    ("mptcp", 30),
    ("fastopen", 34),
];

const IP_OPTIONS: [(&str, u8); 4] = [("lsrr", 131), ("rr", 7), ("ssrr", 137), ("ra", 148)];

const CHUNKS: [(&str, u8); 16] = [
    ("data", 0),
    ("init", 1),
    ("init-ack", 2),
    ("sack", 3),
    ("heartbeat", 4),
    ("heartbeat-ack", 5),
    ("abort", 6),
    ("shutdown", 7),
    ("shutdown-ack", 8),
    ("error", 9),
    ("cookie-echo", 10),
    ("cookie-ack", 11),
    ("ecne", 12),
    ("cwr", 13),
    ("shutdown-complete", 14),
    ("asconf-ack", 128),
];

/// Fields: option or header, name, offset and length in bits (`src/exthdr.c`, `src/tcpopt.c`, `src/ipopt.c` of nftables).
const FIELDS: &[(&str, &str, usize, usize)] = &[
    ("", "nexthdr", 0, 8),
    ("", "hdrlength", 8, 8),
    ("", "kind", 0, 8),
    ("", "length", 8, 8),
    ("rt", "type", 16, 8),
    ("rt", "seg-left", 24, 8),
    ("rt2", "addr", 64, 128),
    ("frag", "frag-off", 16, 13),
    ("frag", "more-fragments", 31, 1),
    ("frag", "id", 32, 32),
    ("mh", "type", 16, 8),
    ("maxseg", "size", 16, 16),
    ("mss", "size", 16, 16),
    ("window", "count", 16, 8),
    ("timestamp", "tsval", 16, 32),
    ("timestamp", "tsecr", 48, 32),
    ("sack", "left", 16, 32),
    ("sack", "right", 48, 32),
    ("sack0", "left", 16, 32),
    ("sack0", "right", 48, 32),
    ("mptcp", "subtype", 16, 4),
    ("lsrr", "ptr", 16, 8),
    ("rr", "ptr", 16, 8),
    ("ssrr", "ptr", 16, 8),
    ("ra", "value", 16, 16),
];

fn number(names: &[(&str, u8)], name: &str) -> Option<u8> {
    names.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

impl PartKey {
    pub(in crate::netfilter::nft) fn extension(name: &str, field: Option<&str>) -> Option<Self> {
        Self::new(Part::Extension(number(&EXTENSIONS, name)?), name, field)
    }

    pub(in crate::netfilter::nft) fn tcp_option(name: &str, field: Option<&str>) -> Option<Self> {
        let kind = number(&TCP_OPTIONS, name).or_else(|| name.parse().ok())?;
        Self::new(Part::Tcp(kind), name, field)
    }

    pub(in crate::netfilter::nft) fn ip_option(name: &str, field: Option<&str>) -> Option<Self> {
        Self::new(Part::Ip(number(&IP_OPTIONS, name)?), name, field)
    }

    pub(in crate::netfilter::nft) fn chunk(name: &str, field: Option<&str>) -> Option<Self> {
        // What stands in a chunk is not modelled.
        field.is_none().then(|| Self::new(Part::Sctp(number(&CHUNKS, name)?), name, field)).flatten()
    }

    fn new(part: Part, name: &str, field: Option<&str>) -> Option<Self> {
        let place = |field: &str| {
            let mut fields = FIELDS.iter().filter(|(of, ..)| of.is_empty() || *of == name);
            fields.find(|(_, known, ..)| *known == field).map(|(.., offset, length)| (*offset, *length))
        };
        let field = match field {
            None => None,
            Some(field) => Some(place(field)?),
        };
        Some(Self { part, field })
    }

    pub(super) fn eval(self, run: &Run<'_>) -> Option<Seen> {
        let found = find(self.part, run.packet);
        let Some((offset, length)) = self.field else {
            return Some(match found {
                Found::Unknown => Seen::unknown(1),
                Found::Absent => Seen::whole(0, 1),
                Found::Opaque | Found::Known(_) => Seen::whole(1, 1),
            });
        };
        let width = u32::try_from(length).ok()?;
        match found {
            Found::Absent => None,
            Found::Unknown | Found::Opaque => Some(Seen::unknown(width)),
            Found::Known(bytes) => bits(&bytes, offset, length).map(|value| Seen::whole(value, width)),
        }
    }
}

enum Found {
    Unknown,
    Absent,
    /// It is there; what it holds is not known.
    Opaque,
    Known(Vec<u8>),
}

fn find(part: Part, packet: &Packet) -> Found {
    let none = Details::default();
    let details = packet.details.as_deref().unwrap_or(&none);
    let v6 = packet.src.is_ipv6();
    match part {
        Part::Extension(_) if !v6 => Found::Absent,
        Part::Extension(44) if details.fragment.is_some() || packet.fragment_bytes.is_some() => Found::Opaque,
        Part::Extension(number) if packet.protocol.0 == number => Found::Opaque,
        Part::Extension(number) => {
            let header = details.extensions.iter().find(|header| header.protocol.0 == number);
            header.map_or(Found::Absent, |header| Found::Known(header.bytes.0.clone()))
        }
        Part::Ip(_) if v6 => Found::Absent,
        Part::Ip(kind) => option(&details.ip_options.0, kind),
        Part::Tcp(_) if packet.tcp_flags().is_none() => Found::Absent,
        Part::Tcp(kind) => details.tcp_options.as_ref().map_or(Found::Unknown, |options| option(&options.0, kind)),
        Part::Sctp(_) if packet.protocol.0 != 132 => Found::Absent,
        Part::Sctp(kind) => match &details.sctp_chunks {
            None => Found::Unknown,
            Some(chunks) if chunks.iter().any(|chunk| chunk.kind == kind) => Found::Opaque,
            Some(_) => Found::Absent,
        },
    }
}

/// The first option of a kind (`nft_exthdr_tcp_eval`): kinds 0 and 1 are one byte long, the others tell their length.
fn option(mut options: &[u8], kind: u8) -> Found {
    while let Some(first) = options.first() {
        let length = match (first, options.get(1)) {
            (0 | 1, _) => 1,
            (_, Some(length)) => usize::from(*length),
            (_, None) => return Found::Absent,
        };
        let Some((option, rest)) = options.split_at_checked(length).filter(|_| length > 0) else {
            return Found::Absent;
        };
        if *first == kind {
            return Found::Known(option.to_vec());
        }
        options = rest;
    }
    Found::Absent
}

fn bits(bytes: &[u8], offset: usize, length: usize) -> Option<u128> {
    let mut value = 0;
    for bit in offset..offset + length {
        value = (value << 1) | u128::from((bytes.get(bit / 8)? >> (7 - bit % 8)) & 1);
    }
    Some(value)
}
