//! Cases that once failed, kept as files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::case::Case;
use super::judge::judge;
use super::lab::Lab;

/// A case with what the kernel did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Regression {
    /// What was wrong.
    pub about: String,
    /// The kernel's verdicts, in order.
    pub kernel: Vec<String>,
    pub case: Case,
}

/// Writes a case; the name of the file.
pub(super) fn keep(directory: &Path, case: &Case, text: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let kernel = text.lines().filter_map(|line| line.trim().strip_prefix("kernel ")).map(str::to_owned).collect();
    let regression = Regression { about: text.to_owned(), kernel, case: case.clone() };
    let path =
        directory.join(format!("seed-{}-{}.toml", case.seed, case.flows.first().map_or(0, |flow| flow.steps.len())));
    std::fs::write(&path, toml::to_string_pretty(&regression)?).with_context(|| path.display().to_string())?;
    Ok(path)
}

/// Replays the files of a directory. What differs, by file.
///
/// # Errors
///
/// A file cannot be read, or a tool failed.
pub fn replay(directory: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| directory.display().to_string()),
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    super::lab::pin(0)?;
    let mut differences = Vec::new();
    let mut lab: Option<Lab> = None;
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).with_context(|| name.clone())?;
        let mut regression: Regression = toml::from_str(&text).with_context(|| name.clone())?;
        let mut room = match lab.take().filter(|lab| lab.shape == regression.case.shape) {
            Some(lab) => lab,
            None => Lab::build("replay", regression.case.shape)?,
        };
        let judged = judge(&mut room, &mut regression.case).with_context(|| name.clone())?;
        differences.extend(judged.differences.into_iter().map(|difference| format!("{name}:\n{}", difference.text)));
        lab = Some(room);
    }
    Ok(differences)
}
