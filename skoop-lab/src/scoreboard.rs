//! Outcomes as a table for people.

use std::fmt::Write;

use skoop_model::Verdict;

use crate::runner::{Heal, Outcome};

/// Headings, in the order of [`cells`].
const HEADINGS: [&str; 8] = ["scenario", "packets", "skoop", "first cause", "evidence", "healthy", "heals", ""];

/// A table with one line an outcome, below it what was not right, and the sum.
pub fn scoreboard(outcomes: &[Outcome]) -> String {
    let rows: Vec<[String; 8]> = outcomes.iter().map(cells).collect();
    let mut widths = HEADINGS.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.len());
        }
    }
    let line = |cells: &[String; 8]| -> String {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(&HEADINGS.map(str::to_owned));
    text.extend(rows.iter().map(line));
    let wrong: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.right).collect();
    for outcome in &wrong {
        let _ = writeln!(text, "\n{}:", outcome.name);
        for problem in &outcome.problems {
            let _ = writeln!(text, "  {problem}");
        }
    }
    let _ = writeln!(text, "\n{} of {} right", outcomes.len() - wrong.len(), outcomes.len());
    text
}

fn cells(outcome: &Outcome) -> [String; 8] {
    let verdict = |verdict: Option<Verdict>| verdict.map_or_else(|| "-".to_owned(), |verdict| verdict.to_string());
    let yes = |yes: bool, otherwise: &str| if yes { "ok" } else { otherwise }.to_owned();
    let heal = match outcome.heal {
        Heal::Ok => "ok",
        Heal::Failed => "failed",
        Heal::None => "-",
    };
    [
        outcome.name.clone(),
        verdict(outcome.packets),
        verdict(outcome.verdict),
        outcome.first.clone().unwrap_or_else(|| "-".to_owned()),
        yes(outcome.evidence_ok, "wrong"),
        yes(outcome.healthy_clean, "alarm"),
        heal.to_owned(),
        yes(outcome.right, "WRONG"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_is_wrong_and_sums_up() {
        let right = Outcome {
            name: "pod-a".to_owned(),
            packets: Some(Verdict::Unreachable),
            verdict: Some(Verdict::Unreachable),
            first: Some("LINK-DOWN".to_owned()),
            causes: vec!["LINK-DOWN".to_owned()],
            evidence_ok: true,
            healthy_clean: true,
            heal: Heal::Ok,
            right: true,
            problems: Vec::new(),
            evidence: None,
            measured: None,
            took_ms: 1,
        };
        let wrong = Outcome {
            name: "b".to_owned(),
            packets: None,
            right: false,
            problems: vec!["it burns".to_owned()],
            ..right.clone()
        };
        let text = scoreboard(&[right, wrong]);
        assert!(
            text.starts_with("scenario  packets      skoop        first cause  evidence  healthy  heals\n"),
            "{text}"
        );
        assert!(
            text.contains("pod-a     unreachable  unreachable  LINK-DOWN    ok        ok       ok     ok\n"),
            "{text}"
        );
        assert!(text.ends_with("\nb:\n  it burns\n\n1 of 2 right\n"), "{text}");
    }
}
