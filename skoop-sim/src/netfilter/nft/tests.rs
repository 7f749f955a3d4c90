//! Both readers give the same tree for what nft prints of the same ruleset.
//!
//! `corpus/snippets.nft` holds rulesets; `corpus/recorded` what nft 1.0.6 prints of them. The live test loads each one anew and
//! compares all forms of printing; with `SKOOP_RECORD` in the environment it writes the record.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::ast::{Ruleset, Source};
use super::{json, merge, text};

/// Forms of the text, by their options.
const FORMS: [&[&str]; 5] = [&[], &["-a"], &["-n"], &["-s"], &["-S"]];

fn corpus(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/netfilter/nft/tests/corpus").join(file)
}

/// Sections of a file, `### name` before each.
fn sections(text: &str) -> Vec<(&str, &str)> {
    text.split("### ").skip(1).filter_map(|section| section.split_once('\n')).collect()
}

/// A tree as text, without the places in the dump.
fn plain(mut ruleset: Ruleset) -> String {
    for table in &mut ruleset.tables {
        for set in &mut table.sets {
            set.source = Source::default();
            set.dynamic = false;
        }
        for chain in &mut table.chains {
            chain.source = Source::default();
            for rule in &mut chain.rules {
                rule.source = Source::default();
            }
        }
    }
    format!("{ruleset:#?}")
}

/// The first lines that differ.
fn difference(left: &str, right: &str) -> String {
    let mut lines = left.lines().zip(right.lines()).enumerate().filter(|(_, (left, right))| left != right);
    let Some((at, _)) = lines.next() else { return format!("{} and {} bytes", left.len(), right.len()) };
    let around = |text: &str| text.lines().skip(at.saturating_sub(6)).take(11).collect::<Vec<_>>().join("\n");
    format!("JSON:\n{}\n\ntext:\n{}", around(left), around(right))
}

/// What is wrong with two dumps of one ruleset.
fn disagreement(json: &str, text: &str) -> Option<String> {
    let (mut json, text) = (json::read(json), text::read(text));
    merge::complete(&mut json, &text);
    let (left, right) = (plain(json), plain(text));
    if left != right {
        return Some(difference(&left, &right));
    }
    let doubt = |line: &&str| ["Unknown(", "Problem", "partial: true"].iter().any(|sign| line.contains(sign));
    left.lines().find(doubt).map(|line| format!("not understood by either: {line}\n{}", around(&left, line)))
}

fn around(text: &str, line: &str) -> String {
    let at = text.lines().position(|other| other == line).unwrap_or(0);
    text.lines().skip(at.saturating_sub(5)).take(12).collect::<Vec<_>>().join("\n")
}

#[test]
fn recorded_dumps_read_alike() {
    let (json, text) =
        (fs::read_to_string(corpus("recorded.json")).unwrap(), fs::read_to_string(corpus("recorded.txt")).unwrap());
    let (json, text) = (sections(&json), sections(&text));
    assert!(text.len() > 50, "{}", text.len());
    for (name, text) in text {
        let json = json.iter().find(|(other, _)| *other == name).unwrap().1;
        if let Some(wrong) = disagreement(json, text) {
            panic!("{name}: {wrong}");
        }
    }
}

/// A network namespace of its own.
struct Lab(String);

impl Lab {
    fn new() -> Self {
        let lab = Self(format!("skt-reader-{}", std::process::id()));
        assert!(Command::new("ip").args(["netns", "add", &lab.0]).status().unwrap().success());
        let _veth = lab.run("ip", &["link", "add", "eth0", "type", "veth", "peer", "name", "eth1"], "");
        lab
    }

    fn run(&self, program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

#[test]
#[ignore = "needs root: run by make test"]
fn live_dumps_read_alike() {
    let lab = Lab::new();
    let (mut wrong, mut recorded) = (Vec::new(), (String::new(), String::new()));
    let snippets = fs::read_to_string(corpus("snippets.nft")).unwrap();
    for (name, snippet) in sections(&snippets) {
        if let Err(error) = lab.run("nft", &["-f", "-"], &format!("flush ruleset\n{snippet}")) {
            wrong.push(format!("{name}: {error}"));
            continue;
        }
        let json = lab.run("nft", &["-j", "list", "ruleset"], "").unwrap();
        for form in FORMS {
            let text = lab.run("nft", &[form, &["list", "ruleset"]].concat(), "").unwrap();
            // An element's time runs on between two dumps.
            let json = if form == ["-s"] { stateless(&json) } else { json.clone() };
            let difference = disagreement(&timeless(&json), &timeless(&text));
            wrong.extend(difference.map(|difference| format!("{name} {form:?}: {difference}")));
            if form == ["-a"] {
                recorded.0 += &format!("### {name}\n{}", timeless(&json));
                recorded.1 += &format!("### {name}\n{}", timeless(&text));
            }
        }
    }
    if std::env::var_os("SKOOP_RECORD").is_some() {
        fs::write(corpus("recorded.json"), recorded.0).unwrap();
        fs::write(corpus("recorded.txt"), recorded.1).unwrap();
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// JSON as `nft -s` would print it: without what runs on by itself.
fn stateless(json: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(json).unwrap();
    strip(&mut value);
    value.to_string()
}

fn strip(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
        serde_json::Value::Object(members) => {
            members.remove("expires");
            members.remove("used");
            members.values_mut().for_each(strip);
        }
        _ => {}
    }
}

/// A dump whose elements all expire in a minute.
fn timeless(dump: &str) -> String {
    let mut out = String::new();
    let mut rest = dump;
    while let Some((before, after)) = rest.split_once("expires") {
        out += before;
        if let Some(after) = after.strip_prefix("\": ") {
            out += "expires\": 60";
            rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        } else {
            out += "expires 1m";
            rest = after.trim_start().trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        }
    }
    out + rest
}

/// The first rule of a ruleset.
pub(super) fn first_rule(ruleset: super::ast::Ruleset) -> super::ast::Rule {
    let table = ruleset.tables.into_iter().next().unwrap();
    table.chains.into_iter().next().unwrap().rules.into_iter().next().unwrap()
}
