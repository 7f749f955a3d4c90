//! Prints the tree as `nft` would.

mod expr;
mod statement;

use std::fmt;

use super::ast::{Base, ChainKind, Rule};

/// The items, with something between them.
struct Joined<'a, T>(&'a [T], &'a str);

impl<T: fmt::Display> fmt::Display for Joined<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, item) in self.0.iter().enumerate() {
            let between = if number == 0 { "" } else { self.1 };
            write!(f, "{between}{item}")?;
        }
        Ok(())
    }
}

/// A text in quotes, with an escape before quotes inside.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Joined(&self.statements, " ").fmt(f)?;
        match &self.comment {
            Some(comment) => write!(f, " comment {}", Quoted(comment)),
            None => Ok(()),
        }
    }
}

/// `type filter hook input priority 0; policy drop;`.
impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ChainKind::Filter => "filter",
            ChainKind::Nat => "nat",
            ChainKind::Route => "route",
            ChainKind::Unknown => "unknown",
        };
        write!(f, "type {kind} hook {}", self.hook)?;
        match &*self.devices {
            [] => {}
            [device] => write!(f, " device {}", Quoted(device))?,
            devices => {
                let quoted: Vec<_> = devices.iter().map(|device| Quoted(device)).collect();
                write!(f, " devices = {{ {} }}", Joined(&quoted, ", "))?;
            }
        }
        let policy = if self.drops { "drop" } else { "accept" };
        write!(f, " priority {}; policy {policy};", self.priority)
    }
}
