//! `ipv6header` (`net/ipv6/netfilter/ip6t_ipv6header.c`): which extension headers a packet has.

use skoop_model::Packet;

use super::Matcher;
use super::shared::{Pieces, pieces};
use crate::Tri;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

/// Names with the bits of `MASK_*` (`include/uapi/linux/netfilter_ipv6/ip6t_ipv6header.h`).
const HEADERS: [(&[&str], u8); 8] = [
    (&["hop", "hop-by-hop", "ipv6-hopopts", "hopopts", "0"], HOP),
    (&["dst", "ipv6-opts", "60"], DST),
    (&["route", "ipv6-route", "43"], ROUTE),
    (&["frag", "ipv6-frag", "44"], FRAG),
    (&["auth", "ipv6-auth", "ah", "51"], AUTH),
    (&["esp", "ipv6-crypt", "50"], ESP),
    (&["none", "ipv6-nonxt", "59"], NONE),
    (&["prot", "protocol", "proto", "255"], PROTO),
];
const HOP: u8 = 0x80;
const DST: u8 = 0x40;
const ROUTE: u8 = 0x20;
const FRAG: u8 = 0x10;
const AUTH: u8 = 0x08;
const ESP: u8 = 0x04;
const NONE: u8 = 0x02;
const PROTO: u8 = 0x01;

#[derive(Debug)]
pub(crate) struct Ipv6header {
    wanted: u8,
    negated: bool,
    soft: bool,
}

impl Matcher for Ipv6header {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self { wanted: 0, negated: false, soft: false };
        for arg in args {
            match arg.name {
                "--header" => {
                    let bit = |name: &str| HEADERS.iter().find(|(names, _)| names.contains(&name)).map(|(_, bit)| *bit);
                    parsed.wanted = arg.value()?.split(',').try_fold(0, |all, name| Some(all | bit(name)?))?;
                    parsed.negated = arg.negated;
                }
                "--soft" => parsed.soft = true,
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let there = headers(run.packet);
        match pieces(run) {
            Pieces::Whole => self.fits(there).into(),
            Pieces::One(_) => self.fits(there | FRAG).into(),
            Pieces::Several if self.fits(there) == self.fits(there | FRAG) => self.fits(there).into(),
            Pieces::Several => Tri::Maybe,
        }
    }
}

impl Ipv6header {
    fn fits(&self, there: u8) -> bool {
        if self.soft {
            let inverted = if self.negated { 0xff } else { 0 };
            (there ^ self.wanted ^ inverted) & self.wanted == 0
        } else {
            (there == self.wanted) != self.negated
        }
    }
}

/// All but the fragment header.
fn headers(packet: &Packet) -> u8 {
    let extensions = packet.details.as_ref().map_or(&[][..], |details| &details.extensions);
    let inner = extensions.iter().fold(0, |all, header| all | bit(header.protocol.0));
    inner | bit(packet.protocol.0)
}

/// The bit of a header number; PROTO for those that are no extension headers.
fn bit(number: u8) -> u8 {
    match number {
        0 => HOP,
        43 => ROUTE,
        44 => FRAG,
        50 => ESP,
        51 => AUTH,
        59 => NONE,
        60 => DST,
        _ => PROTO,
    }
}
