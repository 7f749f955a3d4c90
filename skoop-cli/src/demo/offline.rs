//! The demonstration without root: recorded clusters, the same diagnosis.

use std::fs;
use std::path::{Path, PathBuf};

use skoop::driver::{self, Silent};
use skoop::render;

use crate::bundle;
use crate::diagnose::runtime;
use crate::exit::{Exit, Failure, chain};
use crate::output::{self, Style};

/// Where recorded clusters lie, from the root of the repository.
pub(super) const DIRECTORY: &str = "examples/bundles";

/// Diagnoses every bundle of a directory, each with the question that was recorded with it.
pub(super) fn run(dir: &Path, why: Option<&str>, style: &Style) -> Result<Exit, Failure> {
    let files = bundles(dir).map_err(|error| match why {
        Some(why) => Failure::new(Exit::NotPermitted, format!("no cluster can be built here ({why}), and {error}"))
            .hint("run `sudo skoop demo`, or name a directory of bundles with --bundles"),
        None => Failure::usage(error),
    })?;
    if let Some(why) = why {
        output::note(&format!("no cluster can be built here: {why}"), style);
    }
    output::note(&format!("diagnosing recorded clusters from {} instead; no packets are sent", dir.display()), style);
    let runtime = runtime()?;
    for (number, file) in files.iter().enumerate() {
        let (source, question) = bundle::open_with_question(file)?;
        let Some(question) = question else {
            output::note(&format!("{} has no question with it", file.display()), style);
            continue;
        };
        let report = runtime
            .block_on(driver::diagnose(&source, question, &Silent))
            .map_err(|error| Failure::usage(format!("{}: {}", file.display(), chain(&error))))?;
        let gap = if number == 0 { "" } else { "\n" };
        output::print(&format!("{gap}{}", render::text(&report, &style.text())))?;
    }
    Ok(Exit::Fine)
}

/// The bundles of a directory, by name; never none.
fn bundles(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(dir).map_err(|error| format!("cannot read {}: {error}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "skoop"))
        .collect();
    files.sort();
    if files.is_empty() { Err(format!("there is no bundle (*.skoop) in {}", dir.display())) } else { Ok(files) }
}
