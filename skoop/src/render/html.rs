//! The report as one self-contained page: no script, nothing fetched, light or dark as the reader prefers.

mod steps;

use skoop_model::{Finding, Report, Severity, Verdict};

use super::clean::{lines, shell, xml};
use super::{svg, view};

/// Look of the page.
const STYLE: &str = include_str!("html/style.css");

/// The report as one HTML file.
///
/// It needs no other file, no network and no script, and holds the whole report: all findings, every way with every step.
pub fn html(report: &Report) -> String {
    let mut out = String::with_capacity(32 << 10);
    let headline = xml(&view::headline(report));
    put!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{headline}</title>\n<style>{}{STYLE}</style>\n</head>\n<body>",
        svg::STYLE,
    );
    write_verdict(&mut out, report, &headline);
    out.push_str("<main>");
    write_findings(&mut out, report);
    steps::write_paths(&mut out, report);
    write_facts(&mut out, report);
    write_unseen(&mut out, report);
    write_snapshots(&mut out, report);
    put!(out, "</main>\n<footer>{}</footer>\n</body>\n</html>", xml(&view::footer(report, None)));
    out
}

fn write_verdict(out: &mut String, report: &Report, headline: &str) {
    let class = svg::verdict_class(report.verdict);
    put!(
        out,
        "<header class=\"{class}\"><p class=\"verdict\">{}{}</p>\n<h1>{headline}</h1>",
        report.verdict,
        share(report),
    );
    if let Some(resolved) = view::resolved(report) {
        put!(out, "<p class=\"ends\">{}</p>", xml(&resolved));
    }
    if let Some(horizon) = &report.horizon {
        put!(out, "<p>Beyond sight: {}</p>", xml(&horizon.towards));
    }
    out.push_str("</header>");
}

/// The share where it says more than the verdict.
fn share(report: &Report) -> String {
    match report.share {
        Some(share) if report.verdict == Verdict::Degraded => format!(" · {} gets through", view::percent(share)),
        _ => String::new(),
    }
}

fn write_findings(out: &mut String, report: &Report) {
    let failed = matches!(report.verdict, Verdict::Unreachable | Verdict::Degraded);
    if failed && report.causes.is_empty() {
        out.push_str(
            "<section><h2>Why</h2><p>No root cause was recognised; the path shows where it ends.</p></section>",
        );
    }
    for (title, findings) in
        [("Why", &report.causes), (FOLLOWS, &report.symptoms), ("Also worth knowing", &report.warnings)]
    {
        if findings.is_empty() {
            continue;
        }
        put!(out, "<section><h2>{title}</h2>");
        for finding in findings {
            write_finding(out, finding, title == FOLLOWS);
        }
        out.push_str("</section>");
    }
}

/// Title of the symptoms.
const FOLLOWS: &str = "What follows from it";

fn write_finding(out: &mut String, finding: &Finding, follows: bool) {
    let class = match finding.severity {
        _ if follows => "follows",
        Severity::Critical => "bad",
        Severity::Warning => "warn",
        Severity::Info => "note",
    };
    put!(
        out,
        "<article class=\"{class}\">\n<h3><code>{}</code> <small>{}</small></h3>\n<p>{}</p>",
        xml(&finding.code),
        xml(&view::notes(finding)),
        xml(&finding.message),
    );
    if !finding.evidence.text.trim().is_empty() {
        put!(out, "<h4>Evidence <small>{}</small></h4>", xml(&finding.evidence.kind));
        write_block(out, "evidence", &lines(&finding.evidence.text));
    }
    write_fix(out, finding);
    if finding.docs.starts_with("https://") {
        let docs = xml(&finding.docs);
        put!(out, "<p class=\"docs\"><a href=\"{docs}\" rel=\"noreferrer\">{docs}</a></p>");
    }
    out.push_str("</article>");
}

fn write_fix(out: &mut String, finding: &Finding) {
    let fix = &finding.fix;
    if fix.text.is_empty() && fix.commands.is_empty() {
        return;
    }
    put!(out, "<h4>Fix</h4>");
    if !fix.text.is_empty() {
        put!(out, "<p>{}</p>", xml(&fix.text));
    }
    if fix.commands.is_empty() {
        return;
    }
    let place = view::run_where(finding);
    if !place.is_empty() {
        put!(out, "<p class=\"where\">Run {}:</p>", xml(&place));
    }
    let commands: Vec<String> = fix.commands.iter().map(|command| shell(command)).collect();
    write_block(out, "command", &commands);
}

/// Preformatted lines; one that is too long scrolls, so it can be reached by keyboard.
fn write_block(out: &mut String, class: &str, content: &[String]) {
    let content: Vec<String> = content.iter().map(|line| xml(line)).collect();
    put!(out, "<pre class=\"{class}\" tabindex=\"0\">{}</pre>", content.join("\n"));
}

fn write_facts(out: &mut String, report: &Report) {
    let intent = &report.intent;
    let reply = view::reply_summary(report);
    let promise = view::promise(intent);
    if reply.is_none() && promise.is_none() {
        return;
    }
    out.push_str("<section><h2>Also checked</h2>\n<dl>");
    if let Some(reply) = reply {
        put!(out, "<dt>Way back</dt><dd>{reply}</dd>");
    }
    if let Some(promise) = promise {
        let class = if intent.agrees == Some(false) { " class=\"differs\"" } else { "" };
        put!(out, "<dt>Intent</dt><dd{class}>{promise}");
        if !intent.reasons.is_empty() {
            let reasons: Vec<String> =
                intent.reasons.iter().map(|reason| format!("<li>{}</li>", xml(reason))).collect();
            put!(out, "<ul>{}</ul>", reasons.concat());
        }
        out.push_str("</dd>");
    }
    out.push_str("</dl></section>");
}

fn write_unseen(out: &mut String, report: &Report) {
    if report.unseen.is_empty() {
        return;
    }
    let open = if report.unseen.iter().any(|unseen| unseen.matters) { " open" } else { "" };
    put!(out, "<section><details{open}><summary><h2>Not seen</h2></summary>\n<ul>");
    for unseen in &report.unseen {
        let matters =
            if unseen.matters { "<strong>the verdict hangs on it</strong>" } else { "the verdict does not hang on it" };
        put!(out, "<li>{}: {} <small>({matters})</small></li>", xml(&unseen.what), xml(&unseen.why));
    }
    out.push_str("</ul></details></section>");
}

fn write_snapshots(out: &mut String, report: &Report) {
    if report.snapshots.is_empty() {
        return;
    }
    out.push_str(
        "<section><details><summary><h2>What the answer rests on</h2></summary>\n<table>\n\
         <tr><th scope=\"col\">Snapshot</th><th scope=\"col\">Taken</th><th scope=\"col\">Took</th><th scope=\"col\">Missing</th></tr>",
    );
    for snapshot in &report.snapshots {
        put!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{} ms</td><td>{}</td></tr>",
            xml(&snapshot.of),
            view::utc(snapshot.taken_at_ms),
            snapshot.took_ms,
            xml(&snapshot.partial.join(", ")),
        );
    }
    out.push_str("</table></details></section>");
}
