//! The command as it is called: arguments in, text and exit codes out.

#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;
mod walk;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout.clone()).unwrap(),
        err: String::from_utf8(output.stderr.clone()).unwrap(),
    }
}

fn skoop(arguments: &[&str]) -> Ran {
    let output =
        Command::new(env!("CARGO_BIN_EXE_skoop")).args(arguments).env_remove("CLICOLOR_FORCE").output().unwrap();
    ran(&output)
}

/// A directory with the bundle in it.
fn bundle() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = fixture::write(dir.path());
    (dir, path)
}

/// `diagnose` from the fixture's node to its own address.
fn diagnose(path: &std::path::Path, more: &[&str]) -> Ran {
    let mut arguments = vec!["diagnose", "--bundle", path.to_str().unwrap(), "--from", "node/solo"];
    if !more.contains(&"--to") {
        arguments.extend(["--to", "192.0.2.1"]);
    }
    arguments.extend(more);
    skoop(&arguments)
}

/// One clear line, with an optional one on what to do.
fn assert_one_error(ran: &Ran) {
    assert!(ran.err.starts_with("error: "), "{}", ran.err);
    assert!(ran.err.lines().count() <= 2, "{}", ran.err);
    assert_eq!(ran.out, "");
}

#[test]
fn without_arguments_there_is_help() {
    let ran = skoop(&[]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("Usage: skoop [OPTIONS] <COMMAND>"), "{}", ran.err);
    let help = skoop(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.out.contains("Exit codes:"));
    assert_eq!(skoop(&["--version"]).code, 0);
}

