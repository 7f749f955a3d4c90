//! Every form of a report, compared with files under `tests/snapshots`.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p skoop --test render` writes them anew.

#![expect(clippy::unwrap_used, reason = "tests")]

mod reports;
mod walks;

use std::fs;
use std::path::Path;

use skoop::model::Report;
use skoop::render::{self, TextStyle};

/// Compares `actual` with the stored file, or stores it if `UPDATE_SNAPSHOTS` is set.
fn check(file: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(file);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, actual).unwrap();
        return;
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == actual, "{} differs; UPDATE_SNAPSHOTS=1 accepts the new form:\n{actual}", path.display());
}

fn all() -> [(&'static str, Report); 4] {
    [
        ("healthy", reports::healthy()),
        ("fdb-missing", reports::fdb_missing()),
        ("one-of-three-dead", reports::one_of_three_dead()),
        ("hostile", reports::hostile()),
    ]
}

#[test]
fn text_is_as_stored() {
    for (name, report) in all() {
        check(&format!("{name}.txt"), &render::text(&report, &TextStyle::default()));
        let verbose = TextStyle { verbose: true, ..TextStyle::default() };
        check(&format!("{name}.verbose.txt"), &render::text(&report, &verbose));
    }
    let color = TextStyle { color: true, width: 80, now_ms: Some(1_772_366_412_000), ..TextStyle::default() };
    check("fdb-missing.color.txt", &render::text(&reports::fdb_missing(), &color));
}

#[test]
fn html_and_svg_are_as_stored() {
    for (name, report) in all() {
        check(&format!("{name}.html"), &render::html(&report));
        check(&format!("{name}.svg"), &render::svg(&report));
    }
}

#[test]
fn a_terminal_is_drawn() {
    let style = TextStyle { color: true, width: 92, ..TextStyle::default() };
    let text = render::text(&reports::fdb_missing(), &style);
    let shown = format!(
        "\u{1b}[32m$\u{1b}[0m skoop diagnose --from pod/default/client --to pod/default/server --port 80\n{text}"
    );
    check("fdb-missing.terminal.svg", &render::terminal_svg(&shown, "skoop"));
}

#[test]
fn nothing_hostile_passes() {
    let report = reports::hostile();
    let plain = render::text(&report, &TextStyle { verbose: true, ..TextStyle::default() });
    assert!(plain.chars().all(|c| c == '\n' || !c.is_control()), "{plain}");
    assert!(!plain.contains('\u{202e}'));
    for markup in [render::html(&report), render::svg(&report)] {
        assert!(markup.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(!markup.contains("<script") && !markup.contains("<img"), "{markup}");
    }
}

#[test]
fn pages_need_nothing_else() {
    for (name, report) in all() {
        let page = render::html(&report);
        for outside in ["<link", "<img", "<iframe", "<object", "@import", "url(", "<script"] {
            assert!(!page.contains(outside), "{name}: {outside}");
        }
    }
}

#[test]
fn json_is_the_report_and_always_the_same() {
    for (name, report) in all() {
        let text = render::json(&report).unwrap();
        assert_eq!(text, render::json(&report.clone()).unwrap(), "{name}");
        let read: Report = serde_json::from_str(&text).unwrap();
        assert_eq!(render::json(&read).unwrap(), text, "{name}");
        check(&format!("{name}.json"), &text);
    }
}
