//! How a command ends.

use std::fmt;
use std::process::ExitCode;

use skoop_model::Verdict;

/// Exit codes of all commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Reachable, all right.
    Fine = 0,
    /// A bug, or the system failed.
    Internal = 1,
    /// The caller's mistake.
    Usage = 2,
    /// Unreachable, damaged, not right.
    Unreachable = 3,
    /// Undetermined.
    Undetermined = 4,
    /// Degraded.
    Degraded = 5,
    /// Not permitted to look at all.
    NotPermitted = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Reachable => Self::Fine,
            Verdict::Unreachable => Self::Unreachable,
            Verdict::Degraded => Self::Degraded,
            Verdict::Undetermined => Self::Undetermined,
        }
    }
}

impl Exit {
    /// The worse of two: what did not work at all before what works at times, before what is not known.
    pub(crate) fn worse(self, other: Self) -> Self {
        let rank = |exit: Self| match exit {
            Self::Fine => 0,
            Self::Undetermined => 1,
            Self::Degraded => 2,
            Self::Unreachable => 3,
            Self::Usage => 4,
            Self::NotPermitted => 5,
            Self::Internal => 6,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// Why a command could not do its work, and how it ends.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How it ends.
    pub(crate) exit: Exit,
    /// What happened, one line.
    pub(crate) message: String,
    /// What to do about it, if the message does not say it.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure with its message.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// The caller's mistake.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The same with advice.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A bug, or a failing system.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Internal, format!("{error:#}"))
    }
}

/// Reads like the chain of an error on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    struct Chain<'a>(&'a (dyn std::error::Error + 'static));
    impl fmt::Display for Chain<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}", self.0)?;
            let mut source = self.0.source();
            while let Some(cause) = source {
                write!(f, ": {cause}")?;
                source = cause.source();
            }
            Ok(())
        }
    }
    Chain(error).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_of_two_verdicts_counts() {
        assert_eq!(Exit::Fine.worse(Exit::Undetermined), Exit::Undetermined);
        assert_eq!(Exit::Unreachable.worse(Exit::Degraded), Exit::Unreachable);
        assert_eq!(Exit::Degraded.worse(Exit::Usage), Exit::Usage);
        assert_eq!(Exit::Fine.worse(Exit::Fine), Exit::Fine);
    }
}
