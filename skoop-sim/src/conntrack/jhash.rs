//! The hash that NAT and HMARK use: Bob Jenkins' lookup3 over words (`include/linux/jhash.h`), and the scaling to a range.

const INIT: u32 = 0xdead_beef;

/// `__jhash_mix`.
fn mix([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
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
    [a, b, c]
}

/// `__jhash_final`.
fn last([mut a, mut b, mut c]: [u32; 3]) -> u32 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

/// `jhash2` of some words.
pub(crate) fn words(words: &[u32], seed: u32) -> u32 {
    let length = u32::try_from(words.len()).unwrap_or(u32::MAX);
    let start = INIT.wrapping_add(length << 2).wrapping_add(seed);
    let mut state = [start; 3];
    let mut rest = words;
    while rest.len() > 3
        && let Some((chunk, after)) = rest.split_first_chunk::<3>()
    {
        state = mix(added(state, chunk));
        rest = after;
    }
    if rest.is_empty() { state[2] } else { last(added(state, rest)) }
}

fn added([a, b, c]: [u32; 3], words: &[u32]) -> [u32; 3] {
    let word = |place: usize| words.get(place).copied().unwrap_or(0);
    [a.wrapping_add(word(0)), b.wrapping_add(word(1)), c.wrapping_add(word(2))]
}

/// `jhash_3words`.
pub(crate) fn three([a, b, c]: [u32; 3], seed: u32) -> u32 {
    let start = INIT.wrapping_add(3 << 2).wrapping_add(seed);
    last([a.wrapping_add(start), b.wrapping_add(start), c.wrapping_add(start)])
}

/// `reciprocal_scale`: a number below `range`.
pub(crate) fn scaled(hash: u32, range: u32) -> u32 {
    u32::try_from((u64::from(hash) * u64::from(range)) >> 32).unwrap_or(0)
}
