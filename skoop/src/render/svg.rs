//! The path as a picture: nodes and pods as boxes, devices as stops, the packet's way through them.

mod draw;
mod layout;
mod stops;

use skoop_model::{Branch, Report, Verdict};

use super::{clean, view};

/// Colours and strokes, light and dark; shared with the page.
pub(super) const STYLE: &str = include_str!("svg/style.css");

/// Room around everything, and around the title.
const MARGIN: f64 = 24.0;
/// Height of the two title lines.
const TITLE: f64 = 64.0;
/// Height of the line above each way.
const CAPTION: f64 = 30.0;
/// Ways drawn at most; the text and the page have all.
const MOST: usize = 4;

/// The report's path as one SVG file without external parts; a way of each shape is drawn, those that fail first.
pub fn svg(report: &Report) -> String {
    let groups = view::ways(report);
    let mut body = String::new();
    let (mut y, mut width) = (TITLE, 480.0_f64);
    for group in groups.iter().take(MOST) {
        let Some(branch) = group.shown() else { continue };
        let drawn = draw::branch(branch);
        let caption = group.title(report.branches.len());
        if !caption.is_empty() {
            let caption = format!("{caption} · {}", view::distinction(branch));
            body.push_str(&draw::text(MARGIN, y + 16.0, "s-note", &caption));
            y += CAPTION;
        }
        put!(body, "<g transform=\"translate({MARGIN} {y:.0})\">{}</g>", drawn.body);
        y += drawn.height + MARGIN;
        width = width.max(drawn.width + 2.0 * MARGIN);
    }
    let headline = view::headline(report);
    let resolved = view::resolved(report).unwrap_or_default();
    width = width.max(clean::pixels(&headline, 8.8) + 2.0 * MARGIN + 20.0);
    let title = format!(
        "<circle cx=\"{:.0}\" cy=\"27\" r=\"7\" class=\"s-dot {}\"/>{}{}",
        MARGIN + 7.0,
        verdict_class(report.verdict),
        draw::text(MARGIN + 24.0, 32.0, "s-title", &headline),
        draw::text(MARGIN + 24.0, 52.0, "s-note", &resolved),
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"skoop-path\" width=\"{width:.0}\" height=\"{y:.0}\" \
         viewBox=\"0 0 {width:.0} {y:.0}\" role=\"img\" aria-label=\"{}\">\n<style>{STYLE}</style>\n\
         <rect class=\"s-page\" width=\"100%\" height=\"100%\"/>\n{title}\n{body}</svg>",
        clean::xml(&headline),
    )
}

/// One way as an `<svg>` element for a page that has [`STYLE`] already.
pub(super) fn inline(branch: &Branch, label: &str) -> String {
    let drawn = draw::branch(branch);
    format!(
        "<svg class=\"skoop-path\" width=\"{0:.0}\" height=\"{1:.0}\" viewBox=\"0 0 {0:.0} {1:.0}\" role=\"img\" \
         aria-label=\"{2}\">{3}</svg>",
        drawn.width,
        drawn.height,
        clean::xml(label),
        drawn.body,
    )
}

/// The class that colours a verdict.
pub(super) fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Reachable => "good",
        Verdict::Unreachable => "bad",
        Verdict::Degraded => "warn",
        Verdict::Undetermined => "open",
    }
}
