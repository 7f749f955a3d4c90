//! `skoop explain`: the registry of findings, for people and programs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;
use skoop::findings::{self, FindingKind};
use skoop_model::{Role, Severity};

use crate::args::{ExplainArgs, TextOrJson};
use crate::exit::{Exit, Failure};
use crate::output::{self, Style, wrapped};

/// One finding, for programs.
#[derive(Serialize)]
struct Entry {
    code: &'static str,
    severity: Severity,
    role: Role,
    meaning: &'static str,
    fix: &'static str,
    docs: String,
}

impl From<&FindingKind> for Entry {
    fn from(finding: &FindingKind) -> Self {
        Self {
            code: finding.code(),
            severity: finding.severity(),
            role: finding.role(),
            meaning: finding.meaning(),
            fix: finding.remedy(),
            docs: finding.docs(),
        }
    }
}

/// Explains one finding, or lists all.
pub(crate) fn run(args: &ExplainArgs, style: &Style) -> Result<Exit, Failure> {
    let text = match (&args.code, args.output) {
        (None, TextOrJson::Text) => list(style),
        (None, TextOrJson::Json) => output::json(&findings::all().iter().map(Entry::from).collect::<Vec<_>>())?,
        (Some(code), form) => {
            let finding = findings::find(code).ok_or_else(|| unknown(code))?;
            match form {
                TextOrJson::Text => one(finding, style),
                TextOrJson::Json => output::json(&Entry::from(finding))?,
            }
        }
    };
    output::print(&text)?;
    Ok(Exit::Fine)
}

fn unknown(code: &str) -> Failure {
    let wanted = code.to_ascii_uppercase();
    let words: Vec<&str> = wanted.split('-').filter(|word| word.len() > 2).collect();
    let shared = |finding: &&FindingKind| words.iter().filter(|word| finding.code().contains(**word)).count();
    let failure = Failure::usage(format!("there is no finding `{code}`"));
    match findings::all().iter().max_by_key(|finding| (shared(finding), std::cmp::Reverse(finding.code()))) {
        Some(near) if shared(&near) > 0 => {
            failure.hint(format!("did you mean {}? `skoop explain` lists all", near.code()))
        }
        _ => failure.hint("`skoop explain` lists all"),
    }
}

fn list(style: &Style) -> String {
    let mut all: Vec<&FindingKind> = findings::all().iter().collect();
    all.sort_by_key(|finding| finding.code());
    let widest = all.iter().map(|finding| finding.code().len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in all {
        let room = style.width.saturating_sub(widest + 2).max(20);
        let code = painted(finding.severity(), &format!("{:widest$}", finding.code()), style);
        let meaning = cut(finding.meaning(), room);
        // Writing to a String does not fail, here and below.
        let _ = writeln!(text, "{code}  {meaning}");
    }
    text
}

/// The first sentence, as far as it fits.
fn cut(text: &str, columns: usize) -> String {
    let sentence = text.split_once(". ").map_or(text, |(first, _)| first);
    if sentence.chars().count() <= columns {
        return sentence.trim_end_matches('.').to_owned();
    }
    let mut short: String = sentence.chars().take(columns.saturating_sub(1)).collect();
    short.push('…');
    short
}

fn one(finding: &FindingKind, style: &Style) -> String {
    let (dim, plain) = if style.color { ("\u{1b}[2m", "\u{1b}[0m") } else { ("", "") };
    let mut text = format!(
        "{}  {dim}{}, usually a {}{plain}\n\n",
        painted(finding.severity(), finding.code(), style),
        severity(finding.severity()),
        role(finding.role()),
    );
    for (label, paragraph) in [("", finding.meaning()), ("fix", finding.remedy())] {
        let indent = if label.is_empty() { 0 } else { 5 };
        for (number, line) in wrapped(paragraph, style.width.saturating_sub(indent)).iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            let lead = if indent == 0 { String::new() } else { format!("{dim}{label:indent$}{plain}") };
            let _ = writeln!(text, "{lead}{line}");
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{dim}{}{plain}", finding.docs());
    text
}

fn painted(severity: Severity, text: &str, style: &Style) -> String {
    if !style.color {
        return text.to_owned();
    }
    let code = match severity {
        Severity::Critical => "1;31",
        Severity::Warning => "1;33",
        Severity::Info => "1;34",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Cause => "cause",
        Role::Symptom => "symptom",
    }
}

/// Writes a page for each finding, and an index.
pub(crate) fn write_docs(dir: &Path) -> Result<Exit, Failure> {
    let failed =
        |path: &Path, error: &std::io::Error| Failure::usage(format!("cannot write {}: {error}", path.display()));
    fs::create_dir_all(dir).map_err(|error| failed(dir, &error))?;
    let mut all: Vec<&FindingKind> = findings::all().iter().collect();
    all.sort_by_key(|finding| finding.code());
    let mut index = String::from(
        "# Findings\n\nWritten by `skoop docs` from the registry; do not edit.\n\n| code | severity | meaning |\n|---|---|---|\n",
    );
    for finding in all {
        let (code, meaning) = (finding.code(), finding.meaning());
        let _ = writeln!(index, "| [{code}]({code}.md) | {} | {meaning} |", severity(finding.severity()));
        let page = format!(
            "# {code}\n\n{meaning}\n\n- Severity: {}\n- Usually a {}\n\n## What to do\n\n{}\n\nThe report of a diagnosis names the very \
             object, and commands for it.\n",
            severity(finding.severity()),
            role(finding.role()),
            finding.remedy(),
        );
        let path = dir.join(format!("{code}.md"));
        fs::write(&path, page).map_err(|error| failed(&path, &error))?;
    }
    let path = dir.join("README.md");
    fs::write(&path, index).map_err(|error| failed(&path, &error))?;
    Ok(Exit::Fine)
}
