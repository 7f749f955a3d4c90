//! Standard output and standard error: who may be coloured, how wide, and what a closed pipe means.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;
use skoop::render::TextStyle;

use crate::args::{FileOrStdout, Global};
use crate::exit::{Exit, Failure};

/// Columns where there is no terminal to ask.
const COLUMNS: usize = 100;
/// Columns beyond which text is hard to read.
const MOST_COLUMNS: usize = 120;

/// How to speak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// Colours on standard output.
    pub(crate) color: bool,
    /// Colours on standard error.
    pub(crate) color_err: bool,
    /// Columns of standard output.
    pub(crate) width: usize,
    /// Only what is needed.
    pub(crate) quiet: bool,
    /// Everything.
    pub(crate) verbose: bool,
}

impl Style {
    /// What the options, the environment (`NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE`, `TERM`) and the terminal say.
    pub(crate) fn of(global: &Global) -> Self {
        let wanted = |choice: ColorChoice| !global.no_color && choice != ColorChoice::Never;
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        Self {
            color: wanted(AutoStream::choice(&io::stdout())),
            color_err: wanted(AutoStream::choice(&io::stderr())),
            width: width.unwrap_or(COLUMNS).min(MOST_COLUMNS),
            quiet: global.quiet,
            verbose: global.verbose,
        }
    }

    /// How reports look.
    pub(crate) fn text(&self) -> TextStyle {
        TextStyle { color: self.color, width: self.width, verbose: self.verbose, now_ms: Some(now_ms()) }
    }

    /// Whether progress may be drawn on standard error.
    pub(crate) fn progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// Writes a result to standard output. A reader that has gone is no error: `skoop … | head` is fine.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Internal, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a result where it should go.
pub(crate) fn write(to: &FileOrStdout, text: &str) -> Result<(), Failure> {
    match to {
        FileOrStdout::Stdout => print(text),
        FileOrStdout::File(path) => {
            fs::write(path, text).map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))
        }
    }
}

/// A value as indented JSON with a line end.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot write JSON: {error}")))?;
    text.push('\n');
    Ok(text)
}

/// Says what went wrong, and what to do about it.
pub(crate) fn complain(failure: &Failure, style: &Style) {
    let (red, blue, plain) = if style.color_err { ("\u{1b}[1;31m", "\u{1b}[1;34m", "\u{1b}[0m") } else { ("", "", "") };
    let hint = failure.hint.as_ref().map(|hint| format!("{blue}hint:{plain} {}\n", visible(hint))).unwrap_or_default();
    // If this fails there is nowhere left to complain to.
    let _ = write!(io::stderr().lock(), "{red}error:{plain} {}\n{hint}", visible(&failure.message));
}

/// A remark on standard error, unless quiet.
pub(crate) fn note(text: &str, style: &Style) {
    if !style.quiet {
        let (dim, plain) = if style.color_err { ("\u{1b}[2m", "\u{1b}[0m") } else { ("", "") };
        let _ = writeln!(io::stderr().lock(), "{dim}{}{plain}", visible(text));
    }
}

/// The text with control characters made visible: names and answers of other systems are not trusted.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\n' {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// The text broken at spaces into lines of at most `columns`.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
