//! The report for a terminal.

mod paint;
mod path;
mod walk;

use skoop_model::{Finding, Report, Severity, Verdict};

use self::paint::{Ink, Paint};
pub use self::walk::{walk_line, walk_text};
use super::{clean, view};

/// How the text should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// ANSI colours; without, not one escape sequence is in the text.
    pub color: bool,
    /// Columns to fill; what is quoted verbatim is never broken and may be longer.
    pub width: usize,
    /// Every way, every step's deciding object, every finding in full.
    pub verbose: bool,
    /// The present, in milliseconds since the Unix epoch, for the age of the snapshots; none leaves the age out.
    pub now_ms: Option<u64>,
}

impl Default for TextStyle {
    /// No colours, 100 columns, not verbose, no age.
    fn default() -> Self {
        Self { color: false, width: 100, verbose: false, now_ms: None }
    }
}

/// Columns below which the layout would fall apart.
const NARROWEST: usize = 40;

/// The report as text: verdict, causes with evidence and fix, the path, the way back, intent, and what was not seen.
pub fn text(report: &Report, style: &TextStyle) -> String {
    let style = TextStyle { width: style.width.max(NARROWEST), ..*style };
    let mut page = Page { out: String::new(), paint: Paint { color: style.color }, style };
    page.verdict(report);
    page.causes(report);
    page.asides(report);
    path::write(&mut page, report);
    page.facts(report);
    page.unseen(report);
    let footer = clean::line(&view::footer(report, style.now_ms)).into_owned();
    page.blank();
    page.row(0, &page.paint.ink(Ink::Dim, &footer));
    page.out
}

/// The text so far, and how it is written.
struct Page {
    out: String,
    paint: Paint,
    style: TextStyle,
}

impl Page {
    /// One line, indented; its text is painted and clean already.
    fn row(&mut self, indent: usize, painted: &str) {
        if !painted.is_empty() {
            self.out.extend(std::iter::repeat_n(' ', indent));
            self.out.push_str(painted);
        }
        self.out.push('\n');
    }

    /// An empty line, never two.
    fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// A paragraph of untrusted text, wrapped.
    fn paragraph(&mut self, indent: usize, ink: Ink, text: &str) {
        for line in clean::wrap(&clean::line(text), self.style.width.saturating_sub(indent)) {
            let painted = self.paint.ink(ink, &line);
            self.row(indent, &painted);
        }
    }

