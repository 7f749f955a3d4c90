//! The path as an indented list: nodes and namespaces, and in them the steps.

use skoop_model::{Branch, Report, Step, Verdict};

use super::paint::Ink;
use super::{Page, verdict_mark};
use crate::render::change::{Change, ChangeKind, changes, flow};
use crate::render::view::{Segment, Ways, distinction, segments, ways};
use crate::render::{clean, view};

/// Columns of the stage names; the longest is `postrouting`.
const STAGE: usize = 12;
/// Columns of the device names at most: `IFNAMSIZ` is 16 with its zero (include/uapi/linux/if.h).
const DEVICE_MOST: usize = 15;
/// Indent of the steps.
const INDENT: usize = 4;

/// All ways: those that fail in full; those that get through in full only where none fails.
pub(super) fn write(page: &mut Page, report: &Report) {
    let all = report.branches.len();
    let mut groups = ways(report);
    let failing = groups.iter().any(|ways| ways.verdict() != Verdict::Reachable);
    if failing && !page.style.verbose {
        fold_reachable(&mut groups);
    }
    for (number, group) in groups.iter().enumerate() {
        let in_full = page.style.verbose || number == 0 || (failing && group.verdict() != Verdict::Reachable);
        page.blank();
        write_group(page, group, all, in_full);
    }
    if let Some(summary) = view::reply_summary(report) {
        page.blank();
        page.heading("Way back", Ink::Plain, summary);
    }
}

/// The ways that get through as one group: what they look like does not matter where others fail.
fn fold_reachable(groups: &mut Vec<Ways<'_>>) {
    let first = groups.partition_point(|ways| ways.verdict() != Verdict::Reachable);
    let branches: Vec<&Branch> = groups.split_off(first).into_iter().flat_map(|ways| ways.branches).collect();
    if !branches.is_empty() {
        groups.push(Ways { branches });
    }
}

fn write_group(page: &mut Page, group: &Ways<'_>, all: usize, in_full: bool) {
    let Some(shown) = group.shown() else { return };
    write_title(page, group, shown, all);
    if page.style.verbose {
        for branch in &group.branches {
            if all > 1 {
                page.paragraph(2, Ink::Change, &distinction(branch));
            }
            write_branch(page, branch);
        }
        return;
    }
    if all > 1 {
        for branch in &group.branches {
            page.paragraph(2, Ink::Change, &distinction(branch));
        }
    }
    if in_full {
        if group.branches.len() > 1 {
            page.paragraph(2, Ink::Dim, "The first of them:");
        }
        write_branch(page, shown);
    }
}

/// `Path  2 of 3 ways, 67 %, get through`.
fn write_title(page: &mut Page, group: &Ways<'_>, shown: &Branch, all: usize) {
    let first = shown.steps.first().map(|step| format!("{} {}", step.before.protocol, flow(&step.before)));
    if all <= 1 {
        page.heading("Path", Ink::Dim, &first.unwrap_or_default());
        return;
    }
    let (mark, ink) = verdict_mark(group.verdict());
    let how = match group.verdict() {
        Verdict::Reachable => "through",
        Verdict::Unreachable => "blocked",
        Verdict::Degraded => "through at times",
        Verdict::Undetermined => "not known",
    };
    page.heading("Path", ink, &format!("{mark} {}: {how}", group.title(all)));
}

fn write_branch(page: &mut Page, branch: &Branch) {
    write_steps(page, &branch.steps);
    // What would happen to the answer if the packet arrived is for those who want to see everything.
    let stopped = branch.reply_steps.iter().any(|step| step.blocked && !step.conditional);
    if !branch.reply_steps.is_empty() && (stopped || page.style.verbose) {
        page.blank();
        let first = branch.reply_steps.first().map(|step| flow(&step.before)).unwrap_or_default();
        page.heading("Back", Ink::Dim, &first);
        write_steps(page, &branch.reply_steps);
    }
}

