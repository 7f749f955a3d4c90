//! `jhash` with a known seed (`net/netfilter/nft_hash.c`).

use super::{Scope, Seen, Source};
use crate::conntrack::jhash::scaled;
use crate::netfilter::jhash;
use crate::netfilter::run::Run;

/// A hash over values, scaled to a number of options.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hashed {
    /// With the bytes that each part takes.
    pub parts: Vec<(Source, usize)>,
    pub modulus: u32,
    pub offset: u32,
    pub seed: u32,
}

impl Hashed {
    pub(super) fn eval(&self, run: &Run<'_>, scope: Scope<'_>) -> Option<Seen> {
        let mut bytes = Vec::new();
        for (part, length) in &self.parts {
            let Some(value) = part.eval(run, scope)?.exact() else { return Some(Seen::unknown(32)) };
            let all = value.to_be_bytes();
            bytes.extend_from_slice(all.get(all.len().saturating_sub(*length)..)?);
            // Registers are filled in steps of four bytes.
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let hash = jhash::bytes(&bytes, self.seed);
        let scaled = scaled(hash, self.modulus);
        Some(Seen::whole(u128::from(scaled) + u128::from(self.offset), 32))
    }
}
