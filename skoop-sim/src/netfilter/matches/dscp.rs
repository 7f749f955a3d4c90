//! `dscp` (`net/netfilter/xt_dscp.c`): the upper six bits of the TOS byte.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, byte};
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Dscp {
    value: u8,
    negated: bool,
}

/// Class names (`dscp_helper.c` of iptables): `CSn`, `BE`, `AFxy`, `EF`.
pub(crate) fn class(name: &str) -> Option<u8> {
    let name = name.to_ascii_uppercase();
    if let Some(number) = name.strip_prefix("CS") {
        return number.parse::<u8>().ok().filter(|number| *number < 8).map(|number| number << 3);
    }
    match (name.as_str(), name.strip_prefix("AF").map(str::as_bytes)) {
        ("BE", _) => Some(0),
        ("EF", _) => Some(0x2e),
        (_, Some([class @ b'1'..=b'4', drop @ b'1'..=b'3'])) => Some(((class - b'0') << 3) | ((drop - b'0') << 1)),
        _ => None,
    }
}

impl Matcher for Dscp {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = None;
        for arg in args {
            let value = match arg.name {
                "--dscp" => byte(arg.value()?).filter(|value| *value < 64)?,
                "--dscp-class" => class(arg.value()?)?,
                _ => return None,
            };
            parsed = Some(Self { value, negated: arg.negated });
        }
        parsed
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        ((run.packet.tos >> 2 == self.value) != self.negated).into()
    }
}
