//! `eui64` (`net/ipv6/netfilter/ip6t_eui64.c`): whether the source address was made from the source MAC address.

use std::net::IpAddr;

use super::Matcher;
use crate::Tri;
use crate::conntrack::Origin;
use crate::netfilter::args::Args;
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Eui64;

impl Matcher for Eui64 {
    fn parse(mut args: Args<'_>) -> Option<Self> {
        args.next().is_none().then_some(Self)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let IpAddr::V6(src) = run.packet.src else { return Tri::No };
        match (run.state.source_mac, run.state.origin) {
            (Some(mac), _) => {
                let (vendor, device) = mac.0.split_at(3);
                let mut made = [vendor, &[0xff, 0xfe], device].concat();
                if let Some(first) = made.first_mut() {
                    *first ^= 2;
                }
                src.octets().ends_with(&made).into()
            }
            (None, Some(Origin::Local)) => Tri::No,
            (None, _) => Tri::Maybe,
        }
    }

    fn doubt(&self) -> Option<String> {
        Some("match `eui64`: the source MAC address is not known".to_owned())
    }
}
