//! The kernel's hash over bytes (`jhash`, `include/linux/jhash.h`), with which nftables' `jhash` chooses.
//!
//! Words are those of a little-endian machine, which nodes of Kubernetes are, but for s390x.

use crate::conntrack::jhash::words;

/// `jhash`: hash of bytes.
pub(crate) fn bytes(key: &[u8], seed: u32) -> u32 {
    let word = |part: &[u8]| part.iter().rev().fold(0, |all, byte| (all << 8) | u32::from(*byte));
    let key_words: Vec<u32> = key.chunks(4).map(word).collect();
    // `jhash2` counts whole words where `jhash` counts bytes.
    let rest = key_words.len() * 4 - key.len();
    words(&key_words, seed.wrapping_sub(u32::try_from(rest).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published test of lookup3, whose `hashlittle` begins as jhash does.
    #[test]
    fn known_answers() {
        assert_eq!(bytes(b"Four score and seven years ago", 0), 0x1777_0551);
        assert_eq!(bytes(b"Four score and seven years ago", 1), 0xcd62_8161);
        assert_eq!(bytes(b"", 0), 0xdead_beef);
    }
}
