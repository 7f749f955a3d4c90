//! Renderers: one [`Report`], many forms. Pure functions of the report; nothing else is read.
//!
//! Names and comments come from clusters and are not trusted: control characters are made visible, markup is escaped.

/// Writes a line to a `String`, which does not fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {{
        use std::fmt::Write as _;
        let _ = writeln!($out, $($text)*);
    }};
}

mod change;
mod clean;
mod html;
mod svg;
mod terminal;
mod text;
mod view;

use skoop_model::Report;

pub use clean::line as clean_line;
pub use html::html;
pub use svg::svg;
pub use terminal::terminal_svg;
pub use text::{TextStyle, text, walk_line, walk_text};
pub use view::utc;

/// The report as JSON, indented, with a line end: the contract. The same report gives the same bytes.
///
/// # Errors
///
/// None that a report made by skoop can cause; `serde_json`'s error otherwise.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
}
