//! The hash of Bob Jenkins that the kernel calls jhash (`include/linux/jhash.h`), with which `cluster` and nftables' `jhash` choose.
//!
//! Words are those of a little-endian machine, which nodes of Kubernetes are, but for s390x.

/// `JHASH_INITVAL`.
const INITIAL: u32 = 0xdead_beef;

/// `jhash2`: hash of 32-bit words.
pub(crate) fn words(key: &[u32], seed: u32) -> u32 {
    let length = u32::try_from(key.len()).unwrap_or(0);
    let start = INITIAL.wrapping_add(length << 2).wrapping_add(seed);
    mixed(key, start, key.is_empty())
}

/// `jhash`: hash of bytes.
pub(crate) fn bytes(key: &[u8], seed: u32) -> u32 {
    let length = u32::try_from(key.len()).unwrap_or(0);
    let start = INITIAL.wrapping_add(length).wrapping_add(seed);
    let word = |part: &[u8]| {
        part.iter()
            .enumerate()
            .fold(0, |all, (place, byte)| all | (u32::from(*byte) << (8 * u32::try_from(place).unwrap_or(0))))
    };
    let key: Vec<u32> = key.chunks(4).map(word).collect();
    mixed(&key, start, key.is_empty())
}

fn mixed(key: &[u32], start: u32, empty: bool) -> u32 {
    let [mut a, mut b, mut c] = [start; 3];
    let mut rest = key;
    while let [first, second, third, after @ ..] = rest {
        if after.is_empty() {
            break;
        }
        (a, b, c) = (a.wrapping_add(*first), b.wrapping_add(*second), c.wrapping_add(*third));
        (a, b, c) = mix(a, b, c);
        rest = after;
    }
    let part = |place: usize| rest.get(place).copied().unwrap_or(0);
    if empty {
        return c;
    }
    last(a.wrapping_add(part(0)), b.wrapping_add(part(1)), c.wrapping_add(part(2)))
}

/// `__jhash_mix`.
fn mix(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32, u32) {
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    (a, b, c)
}

/// `__jhash_final`.
fn last(mut a: u32, mut b: u32, mut c: u32) -> u32 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

/// `reciprocal_scale` (`include/linux/kernel.h`): a hash brought below `count`.
pub(crate) fn scaled(hash: u32, count: u32) -> u32 {
    u32::try_from((u64::from(hash) * u64::from(count)) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes and words agree; the digest of lookup3's published test ("Four score and seven years ago", seed 0: 17770551).
    #[test]
    fn known_answers() {
        // lookup3 starts from `0xdeadbeef + length + seed`, as jhash does.
        assert_eq!(bytes(b"Four score and seven years ago", 0), 0x1777_0551);
        assert_eq!(bytes(b"Four score and seven years ago", 1), 0xcd62_8161);
        assert_eq!(bytes(b"", 0), 0xdead_beef);
        assert_eq!(words(&[1, 2, 3, 4], 9), bytes(&[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0], 9));
        assert_eq!((scaled(u32::MAX, 3), scaled(0, 3)), (2, 0));
    }
}
