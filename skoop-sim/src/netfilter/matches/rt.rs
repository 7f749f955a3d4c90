//! `rt` (`net/ipv6/netfilter/ip6t_rt.c`): the routing header of IPv6.

use std::net::Ipv6Addr;

use super::Matcher;
use super::shared::{Header, Within, extension, extension_length};
use crate::Tri;
use crate::netfilter::args::{Args, number};
use crate::netfilter::run::Run;

const ROUTING: u8 = 43;

#[derive(Debug)]
pub(crate) struct Rt(Box<Tests>);

#[derive(Debug)]
struct Tests {
    kind: Option<(u32, bool)>,
    segments_left: Within,
    length: Option<(u32, bool)>,
    reserved: bool,
    addresses: Option<Vec<Ipv6Addr>>,
    not_strict: bool,
}

impl Matcher for Rt {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Tests {
            kind: None,
            segments_left: Within::ANY,
            length: None,
            reserved: false,
            addresses: None,
            not_strict: false,
        };
        for arg in args {
            match arg.name {
                "--rt-type" => parsed.kind = Some((number(arg.value()?)?, arg.negated)),
                "--rt-segsleft" => parsed.segments_left = Within::parse(arg.value()?, arg.negated)?,
                "--rt-len" => parsed.length = Some((number(arg.value()?)?, arg.negated)),
                "--rt-0-res" => parsed.reserved = true,
                "--rt-0-addrs" => {
                    let list = arg.value()?.split(',').map(|text| text.parse().ok());
                    parsed.addresses = Some(list.collect::<Option<_>>()?);
                }
                "--rt-0-not-strict" => parsed.not_strict = true,
                _ => return None,
            }
        }
        Some(Self(Box::new(parsed)))
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        match extension(run.packet, ROUTING) {
            Header::Absent => Tri::No,
            Header::Opaque => Tri::Maybe,
            Header::Known(bytes, _) => self.0.of_bytes(bytes).into(),
        }
    }
}

impl Tests {
    fn of_bytes(&self, bytes: &[u8]) -> bool {
        let (Some(length), [_, _, kind, left, reserved @ ..]) = (extension_length(bytes), bytes) else { return false };
        let is =
            |test: Option<(u32, bool)>, number: u32| test.is_none_or(|(wanted, negated)| (wanted == number) != negated);
        let header = self.segments_left.holds(u32::from(*left))
            && is(self.length, u32::try_from(length).unwrap_or(u32::MAX))
            && is(self.kind, u32::from(*kind))
            && (!self.reserved || reserved.iter().take(4).all(|byte| *byte == 0));
        let Some(wanted) = &self.addresses else { return header };
        let there = addresses(bytes.get(8..length).unwrap_or_default());
        if wanted.len() > there.len() {
            return false;
        }
        let listed = if self.not_strict {
            let mut missing = wanted.iter().peekable();
            for address in &there {
                missing.next_if_eq(&address);
            }
            missing.peek().is_none()
        } else {
            *wanted == there
        };
        header && listed
    }
}

fn addresses(bytes: &[u8]) -> Vec<Ipv6Addr> {
    bytes.chunks_exact(16).filter_map(|octets| <[u8; 16]>::try_from(octets).ok()).map(Ipv6Addr::from).collect()
}
