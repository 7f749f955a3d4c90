//! `iprange` (`net/netfilter/xt_iprange.c`): addresses between two others.

use std::net::IpAddr;

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, addresses};
use crate::netfilter::run::Run;

#[derive(Debug, Default)]
pub(crate) struct Iprange(Box<Ranges>);

#[derive(Debug, Default)]
struct Ranges {
    src: Option<(IpAddr, IpAddr, bool)>,
    dst: Option<(IpAddr, IpAddr, bool)>,
}

impl Matcher for Iprange {
    fn parse(args: Args<'_>) -> Option<Self> {
        let family = args.family;
        let mut parsed = Ranges::default();
        for arg in args {
            let (first, last) = addresses(arg.value()?, family)?;
            let range = Some((first, last, arg.negated));
            match arg.name {
                "--src-range" => parsed.src = range,
                "--dst-range" => parsed.dst = range,
                _ => return None,
            }
        }
        Some(Self(Box::new(parsed)))
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let within = |range: Option<(IpAddr, IpAddr, bool)>, address| {
            range.is_none_or(|(first, last, negated)| (first..=last).contains(&address) != negated)
        };
        (within(self.0.src, run.packet.src) && within(self.0.dst, run.packet.dst)).into()
    }
}