pub(super) fn write_steps(page: &mut Page, steps: &[Step]) {
    let device = steps.iter().map(|step| clean::columns(&step.place.device)).max().unwrap_or(0).min(DEVICE_MOST);
    let mut blocked = false;
    let mut told = false;
    for segment in segments(steps) {
        write_place(page, &segment);
        for step in segment.steps {
            if step.conditional && blocked && !told {
                page.paragraph(INDENT, Ink::Dim, "┄ from here on as if that were mended");
                told = true;
            }
            write_step(page, step, device);
            blocked |= step.blocked;
        }
    }
}

fn write_place(page: &mut Page, segment: &Segment<'_>) {
    let place = segment.place;
    if segment.is_underlay() {
        page.row(2, &page.paint.ink(Ink::Strong, "between the nodes"));
        return;
    }
    let ink = if segment.steps.iter().all(|step| step.conditional) { Ink::Dim } else { Ink::Strong };
    let node = page.paint.ink(ink, &clean::line(place.node.as_str()));
    let namespace = page.paint.ink(if ink == Ink::Dim { ink } else { Ink::Plain }, &clean::line(&place.namespace));
    let row = format!("{node}  {namespace}");
    page.row(2, row.trim_end());
}

fn write_step(page: &mut Page, step: &Step, device: usize) {
    let (mark, mark_ink) = match (step.blocked, step.conditional) {
        (true, _) => ("✗", Ink::Bad),
        (false, true) => ("┊", Ink::Dim),
        (false, false) => ("│", Ink::Dim),
    };
    let text_ink = match (step.blocked, step.conditional) {
        (true, _) => Ink::Bad,
        (false, true) => Ink::Dim,
        (false, false) => Ink::Plain,
    };
    let column = if device == 0 { 0 } else { device + 2 };
    let hang = INDENT + 2 + STAGE + column;
    let room = page.style.width.saturating_sub(hang).max(20);
    let decision = clean::wrap(&clean::line(&step.decision), room);
    let name = clean::line(&step.place.device).into_owned();
    let name = clean::cut(&name, DEVICE_MOST);
    let lead = format!(
        "{} {}{}",
        page.paint.ink(mark_ink, mark),
        page.paint.ink(Ink::Dim, &format!("{:STAGE$}", step.place.stage.name())),
        page.paint.ink(if step.conditional { Ink::Dim } else { Ink::Device }, &format!("{name:column$}")),
    );
    let mut decision = decision.into_iter();
    let first = decision.next().unwrap_or_default();
    page.row(INDENT, format!("{lead}{}", page.paint.ink(text_ink, &first)).trim_end());
    let beside = |page: &Page| page.paint.ink(Ink::Dim, if step.conditional { "┊" } else { "│" });
    let pad = " ".repeat(1 + STAGE + column);
    for line in decision {
        let row = format!("{}{pad}{}", beside(page), page.paint.ink(text_ink, &line));
        page.row(INDENT, &row);
    }
    if step.blocked || page.style.verbose {
        for line in deciding(step) {
            let row = format!("{}{pad}{}", beside(page), page.paint.ink(Ink::Evidence, &line));
            page.row(INDENT, &row);
        }
    }
    for change in shown_changes(step, page.style.verbose) {
        let row = format!(
            "{}{pad}{}",
            beside(page),
            page.paint.ink(if step.conditional { Ink::Dim } else { Ink::Change }, &change)
        );
        page.row(INDENT, &row);
    }
}

/// The deciding object's lines, unless the decision says them already.
fn deciding(step: &Step) -> Vec<String> {
    let text = step.by.text.trim();
    if text.is_empty() || step.decision.contains(text) { Vec::new() } else { clean::lines(text) }
}

fn shown_changes(step: &Step, verbose: bool) -> Vec<String> {
    changes(step)
        .into_iter()
        .filter(|change| verbose || change.kind != ChangeKind::Minor)
        .map(|Change { kind, text }| format!("↳ {} {text}", kind.label()))
        .collect()
}