    /// A label and its paragraph, which hangs beside it.
    fn labelled(&mut self, indent: usize, label: &str, ink: Ink, text: &str) {
        let hang = indent + LABEL;
        let lines = clean::wrap(&clean::line(text), self.style.width.saturating_sub(hang));
        for (number, line) in lines.iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            let painted =
                format!("{}{}", self.paint.ink(Ink::Dim, &format!("{label:LABEL$}")), self.paint.ink(ink, line));
            self.row(indent, painted.trim_end());
        }
    }

    fn verdict(&mut self, report: &Report) {
        let (mark, ink) = verdict_mark(report.verdict);
        let headline = clean::line(&view::headline(report)).into_owned();
        let painted = format!("{} {}", self.paint.ink(ink, mark), self.paint.ink(Ink::Strong, &headline));
        self.row(0, &painted);
        if let Some(resolved) = view::resolved(report) {
            self.paragraph(2, Ink::Dim, &resolved);
        }
        if let Some(horizon) = &report.horizon {
            self.paragraph(2, Ink::Plain, &format!("Beyond sight: {}", horizon.towards));
        }
    }

    fn causes(&mut self, report: &Report) {
        let Some((first, others)) = report.causes.split_first() else {
            if report.verdict == Verdict::Unreachable || report.verdict == Verdict::Degraded {
                self.blank();
                self.paragraph(2, Ink::Plain, "No root cause was recognised; the path below shows where it ends.");
            }
            return;
        };
        self.cause(first);
        for finding in others {
            if self.style.verbose {
                self.cause(finding);
            } else {
                self.short_cause(finding);
            }
        }
    }

    /// A cause in full: code, place, message, evidence, fix.
    fn cause(&mut self, finding: &Finding) {
        self.blank();
        let title = self.finding_title(finding, severity_ink(finding.severity));
        self.row(2, &title);
        self.paragraph(2, Ink::Plain, &finding.message);
        self.evidence(finding);
        if !finding.fix.text.is_empty() || !finding.fix.commands.is_empty() {
            self.blank();
            self.labelled(2, "fix", Ink::Plain, &finding.fix.text);
            self.commands(finding);
        }
        if self.style.verbose && !finding.docs.is_empty() {
            self.blank();
            self.labelled(2, "docs", Ink::Plain, &finding.docs);
        }
    }

    fn evidence(&mut self, finding: &Finding) {
        let lines = clean::lines(&finding.evidence.text);
        if lines.is_empty() {
            return;
        }
        self.blank();
        for (number, line) in lines.iter().enumerate() {
            let label = if number == 0 { "evidence" } else { "" };
            let label = self.paint.ink(Ink::Dim, &format!("{label:LABEL$}"));
            let painted = format!("{label}{}", self.paint.ink(Ink::Evidence, line));
            self.row(2, painted.trim_end());
        }
    }

    fn commands(&mut self, finding: &Finding) {
        if finding.fix.commands.is_empty() {
            return;
        }
        let place = clean::line(&view::run_where(finding)).into_owned();
        if !place.is_empty() {
            let comment = self.paint.ink(Ink::Dim, &format!("# {place}"));
            self.row(2 + LABEL, &comment);
        }
        for command in &finding.fix.commands {
            let painted = self.paint.ink(Ink::Command, &clean::shell(command));
            self.row(2 + LABEL, &painted);
        }
    }

    /// A further cause: title, message and commands.
    fn short_cause(&mut self, finding: &Finding) {
        self.blank();
        let title = self.finding_title(finding, severity_ink(finding.severity));
        self.row(2, &title);
        self.paragraph(2, Ink::Plain, &finding.message);
        self.commands(finding);
    }

    /// `CODE  at pod/default/client on node-1, on the way back`.
    fn finding_title(&self, finding: &Finding, ink: Ink) -> String {
        let code = self.paint.ink(ink, &clean::line(&finding.code));
        let notes = self.paint.ink(Ink::Dim, &clean::line(&view::notes(finding)));
        format!("{code}  {notes}").trim_end().to_owned()
    }

    /// Symptoms and warnings, one paragraph each.
    fn asides(&mut self, report: &Report) {
        let symptoms = report.symptoms.iter().map(|finding| ("↳", Ink::Dim, finding));
        let warnings = report.warnings.iter().map(|finding| {
            let mark = if finding.severity == Severity::Info { "i" } else { "!" };
            (mark, severity_ink(finding.severity), finding)
        });
        for (mark, ink, finding) in symptoms.chain(warnings) {
            self.blank();
            let title = format!("{} {}", self.paint.ink(ink, mark), self.finding_title(finding, ink));
            self.row(2, &title);
            self.paragraph(4, Ink::Plain, &finding.message);
            if self.style.verbose {
                self.evidence(finding);
                self.commands(finding);
            }
        }
    }

    /// Intent against reality.
    fn facts(&mut self, report: &Report) {
        let intent = &report.intent;
        let Some(promise) = view::promise(intent) else { return };
        let ink = if intent.agrees == Some(false) { Ink::Warning } else { Ink::Plain };
        self.blank();
        self.heading("Intent", ink, promise);
        for reason in &intent.reasons {
            self.paragraph(HEADING, Ink::Dim, reason);
        }
    }

    fn unseen(&mut self, report: &Report) {
        if report.unseen.is_empty() {
            return;
        }
        let (matter, others): (Vec<_>, Vec<_>) = report.unseen.iter().partition(|unseen| unseen.matters);
        self.blank();
        let summary = match (matter.len(), others.len()) {
            (0, count) => format!("{count} {}; the verdict does not hang on it", things(count)),
            (count, 0) => format!("{count} {}, and the verdict hangs on it", things(count)),
            (count, more) => format!("{count} {} that the verdict hangs on, and {more} more", things(count)),
        };
        let ink = if matter.is_empty() { Ink::Plain } else { Ink::Warning };
        self.heading("Not seen", ink, &summary);
        let listed = if self.style.verbose { others.as_slice() } else { &[] };
        for unseen in matter.iter().chain(listed) {
            self.paragraph(HEADING, Ink::Dim, &format!("{}: {}", unseen.what, unseen.why));
        }
    }

    /// The title of a section with its summary on the same line.
    fn heading(&mut self, title: &str, ink: Ink, summary: &str) {
        let room = self.style.width.saturating_sub(HEADING);
        for (number, line) in clean::wrap(&clean::line(summary), room).iter().enumerate() {
            let title = if number == 0 { title } else { "" };
            let painted =
                format!("{}{}", self.paint.ink(Ink::Strong, &format!("{title:HEADING$}")), self.paint.ink(ink, line));
            self.row(0, &painted);
        }
    }
}

/// Columns of the labels in front of evidence and fix.
const LABEL: usize = 10;

/// Columns of the sections' titles.
const HEADING: usize = 10;

fn things(count: usize) -> &'static str {
    if count == 1 { "thing" } else { "things" }
}

/// The sign of a verdict and its colour.
fn verdict_mark(verdict: Verdict) -> (&'static str, Ink) {
    match verdict {
        Verdict::Reachable => ("✓", Ink::Good),
        Verdict::Unreachable => ("✗", Ink::Bad),
        Verdict::Degraded => ("◐", Ink::Warning),
        Verdict::Undetermined => ("?", Ink::Open),
    }
}

fn severity_ink(severity: Severity) -> Ink {
    match severity {
        Severity::Critical => Ink::Bad,
        Severity::Warning => Ink::Warning,
        Severity::Info => Ink::Note,
    }
}
