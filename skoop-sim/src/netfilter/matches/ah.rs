//! `ah` (`net/ipv4/netfilter/ipt_ah.c`, `net/ipv6/netfilter/ip6t_ah.c`): the authentication header.

use skoop_model::Family;

use super::Matcher;
use super::shared::{Header, Within, extension};
use crate::Tri;
use crate::netfilter::args::{Args, number};
use crate::netfilter::run::Run;

const AH: u8 = 51;

#[derive(Debug)]
pub(crate) struct Ah {
    spi: Within,
    length: Option<(u32, bool)>,
    reserved: bool,
}

impl Matcher for Ah {
    fn parse(args: Args<'_>) -> Option<Self> {
        let family = args.family;
        let mut parsed = Self { spi: Within::ANY, length: None, reserved: false };
        for arg in args {
            match arg.name {
                "--ahspi" => parsed.spi = Within::parse(arg.value()?, arg.negated)?,
                // 0 asks for nothing ("!ahinfo->hdrlen").
                "--ahlen" if family == Family::V6 => {
                    parsed.length = Some((number(arg.value()?)?, arg.negated)).filter(|(length, _)| *length != 0);
                }
                "--ahres" if family == Family::V6 => parsed.reserved = true,
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let packet = &*run.packet;
        if packet.is_later_fragment() {
            return Tri::No;
        }
        match extension(packet, AH) {
            Header::Absent => Tri::No,
            Header::Opaque => {
                let rest = if self.length.is_some() || self.reserved { Tri::Maybe } else { Tri::Yes };
                self.spi.of(packet.details.as_ref().and_then(|details| details.spi)).and(rest)
            }
            Header::Known(bytes, _) => self.of_bytes(bytes).into(),
        }
    }

    fn doubt(&self) -> Option<String> {
        Some("match `ah`: what the authentication header holds is not known".to_owned())
    }
}

impl Ah {
    fn of_bytes(&self, bytes: &[u8]) -> bool {
        let [_, words, reserved_high, reserved_low, a, b, c, d, ..] = bytes else { return false };
        let length = (u32::from(*words) + 2) * 4;
        self.spi.holds(u32::from_be_bytes([*a, *b, *c, *d]))
            && self.length.is_none_or(|(wanted, negated)| (wanted == length) != negated)
            && !(self.reserved && (*reserved_high, *reserved_low) != (0, 0))
    }
}
