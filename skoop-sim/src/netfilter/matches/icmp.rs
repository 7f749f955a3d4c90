//! `icmp` and `icmp6` (`icmp_match` in `net/netfilter/xt_tcpudp.c`): type and code.

use skoop_model::{Family, Transport};

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, byte};
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Icmp {
    kind: Option<u8>,
    codes: (u8, u8),
    negated: bool,
}

/// Names that rule files use; `iptables-save` prints numbers (`libipt_icmp.c`, `libip6t_icmp6.c`).
const NAMES: [(&str, Family, u8, (u8, u8)); 18] = [
    ("echo-reply", Family::V4, 0, ALL),
    ("pong", Family::V4, 0, ALL),
    ("destination-unreachable", Family::V4, 3, ALL),
    ("network-unreachable", Family::V4, 3, (0, 0)),
    ("host-unreachable", Family::V4, 3, (1, 1)),
    ("port-unreachable", Family::V4, 3, (3, 3)),
    ("fragmentation-needed", Family::V4, 3, (4, 4)),
    ("source-quench", Family::V4, 4, ALL),
    ("redirect", Family::V4, 5, ALL),
    ("echo-request", Family::V4, 8, ALL),
    ("ping", Family::V4, 8, ALL),
    ("time-exceeded", Family::V4, 11, ALL),
    ("parameter-problem", Family::V4, 12, ALL),
    ("destination-unreachable", Family::V6, 1, ALL),
    ("packet-too-big", Family::V6, 2, ALL),
    ("time-exceeded", Family::V6, 3, ALL),
    ("echo-request", Family::V6, 128, ALL),
    ("echo-reply", Family::V6, 129, ALL),
];
const ALL: (u8, u8) = (0, u8::MAX);

/// The IPv4 match takes type 255 for any (`icmp_type_code_match`).
const ANY: u8 = 255;

impl Matcher for Icmp {
    fn parse(args: Args<'_>) -> Option<Self> {
        let family = args.family;
        let mut parsed = Self { kind: None, codes: ALL, negated: false };
        for arg in args {
            if !matches!(arg.name, "--icmp-type" | "--icmpv6-type") {
                return None;
            }
            parsed.negated = arg.negated;
            let text = arg.value()?;
            let named = NAMES.iter().find(|(name, of, ..)| *name == text && *of == family);
            let (kind, codes) = match (named, text.split_once('/')) {
                (Some((_, _, kind, codes)), _) => (*kind, *codes),
                (None, None) if text == "any" => (ANY, ALL),
                (None, None) => (byte(text)?, ALL),
                (None, Some((kind, code))) => (byte(kind)?, (byte(code)?, byte(code)?)),
            };
            parsed.kind = (kind != ANY || family == Family::V6).then_some(kind);
            parsed.codes = codes;
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        match run.packet.transport {
            Transport::Icmp { kind, code, .. } => {
                let fits =
                    self.kind.is_none_or(|wanted| wanted == kind && (self.codes.0..=self.codes.1).contains(&code));
                (fits != self.negated).into()
            }
            _ => Tri::No,
        }
    }
}
