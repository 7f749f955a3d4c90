//! `ecn` (`net/netfilter/xt_ecn.c`): congestion bits of the IP and TCP headers.

use super::Matcher;
use crate::Tri;
use crate::netfilter::args::{Args, byte};
use crate::netfilter::run::Run;

const ECE: u8 = 0x40;
const CWR: u8 = 0x80;

#[derive(Debug, Default)]
pub(crate) struct Ecn {
    ip: Option<(u8, bool)>,
    /// TCP flag wanted, and whether it is unwanted.
    tcp: Vec<(u8, bool)>,
}

impl Matcher for Ecn {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        for arg in args {
            match arg.name {
                "--ecn-ip-ect" => parsed.ip = Some((byte(arg.value()?).filter(|bits| *bits < 4)?, arg.negated)),
                "--ecn-tcp-ece" => parsed.tcp.push((ECE, arg.negated)),
                "--ecn-tcp-cwr" => parsed.tcp.push((CWR, arg.negated)),
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let ip = self.ip.is_none_or(|(bits, negated)| (run.packet.tos & 3 == bits) != negated);
        let flags = run.packet.tcp_flags();
        let tcp = self.tcp.iter().all(|(bit, negated)| flags.is_some_and(|flags| (flags.0 & bit != 0) != *negated));
        (ip && tcp).into()
    }
}
