//! Parts of a finding: how bad, what kind, on what evidence, mended how.

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Will hurt some day, or hurts something else.
    Warning,
    /// Breaks what was asked.
    Critical,
}

/// Whether a finding is the root of the trouble or shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The root.
    Cause,
    /// A consequence that was seen.
    Symptom,
}

/// The very object that a finding rests on: its kind, and its text as the standard tool prints it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Evidence {
    /// `route`, `rule`, `link`, `address`, `neighbour`, `fdb`, `sysctl`, `socket`, `iptables`, `nftables`, `object`, `missing`.
    pub kind: String,
    /// The object verbatim, with its line or handle where it has one.
    pub text: String,
}

impl Evidence {
    /// Evidence of a kind.
    pub fn new(kind: &str, text: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), text: text.into() }
    }
}

/// How to mend it. Never run by skoop outside its lab.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Fix {
    /// What to do, how far it reaches, and who would overwrite it.
    pub text: String,
    /// Commands as argument lists, to be run in the finding's namespace on its node; empty where no command mends it.
    pub commands: Vec<Vec<String>>,
}
