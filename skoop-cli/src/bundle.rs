//! `skoop bundle`, and bundles for other commands.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use skoop::collect::bundle::{Bundle, BundleError, BundleInfo, MemberState};
use skoop::driver::BundleSource;
use skoop_model::{Question, Unavailable};

use crate::args::{BundleCommand, TextOrJson};
use crate::exit::{Exit, Failure, chain};
use crate::output::{self, Style};

/// Runs a command of `bundle`.
pub(crate) fn run(command: &BundleCommand, style: &Style) -> Result<Exit, Failure> {
    let (file, is_info) = match command {
        BundleCommand::Info(file) => (file, true),
        BundleCommand::Verify(file) => (file, false),
    };
    let info = Bundle::verify_file(&file.file).map_err(|error| failure(&file.file, &error))?;
    let text = match (file.output, is_info) {
        (TextOrJson::Json, _) => output::json(&Described::from(&info))?,
        (TextOrJson::Text, true) => described(&info, style),
        (TextOrJson::Text, false) => verified(&info, style),
    };
    output::print(&text)?;
    Ok(if info.is_ok() { Exit::Fine } else { Exit::Unreachable })
}

/// A bundle as a source.
pub(crate) fn open(path: &Path) -> Result<BundleSource, Failure> {
    Bundle::read_file(path).map(BundleSource::new).map_err(|error| failure(path, &error))
}

/// A bundle as a source, with the question for which it was recorded.
#[cfg(feature = "lab")]
pub(crate) fn open_with_question(path: &Path) -> Result<(BundleSource, Option<Question>), Failure> {
    let source = open(path)?;
    let question = source.bundle().question.clone();
    Ok((source, question))
}

/// Writes a bundle.
pub(crate) fn save(bundle: &Bundle, path: &Path) -> Result<(), Failure> {
    bundle.write_file(path).map_err(|error| Failure::usage(chain(&error)))
}

/// What is wrong with a bundle is for whoever named it to mend.
fn failure(path: &Path, error: &BundleError) -> Failure {
    let exit = match error {
        BundleError::Open { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => Exit::NotPermitted,
        _ => Exit::Usage,
    };
    match error {
        // It names the file itself.
        BundleError::Open { .. } => Failure::new(exit, chain(error)),
        _ => Failure::new(exit, format!("{}: {}", path.display(), chain(error))),
    }
}

/// What a bundle says about itself, for programs.
#[derive(Serialize)]
struct Described<'a> {
    schema: u32,
    version: &'a str,
    created_at_ms: u64,
    question: Option<&'a Question>,
    intact: bool,
    members: Vec<DescribedMember<'a>>,
    unavailable: Vec<DescribedMissing<'a>>,
}

#[derive(Serialize)]
struct DescribedMember<'a> {
    name: &'a str,
    size_bytes: u64,
    sha256: &'a str,
    state: &'static str,
}

#[derive(Serialize)]
struct DescribedMissing<'a> {
    what: &'a str,
    why: &'a Unavailable,
}

impl<'a> From<&'a BundleInfo> for Described<'a> {
    fn from(info: &'a BundleInfo) -> Self {
        let members = info.members.iter().map(|member| DescribedMember {
            name: &member.name,
            size_bytes: member.size_bytes,
            sha256: &member.sha256,
            state: state(member.state),
        });
        Self {
            schema: info.schema,
            version: &info.version,
            created_at_ms: info.created_at_ms,
            question: info.question.as_ref(),
            intact: info.is_ok(),
            members: members.collect(),
            unavailable: info.unavailable.iter().map(|(what, why)| DescribedMissing { what, why }).collect(),
        }
    }
}

fn state(state: MemberState) -> &'static str {
    match state {
        MemberState::Intact => "intact",
        MemberState::Altered => "altered",
        MemberState::Missing => "missing",
    }
}

fn described(info: &BundleInfo, style: &Style) -> String {
    let mut rows = vec![
        ("recorded", format!("{} by skoop {}", skoop::render::utc(info.created_at_ms), info.version)),
        ("schema", info.schema.to_string()),
    ];
    if let Some(question) = &info.question {
        let port = question.port.map(|port| format!("/{port}")).unwrap_or_default();
        rows.push(("question", format!("{} → {} {}{port}", question.from, question.to, question.protocol)));
    }
    for (number, member) in info.members.iter().enumerate() {
        let label = if number == 0 { "holds" } else { "" };
        let damage = if member.state == MemberState::Intact { "" } else { state(member.state) };
        let size = format!("{} {}", size(member.size_bytes), damage);
        rows.push((label, format!("{:32} {}", member.name, size.trim_end())));
    }
    for (number, (what, why)) in info.unavailable.iter().enumerate() {
        rows.push((if number == 0 { "lacks" } else { "" }, format!("{what}: {why}")));
    }
    let (dim, plain) = if style.color { ("\u{1b}[2m", "\u{1b}[0m") } else { ("", "") };
    let row = |(label, text): &(&str, String)| format!("{dim}{label:10}{plain}{}", output::visible(text));
    rows.iter().map(row).collect::<Vec<_>>().join("\n") + "\n"
}

fn verified(info: &BundleInfo, style: &Style) -> String {
    let paint = |codes: &str, text: &str| {
        if style.color { format!("\u{1b}[{codes}m{text}\u{1b}[0m") } else { text.to_owned() }
    };
    let mut text = String::new();
    for member in info.members.iter().filter(|member| style.verbose || member.state != MemberState::Intact) {
        let sign = if member.state == MemberState::Intact { paint("32", "✓") } else { paint("1;31", "✗") };
        // Writing to a String does not fail.
        let _ = writeln!(text, "{sign} {} {}", output::visible(&member.name), state(member.state));
    }
    let damaged = info.members.iter().filter(|member| member.state != MemberState::Intact).count();
    let all = info.members.len();
    let _ = match damaged {
        0 => writeln!(text, "{} all {all} members are as recorded", paint("32", "✓")),
        _ => writeln!(
            text,
            "{} {damaged} of {all} members are not as recorded: copy the bundle again, or record a new one",
            paint("1;31", "✗"),
        ),
    };
    text
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
