//! Every way: drawn, and listed step by step.

use skoop_model::{Branch, Report, Step, Verdict};

use crate::render::change::{changes, flow};
use crate::render::clean::xml;
use crate::render::{svg, view};

/// One section for each shape of way, those that fail first.
pub(super) fn write_paths(out: &mut String, report: &Report) {
    let all = report.branches.len();
    for group in view::ways(report) {
        let Some(shown) = group.shown() else { continue };
        let verdict = group.verdict();
        let title = match group.title(all) {
            title if title.is_empty() => "Path".to_owned(),
            title => format!("Path <small>{title}</small>"),
        };
        put!(
            out,
            "<section class=\"path\"><h2>{title} <span class=\"pill {}\">{verdict}</span></h2>",
            svg::verdict_class(verdict),
        );
        let label = format!("The way of the packet, {verdict}");
        put!(out, "<div class=\"drawing\" tabindex=\"0\">{}</div>", svg::inline(shown, &label));
        for (number, branch) in group.branches.iter().enumerate() {
            let open = number == 0 && verdict != Verdict::Reachable;
            write_branch(out, branch, all, open);
        }
        out.push_str("</section>");
    }
}

fn write_branch(out: &mut String, branch: &Branch, all: usize, open: bool) {
    let name = if all > 1 { view::distinction(branch) } else { "step by step".to_owned() };
    let chance = branch.probability.filter(|_| all > 1).map(|share| format!(" · {}", view::percent(share)));
    put!(
        out,
        "<details{}><summary>{}{}</summary>",
        if open { " open" } else { "" },
        xml(&name),
        chance.unwrap_or_default(),
    );
    write_steps(out, &branch.steps);
    if let Some(first) = branch.reply_steps.first() {
        put!(out, "<h4>The way back <small>{}</small></h4>", xml(&flow(&first.before)));
        write_steps(out, &branch.reply_steps);
    }
    out.push_str("</details>");
}

fn write_steps(out: &mut String, steps: &[Step]) {
    for segment in view::segments(steps) {
        let place = if segment.is_underlay() {
            "between the nodes".to_owned()
        } else {
            format!("<strong>{}</strong> {}", xml(segment.place.node.as_str()), xml(&segment.place.namespace))
        };
        put!(out, "<p class=\"place\">{place}</p>\n<ol>");
        for step in segment.steps {
            write_step(out, step);
        }
        out.push_str("</ol>");
    }
}

fn write_step(out: &mut String, step: &Step) {
    let (class, note) = match (step.blocked, step.conditional) {
        (true, _) => (" class=\"blocked\"", " <em>stops here</em>"),
        (false, true) => (" class=\"later\"", " <em>if mended</em>"),
        (false, false) => ("", ""),
    };
    put!(
        out,
        "<li{class}><span class=\"stage\">{}</span> <span class=\"device\">{}</span> <span class=\"decision\">{}{note}",
        step.place.stage.name(),
        xml(&step.place.device),
        xml(&step.decision),
    );
    let by = step.by.text.trim();
    if !by.is_empty() && !step.decision.contains(by) {
        put!(out, "<code class=\"by\">{}</code>", xml(by));
    }
    for change in changes(step) {
        put!(out, "<code class=\"change\">{} {}</code>", change.kind.label(), xml(&change.text));
    }
    out.push_str("</span></li>");
}