#[test]
fn what_does_not_fit_is_a_usage_error() {
    for arguments in [
        &["diagnose", "--from", "pod/a"][..],
        &["diagnos"],
        &["diagnose", "--from", "a", "--to", "b", "--local", "--bundle", "x"],
        &["diagnose", "--from", "node/a", "--to", "10.0.0.1", "--local", "--port", "70000"],
        &["diagnose", "--from", "node/a", "--to", "10.0.0.1", "--local", "-o", "junit"],
        &["completions", "tcsh"],
        &["explain", "NO-SUCH-CODE"],
    ] {
        let ran = skoop(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{arguments:?}");
    }
}

#[test]
fn a_live_cluster_is_not_promised() {
    let ran = skoop(&["diagnose", "--from", "pod/a", "--to", "pod/b"]);
    assert_eq!(ran.code, 2);
    assert_one_error(&ran);
    assert!(ran.err.contains("--local") && ran.err.contains("--bundle"), "{}", ran.err);
}

#[test]
fn a_kubeconfig_that_is_not_there_is_told() {
    let ran = skoop(&["diagnose", "--local", "--kubeconfig", "/no/such/file", "--from", "pod/a", "--to", "pod/b"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert_one_error(&ran);
    assert!(ran.err.contains("/no/such/file"), "{}", ran.err);
}

#[test]
fn recorded_clusters_can_be_shown_without_root() {
    let (dir, path) = bundle();
    let mut recorded = skoop::collect::bundle::Bundle::read_file(&path).unwrap();
    recorded.question =
        Some(skoop_model::Question::tcp("node/solo".parse().unwrap(), "192.0.2.1".parse().unwrap(), None));
    recorded.write_file(&path).unwrap();
    let ran = skoop(&["demo", "--bundles", dir.path().to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.starts_with("✓ node/solo can reach 192.0.2.1 tcp/80"), "{}", ran.out);
    assert!(ran.err.contains("no packets are sent"), "{}", ran.err);
}

#[test]
fn typos_in_ends_are_guessed() {
    let ran = skoop(&["diagnose", "--bundle", "x", "--from", "pdo/default/client", "--to", "10.0.0.1"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("hint: did you mean pod/default/client?"), "{}", ran.err);
}

#[test]
fn files_that_are_no_bundles_are_told_in_one_line() {
    let dir = TempDir::new().unwrap();
    let garbage = dir.path().join("garbage.skoop");
    fs::write(&garbage, b"\x1b[31mno bundle at all").unwrap();
    let missing = dir.path().join("missing.skoop");
    for path in [&garbage, &missing] {
        let path = path.to_str().unwrap();
        for arguments in [
            &["diagnose", "--bundle", path, "--from", "node/a", "--to", "10.0.0.1"][..],
            &["bundle", "info", path],
            &["bundle", "verify", path],
        ] {
            let ran = skoop(arguments);
            assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.err);
            assert_one_error(&ran);
            assert!(ran.err.contains(path), "{}", ran.err);
        }
    }
}

#[test]
fn a_damaged_bundle_is_never_diagnosed() {
    let (_dir, path) = bundle();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, bytes.get(..bytes.len() / 2).unwrap()).unwrap();
    let ran = diagnose(&path, &[]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert_one_error(&ran);
}

#[test]
fn a_bundle_tells_what_it_holds() {
    let (_dir, path) = bundle();
    let path = path.to_str().unwrap();
    let info = skoop(&["bundle", "info", path]);
    assert_eq!(info.code, 0, "{}", info.err);
    assert!(info.out.contains("nodes/solo.json") && info.out.contains("2026-03-01 12:00:00 UTC"), "{}", info.out);
    let verify = skoop(&["bundle", "verify", path, "-o", "json"]);
    assert_eq!(verify.code, 0);
    let value: Value = serde_json::from_str(&verify.out).unwrap();
    assert_eq!(value.get("intact"), Some(&Value::Bool(true)));
}

#[test]
fn the_verdict_is_the_exit_code() {
    let (_dir, path) = bundle();
    let reachable = diagnose(&path, &[]);
    assert_eq!(reachable.code, 0, "{}{}", reachable.out, reachable.err);
    assert!(reachable.out.starts_with("✓ node/solo can reach 192.0.2.1 tcp/80\n"), "{}", reachable.out);
    let unreachable = diagnose(&path, &["--port", "81"]);
    assert_eq!(unreachable.code, 3, "{}", unreachable.out);
    assert!(unreachable.out.contains("SOCKET-NO-LISTENER"), "{}", unreachable.out);
    let quiet = diagnose(&path, &["--port", "81", "--quiet"]);
    assert_eq!(quiet.out, "✗ node/solo cannot reach 192.0.2.1 tcp/81\n");
    assert_eq!(quiet.err, "");
}

#[test]
fn names_that_do_not_exist_are_told_with_those_that_look_like_them() {
    let (_dir, path) = bundle();
    let ran = diagnose(&path, &["--to", "pod/default/wep"]);
    assert_eq!(ran.code, 2);
    assert_one_error(&ran);
    assert!(ran.err.contains("did you mean `default/web`?"), "{}", ran.err);
}

#[test]
fn the_json_is_the_same_on_every_run() {
    let (_dir, path) = bundle();
    let first = diagnose(&path, &["-o", "json", "--port", "81"]);
    let value: Value = serde_json::from_str(&first.out).unwrap();
    assert_eq!(value.get("verdict").and_then(Value::as_str), Some("unreachable"));
    assert_eq!(value.get("schema"), Some(&Value::from(1)));
    assert_eq!(diagnose(&path, &["-o", "json", "--port", "81"]).out, first.out);
}

#[test]
fn all_forms_are_written() {
    let (dir, path) = bundle();
    assert!(diagnose(&path, &["-o", "yaml"]).out.contains("verdict: reachable"));
    assert!(diagnose(&path, &["-o", "html"]).out.starts_with("<!doctype html>"));
    assert!(diagnose(&path, &["-o", "svg"]).out.starts_with("<svg "));
    let file = dir.path().join("report.json");
    let ran = diagnose(&path, &["-o", "json", "--output-file", file.to_str().unwrap()]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    serde_json::from_str::<Value>(&fs::read_to_string(file).unwrap()).unwrap();
}

#[test]
fn one_family_that_is_missing_does_not_lose_the_other() {
    let (_dir, path) = bundle();
    let ran = diagnose(&path, &["--to", "node/solo", "--family", "both", "-o", "json"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    let list: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(list.len(), 1);
    assert!(ran.err.contains("IPv6"), "{}", ran.err);
}

#[test]
fn what_was_seen_can_be_recorded_again() {
    let (dir, path) = bundle();
    let again = dir.path().join("again.skoop");
    let first = diagnose(&path, &["-o", "json", "--record", again.to_str().unwrap()]);
    assert_eq!(first.code, 0, "{}", first.err);
    assert_eq!(diagnose(&again, &["-o", "json"]).out, first.out);
}

#[test]
fn colours_are_for_terminals() {
    let (_dir, path) = bundle();
    let mut command = Command::new(env!("CARGO_BIN_EXE_skoop"));
    command.args(["diagnose", "--from", "node/solo", "--to", "192.0.2.1", "--bundle"]).arg(&path);
    assert!(!ran(&command.output().unwrap()).out.contains('\u{1b}'));
    assert!(ran(&command.env("CLICOLOR_FORCE", "1").output().unwrap()).out.contains('\u{1b}'));
    assert!(!ran(&command.arg("--no-color").output().unwrap()).out.contains('\u{1b}'));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_skoop"))
        .args(["explain"])
        .stdout(Stdio::from(writer))
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let ran = ran(&output);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = skoop(&["completions", shell]);
        assert_eq!(ran.code, 0, "{shell}");
        assert!(ran.out.contains("diagnose"), "{shell}");
    }
}

#[test]
fn the_man_page_is_one() {
    let ran = skoop(&["man"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains(".TH skoop 1") && ran.out.contains(".SH SYNOPSIS"), "{}", ran.out);
    let dir = TempDir::new().unwrap();
    assert_eq!(skoop(&["man", "--dir", dir.path().to_str().unwrap()]).code, 0);
    assert!(dir.path().join("skoop-diagnose.1").exists());
}

#[test]
fn findings_are_explained() {
    let list: Vec<Value> = serde_json::from_str(&skoop(&["explain", "-o", "json"]).out).unwrap();
    assert!(!list.is_empty());
    for entry in list {
        let code = entry.get("code").and_then(Value::as_str).unwrap();
        let ran = skoop(&["explain", &code.to_lowercase()]);
        assert_eq!(ran.code, 0);
        assert!(ran.out.starts_with(code), "{}", ran.out);
    }
    let near = skoop(&["explain", "TUNNEL-FDB-MISING"]);
    assert_eq!(near.code, 2);
    assert!(near.err.contains("did you mean TUNNEL-FDB-MISSING?"), "{}", near.err);
}

#[test]
fn findings_have_pages() {
    let dir = TempDir::new().unwrap();
    assert_eq!(skoop(&["docs", "--dir", dir.path().to_str().unwrap()]).code, 0);
    assert!(
        fs::read_to_string(dir.path().join("TUNNEL-FDB-MISSING.md")).unwrap().starts_with("# TUNNEL-FDB-MISSING\n")
    );
}

#[test]
fn a_demo_without_bundles_says_so() {
    let dir = TempDir::new().unwrap();
    let ran = skoop(&["demo", "--bundles", dir.path().to_str().unwrap()]);
    assert_eq!(ran.code, 2);
    assert_one_error(&ran);
}

#[test]
#[ignore = "needs root: run by make test"]
fn the_lab_judges_a_scenario() {
    let list = skoop(&["lab", "list"]);
    let name = list.out.split_whitespace().next().unwrap().to_owned();
    let run = skoop(&["lab", "run", &name, "-o", "json"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let outcomes: Vec<Value> = serde_json::from_str(&run.out).unwrap();
    assert_eq!(outcomes.first().and_then(|outcome| outcome.get("right")), Some(&Value::Bool(true)));
}

#[test]
#[ignore = "needs root: run by make test"]
fn the_demo_proves_itself() {
    let ran = skoop(&["demo"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("agreed 9 of 9 times; 3 of 3 faults healed"), "{}", ran.out);
}

/// The committed pages are what `skoop docs` writes.
#[test]
fn the_pages_of_findings_are_up_to_date() {
    let dir = TempDir::new().unwrap();
    assert_eq!(skoop(&["docs", "--dir", dir.path().to_str().unwrap()]).code, 0);
    let committed = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/findings"));
    let names = |dir: &std::path::Path| -> Vec<_> {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(dir.path()), names(&committed), "run `skoop docs --dir docs/findings`");
    for name in names(dir.path()) {
        let [new, old] = [dir.path(), &committed].map(|dir| fs::read_to_string(dir.join(&name)).unwrap());
        assert!(new == old, "{} is not up to date: run `skoop docs --dir docs/findings`", name.display());
    }
}
