//! `ECN` (`net/ipv4/netfilter/ipt_ECN.c`): the bits for explicit congestion notification, of TCP and of IP.

use skoop_model::TcpFlags;

use super::{Applied, Effect};
use crate::netfilter::args::{Args, byte};
use crate::netfilter::run::Run;
use crate::netfilter::table::RuleId;

const ECE: u8 = 0x40;
const CWR: u8 = 0x80;

#[derive(Debug, Default)]
pub(crate) struct Ecn {
    ece: Option<bool>,
    cwr: Option<bool>,
    /// The lower two bits of the TOS byte.
    ip: Option<u8>,
}

impl Applied for Ecn {
    fn parse(args: Args<'_>) -> Option<Self> {
        let mut parsed = Self::default();
        for arg in args {
            arg.plain()?;
            let bit = || byte(arg.value()?).filter(|bit| *bit < 2).map(|bit| bit == 1);
            match arg.name {
                "--ecn-tcp-remove" => (parsed.ece, parsed.cwr) = (Some(false), Some(false)),
                "--ecn-tcp-ece" => parsed.ece = Some(bit()?),
                "--ecn-tcp-cwr" => parsed.cwr = Some(bit()?),
                "--ecn-ip-ect" => parsed.ip = Some(byte(arg.value()?).filter(|bits| *bits < 4)?),
                _ => return None,
            }
        }
        Some(parsed)
    }

    fn apply(&self, run: &mut Run<'_>, rule: RuleId) -> Effect {
        if let Some(bits) = self.ip {
            run.set_tos((run.packet.tos & !3) | bits, rule);
        }
        if let Some(TcpFlags(mut flags)) = run.packet.tcp_flags() {
            for (set, bit) in [(self.ece, ECE), (self.cwr, CWR)] {
                flags = match set {
                    None => flags,
                    Some(true) => flags | bit,
                    Some(false) => flags & !bit,
                };
            }
            run.set_tcp_flags(TcpFlags(flags), rule);
        }
        Effect::Continue
    }
}
