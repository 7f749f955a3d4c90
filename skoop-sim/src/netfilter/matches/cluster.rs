//! `cluster` (`net/netfilter/xt_cluster.c`): the share of one node of a cluster, by a hash over the source of the flow.

use std::net::IpAddr;

use super::Matcher;
use crate::Tri;
use crate::conntrack::jhash;
use crate::netfilter::args::{Args, number};
use crate::netfilter::run::Run;

#[derive(Debug)]
pub(crate) struct Cluster {
    total: u32,
    /// Bit N stands for node N, from 0.
    mask: u32,
    seed: u32,
    negated: bool,
}

impl Matcher for Cluster {
    fn parse(args: Args<'_>) -> Option<Self> {
        let (mut total, mut mask, mut seed, mut negated) = (None, None, None, false);
        for arg in args {
            let value = number(arg.value()?)?;
            match arg.name {
                "--cluster-total-nodes" => total = Some(value),
                "--cluster-local-node" => {
                    mask = Some(1_u32.checked_shl(value.checked_sub(1)?)?);
                    negated = arg.negated;
                }
                "--cluster-local-nodemask" => {
                    mask = Some(value);
                    negated = arg.negated;
                }
                "--cluster-hash-seed" => seed = Some(value),
                _ => return None,
            }
        }
        Some(Self { total: total?, mask: mask?, seed: seed?, negated })
    }

    fn eval(&self, run: &Run<'_>) -> Tri {
        let Some((connection, ..)) = run.conntrack.of_packet(run.state) else { return Tri::No };
        if connection.assumed {
            return Tri::Maybe;
        }
        // Words as the machine reads them from memory. Of IPv6 only the first one counts: `NF_CT_TUPLE_L3SIZE` is a number of words, which
        // the match divides by the size of a word.
        let first = match connection.original.src {
            IpAddr::V4(src) => u32::from_le_bytes(src.octets()),
            IpAddr::V6(src) => {
                let [high, low, ..] = src.segments();
                u32::from_le_bytes(((u32::from(high) << 16) | u32::from(low)).to_be_bytes())
            }
        };
        let hash = jhash::words(&[first], self.seed);
        let node = jhash::scaled(hash, self.total);
        ((self.mask.checked_shr(node).unwrap_or(0) & 1 != 0) != self.negated).into()
    }
}
