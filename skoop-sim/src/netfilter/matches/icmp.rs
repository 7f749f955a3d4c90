//! `icmp` and `icmp6` (`icmp_match` in `net/netfilter/xt_tcpudp.c`): type and code.

use skoop_model::{Family, Transport};

use super::Matcher;
use super::icmp_names::{ALL, icmp_named};
use crate::Tri;
use crate::netfilter::args::{Args, byte};
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Icmp {
    kind: Option<u8>,
    codes: (u8, u8),
    negated: bool,
}

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
            let named = icmp_named(text, family);
            let (kind, codes) = match (named, text.split_once('/')) {
                (Some(named), _) => named,
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
            Transport::Icmp { kind, code, .. } if !run.packet.is_later_fragment() => {
                let fits =
                    self.kind.is_none_or(|wanted| wanted == kind && (self.codes.0..=self.codes.1).contains(&code));
                (fits != self.negated).into()
            }
            _ => Tri::No,
        }
    }
}
