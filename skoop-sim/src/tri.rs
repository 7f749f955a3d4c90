//! Three-valued logic.

use std::ops::Not;

/// True, false, or not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tri {
    /// True.
    Yes,
    /// False.
    No,
    /// Not known.
    Maybe,
}

impl Tri {
    /// Both; "no" decides whatever the other is.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Maybe,
        }
    }

    /// Either; "yes" decides whatever the other is.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        !((!self).and(!other))
    }

    /// Inverted where `inverted` is set.
    #[must_use]
    pub fn invert_if(self, inverted: bool) -> Self {
        if inverted { !self } else { self }
    }
}

impl Not for Tri {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
        }
    }
}

impl From<bool> for Tri {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::Tri::{Maybe, No, Yes};

    #[test]
    fn unknown_spoils_only_what_it_can_decide() {
        assert_eq!(No.and(Maybe), No);
        assert_eq!(Yes.and(Maybe), Maybe);
        assert_eq!(Yes.or(Maybe), Yes);
        assert_eq!(No.or(Maybe), Maybe);
        assert_eq!(!Maybe, Maybe);
        assert_eq!(Yes.invert_if(true), No);
    }
}
