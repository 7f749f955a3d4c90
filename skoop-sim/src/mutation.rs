//! Faults planted on purpose, to prove that the tests against the kernel see them. Without the feature `mutations` nothing of it is built
//! in: `is` is then always false.

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// `! -s` counts as `-s`.
    NegationIgnored,
    /// `RETURN` accepts.
    ReturnAccepts,
    /// A chain that was jumped to does not return.
    JumpForgets,
    /// Policies never drop.
    PolicyIgnored,
    /// Forwarding leaves the TTL as it is.
    TtlStays,
    /// `rp_filter` of `all` does not count.
    RpFilterOfAllIgnored,
    /// An ACK that begins a flow is invalid.
    AckInvalid,
    /// `MASQUERADE` takes the address of the second device, whatever the packet leaves by.
    MasqueradeElsewhere,
    /// Base chains of one hook run the other way round.
    OrderReversed,
    /// `REJECT` drops without an answer.
    RejectSilent,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::NegationIgnored,
        Self::ReturnAccepts,
        Self::JumpForgets,
        Self::PolicyIgnored,
        Self::TtlStays,
        Self::RpFilterOfAllIgnored,
        Self::AckInvalid,
        Self::MasqueradeElsewhere,
        Self::OrderReversed,
        Self::RejectSilent,
    ];
}

#[cfg(feature = "mutations")]
mod planted {
    use std::cell::Cell;

    use super::Mutation;

    std::thread_local! {
        static PLANTED: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    /// Plants a fault in what this thread compiles and walks from now on, or removes it.
    pub fn plant(mutation: Option<Mutation>) {
        PLANTED.set(mutation);
    }

    pub(crate) fn is(mutation: Mutation) -> bool {
        PLANTED.get() == Some(mutation)
    }
}

#[cfg(feature = "mutations")]
pub(crate) use planted::is;
#[cfg(feature = "mutations")]
pub use planted::plant;

/// Whether the fault is planted.
#[cfg(not(feature = "mutations"))]
#[inline]
pub(crate) const fn is(_mutation: Mutation) -> bool {
    false
}
