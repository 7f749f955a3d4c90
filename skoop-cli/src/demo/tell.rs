//! How the demonstration is told.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use skoop::render::TextStyle;
use skoop_lab::{Measured, Plan, Scenario};
use skoop_model::{Finding, Report, Verdict};

use super::Score;
use crate::output::{self, Style, wrapped};

const OPENING: &str = "A Kubernetes cluster of network namespaces is built on this machine, with the real datapath: veth pairs, \
    bridges, VXLAN, kube-proxy's rules. It is broken in three ways. Each time real packets say whether it works, and skoop, which \
    sees only the collected state, says why it does not. Nothing else on the machine is touched.";

/// Writes the story to standard output, line by line, and what is going on to standard error.
pub(crate) struct Teller {
    style: Style,
    bar: ProgressBar,
}

impl Teller {
    /// A teller in this style.
    pub(crate) fn new(style: &Style) -> Self {
        let bar = if style.progress() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(look) = ProgressStyle::with_template("  {spinner:.cyan} {wide_msg:.dim}") {
            bar.set_style(look.tick_strings(&["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " "]));
        }
        Self { style: *style, bar }
    }

    /// Says what is done now.
    pub(crate) fn busy(&self, what: &str) {
        self.bar.enable_steady_tick(Duration::from_millis(80));
        self.bar.set_message(what.to_owned());
    }

    /// Nothing is done now.
    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }

    /// How reports look within the story.
    pub(crate) fn text_style(&self) -> TextStyle {
        TextStyle { width: self.style.width.saturating_sub(4), ..self.style.text() }
    }

    /// What is going to be told.
    pub(crate) fn opening(&self) {
        self.line("");
        self.line(&format!("  {}", self.paint("1", "Why can A not reach B?")));
        for line in wrapped(OPENING, self.style.width.saturating_sub(2)) {
            self.line(&format!("  {line}"));
        }
        self.line("");
    }

    /// The cluster stands.
    pub(crate) fn built(&self, plan: &Plan, took: Duration) {
        let text =
            format!("{} nodes, {} pods, built in {:.1} s", plan.nodes.len(), plan.pods.len(), took.as_secs_f64());
        self.line(&format!("  {} {text}", self.paint("32", "●")));
    }

    /// A new fault.
    pub(crate) fn chapter(&self, number: usize, of: usize, scenario: &Scenario) {
        let ask = &scenario.question;
        let port = ask.port.map(|port| format!("/{port}")).unwrap_or_default();
        let title = format!("{number} of {of}   {} → {}  {}{port}", ask.from, ask.to, ask.protocol);
        let rule = "─".repeat(self.style.width.saturating_sub(title.chars().count() + 5));
        self.line("");
        self.line(&format!("  {} {}", self.paint("1", &title), self.paint("2", &rule)));
        self.line("");
    }

    /// What the kernel says, and what skoop says.
    pub(crate) fn judged(&self, when: &str, measured: &Measured, report: &Report, agree: bool) {
        let kernel = format!("{} packets {measured}", self.mark(measured.verdict()));
        let share = report.share.filter(|_| report.verdict == Verdict::Degraded);
        let share = share.map(|share| format!(", {:.0} %", share.0 * 100.0)).unwrap_or_default();
        let ours = format!("skoop says {}{share}", report.verdict);
        let ours = format!("{} {ours:25}", self.mark(report.verdict));
        let agreement = if agree { self.paint("32", "they agree") } else { self.paint("1;31", "THEY DISAGREE") };
        let plain = format!("packets {measured}").chars().count();
        let pad = " ".repeat(42_usize.saturating_sub(plain));
        self.line(&format!("  {} {kernel}{pad} {ours} {agreement}", self.paint("2", &format!("{when:8}"))));
    }

    /// What is broken.
    pub(crate) fn breaking(&self, change: &str) {
        self.line(&format!("  {} {}", self.paint("2", "break   "), self.paint("31", change)));
    }

    /// The report, indented.
    pub(crate) fn report(&self, text: &str) {
        self.line("");
        for line in text.lines() {
            self.line(format!("    {line}").trim_end());
        }
        self.line("");
    }

    /// A fix that was applied.
    pub(crate) fn mending(&self, cause: &Finding) {
        for command in &cause.fix.commands {
            let place = if cause.namespace == "host" { &cause.node } else { &cause.namespace };
            let text = format!("{}   # in {place}", command.join(" "));
            self.line(&format!("  {} {}", self.paint("2", "fix     "), self.paint("36", &text)));
        }
    }

    /// The fix uncovered something else.
    pub(crate) fn again(&self, report: &Report) {
        let codes: Vec<&str> = report.causes.iter().map(|cause| cause.code.as_str()).collect();
        if !codes.is_empty() {
            self.line(&format!("  {} {}", self.paint("2", "next    "), self.paint("1;31", &codes.join(", "))));
        }
    }

    /// What it came to.
    pub(crate) fn closing(&self, score: &Score, took: Duration) {
        let (sign, color) = if score.agreed == score.judged && score.healed == score.faults {
            ("✓", "1;32")
        } else {
            ("✗", "1;31")
        };
        self.line("");
        self.line(&format!(
            "  {} skoop and the kernel agreed {} of {} times; {} of {} faults healed by the advised fix. {:.0} s, all removed.",
            self.paint(color, sign),
            score.agreed,
            score.judged,
            score.healed,
            score.faults,
            took.as_secs_f64(),
        ));
        self.line("");
    }

    fn mark(&self, verdict: Verdict) -> String {
        match verdict {
            Verdict::Reachable => self.paint("1;32", "✓"),
            Verdict::Unreachable => self.paint("1;31", "✗"),
            Verdict::Degraded => self.paint("1;33", "◐"),
            Verdict::Undetermined => self.paint("1;35", "?"),
        }
    }

    fn paint(&self, codes: &str, text: &str) -> String {
        if self.style.color { format!("\u{1b}[{codes}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A line of the story; a reader that has gone is none of its business.
    pub(crate) fn line(&self, text: &str) {
        self.bar.suspend(|| {
            let _ = output::print(&format!("{text}\n"));
        });
    }
}
