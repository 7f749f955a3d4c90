//! What was seen, when; or why it was not seen.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One part of a snapshot: a value with its time, or the reason why there is none. Never silently empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item<T> {
    /// The value, as it was at `at_ms`.
    Known {
        /// Time of reading, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// What was read.
        value: T,
    },
    /// It could not be read.
    Unavailable(Unavailable),
}

impl<T> Item<T> {
    /// A value read at `at_ms` milliseconds since the Unix epoch.
    pub fn known(at_ms: u64, value: T) -> Self {
        Self::Known { at_ms, value }
    }

    /// A part that could not be read.
    pub fn unavailable(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Unavailable(Unavailable::new(reason, detail))
    }

    /// A part that nobody asked for.
    pub fn not_collected() -> Self {
        Self::unavailable(Reason::NotCollected, "not collected")
    }

    /// The value, if it was read.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Unavailable(_) => None,
        }
    }

    /// The value, or why there is none.
    ///
    /// # Errors
    ///
    /// The [`Unavailable`] that stands in the value's place.
    pub fn get(&self) -> Result<&T, &Unavailable> {
        match self {
            Self::Known { value, .. } => Ok(value),
            Self::Unavailable(why) => Err(why),
        }
    }

    /// Time of reading in milliseconds since the Unix epoch.
    pub fn at_ms(&self) -> Option<u64> {
        match self {
            Self::Known { at_ms, .. } => Some(*at_ms),
            Self::Unavailable(_) => None,
        }
    }

    /// The same item with its value changed by `f`.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Item<U> {
        match self {
            Self::Known { at_ms, value } => Item::Known { at_ms, value: f(value) },
            Self::Unavailable(why) => Item::Unavailable(why),
        }
    }
}

impl<T> Item<Vec<T>> {
    /// The elements; none if the item is unavailable. For places where "unknown" was dealt with before.
    pub fn elements(&self) -> &[T] {
        self.value().map_or(&[], Vec::as_slice)
    }
}

/// Why something could not be seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unavailable {
    /// Kind of reason.
    pub reason: Reason,
    /// What happened, with operation and object, for people.
    pub detail: String,
}

impl Unavailable {
    /// A reason with its detail.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

/// Kinds of reasons why something could not be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The caller may not look.
    Permission,
    /// The kernel, the tool or the API lacks it.
    Unsupported,
    /// It existed and vanished while being read.
    Gone,
    /// No such object.
    NotFound,
    /// It did not answer in time.
    Timeout,
    /// It answered with something that could not be understood.
    Malformed,
    /// Nobody asked for it.
    NotCollected,
    /// Anything else that failed.
    Failed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permission => "not permitted",
            Self::Unsupported => "unsupported",
            Self::Gone => "gone",
            Self::NotFound => "not found",
            Self::Timeout => "timed out",
            Self::Malformed => "malformed",
            Self::NotCollected => "not collected",
            Self::Failed => "failed",
        })
    }
}
