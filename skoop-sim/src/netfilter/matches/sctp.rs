//! `sctp` (`net/netfilter/xt_sctp.c`): ports and chunks of SCTP.

use skoop_model::{PortRange, SctpChunk, Transport};

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, byte, ports};
use crate::netfilter::run::Run;

/// Chunk types by name (`libxt_sctp.c`).
const CHUNKS: [(&str, u8); 22] = [
    ("DATA", 0),
    ("INIT", 1),
    ("INIT_ACK", 2),
    ("SACK", 3),
    ("HEARTBEAT", 4),
    ("HEARTBEAT_ACK", 5),
    ("ABORT", 6),
    ("SHUTDOWN", 7),
    ("SHUTDOWN_ACK", 8),
    ("ERROR", 9),
    ("COOKIE_ECHO", 10),
    ("COOKIE_ACK", 11),
    ("ECN_ECNE", 12),
    ("ECN_CWR", 13),
    ("SHUTDOWN_COMPLETE", 14),
    ("I_DATA", 64),
    ("RE_CONFIG", 130),
    ("ASCONF_ACK", 128),
    ("PAD", 132),
    ("FORWARD_TSN", 192),
    ("ASCONF", 193),
    ("I_FORWARD_TSN", 194),
];

/// Flags by chunk type, the letter of bit 0 first.
const FLAGS: [(u8, &str); 4] = [(0, "EBUI"), (6, "T"), (14, "T"), (64, "EBUI")];

#[derive(Debug, Default)]
pub(crate) struct Sctp {
    sports: Option<(PortRange, bool)>,
    dports: Option<(PortRange, bool)>,
    chunks: Option<Box<Chunks>>,
}

#[derive(Debug)]
struct Chunks {
    mode: Mode,
    wanted: Vec<Wanted>,
    negated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    All,
    Any,
    Only,
}

#[derive(Debug, Clone, Copy)]
struct Wanted {
    kind: u8,
    flag_mask: u8,
    flags: u8,
}

impl Matcher for Sctp {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        for arg in args {
            match arg.name {
                "--sport" | "--source-port" => parsed.sports = Some((ports(arg.value()?, ':')?, arg.negated)),
                "--dport" | "--destination-port" => parsed.dports = Some((ports(arg.value()?, ':')?, arg.negated)),
                "--chunk-types" => {
                    let (mode, list) = arg.two_values()?;
                    let mode = match mode.to_ascii_lowercase().as_str() {
                        "all" => Mode::All,
                        "any" => Mode::Any,
                        "only" => Mode::Only,
                        _ => return None,
                    };
                    parsed.chunks = Some(Box::new(Chunks { mode, wanted: wanted(list)?, negated: arg.negated }));
                }
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let Transport::Sctp { sport, dport } = run.packet.transport else {
            return Tri::No;
        };
        let within = |range: Option<(PortRange, bool)>, port| {
            range.is_none_or(|(range, negated)| range.contains(port) != negated)
        };
        if run.packet.is_later_fragment() || !within(self.sports, sport) || !within(self.dports, dport) {
            return Tri::No;
        }
        let Some(chunks) = &self.chunks else { return Tri::Yes };
        match run.packet.details.as_ref().and_then(|details| details.sctp_chunks.as_ref()) {
            Some(there) => (chunks.holds(there) != chunks.negated).into(),
            None => Tri::Maybe,
        }
    }

    fn doubt(&self) -> Option<String> {
        Some("match `sctp`: the chunks of the packet are not known".to_owned())
    }
}

/// `INIT,DATA:uBE`; a letter in upper case is a flag that has to be set, in lower case one that must not.
fn wanted(list: &str) -> Option<Vec<Wanted>> {
    match list {
        "ALL" => return Some((0..=u8::MAX).map(|kind| Wanted { kind, flag_mask: 0, flags: 0 }).collect()),
        "NONE" => return Some(Vec::new()),
        _ => {}
    }
    list.split(',').map(one).collect()
}

fn one(text: &str) -> Option<Wanted> {
    let (name, letters) = text.split_once(':').unwrap_or((text, ""));
    let named = CHUNKS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let kind = named.map_or_else(|| byte(name), |(_, kind)| Some(*kind))?;
    let mut found = Wanted { kind, flag_mask: 0, flags: 0 };
    let own_flags = FLAGS.iter().find(|(of, _)| *of == kind).map_or("", |(_, flags)| flags);
    for letter in letters.chars() {
        let bit = 1_u8 << own_flags.chars().position(|known| known == letter.to_ascii_uppercase())?;
        found.flag_mask |= bit;
        if letter.is_ascii_uppercase() {
            found.flags |= bit;
        }
    }
    Some(found)
}

impl Chunks {
    /// `match_packet`.
    fn holds(&self, there: &[SctpChunk]) -> bool {
        let fitting = |chunk: &SctpChunk| {
            let wanted = self.wanted.iter().find(|wanted| wanted.kind == chunk.kind);
            wanted.is_some_and(|wanted| chunk.flags & wanted.flag_mask == wanted.flags)
        };
        match self.mode {
            Mode::Any => there.iter().any(fitting),
            Mode::Only => there.iter().all(fitting),
            Mode::All => self.wanted.iter().all(|wanted| {
                there.iter().any(|chunk| chunk.kind == wanted.kind && chunk.flags & wanted.flag_mask == wanted.flags)
            }),
        }
    }
}
