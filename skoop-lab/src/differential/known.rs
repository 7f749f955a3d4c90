//! The list of what the simulator is known to do otherwise than the kernel.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// What differs.
    pub about: String,
    /// Kernel source and function.
    pub kernel: String,
    /// Words that all stand in the report of such a difference.
    pub shown: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    known: Vec<Known>,
}

impl Known {
    /// Reads the list.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or an entry names no kernel source.
    pub fn read(path: &Path) -> Result<Vec<Self>> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let file: File = toml::from_str(&text).with_context(|| path.display().to_string())?;
        for entry in &file.known {
            ensure!(entry.kernel.contains(".c"), "`{}` names no kernel source", entry.about);
            ensure!(!entry.shown.is_empty(), "`{}` would cover everything", entry.about);
        }
        Ok(file.known)
    }

    /// Whether a difference is this one.
    pub fn covers(&self, difference: &str) -> bool {
        self.shown.iter().all(|words| difference.contains(words.as_str()))
    }
}
