//! `skoop walk`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{assert_one_error, bundle, ran, skoop};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/walk/flannel-node")
}

fn walk(more: &[&str]) -> super::Ran {
    let directory = example();
    let mut arguments = vec!["walk", "--dir", directory.to_str().unwrap()];
    arguments.extend(more);
    skoop(&arguments)
}

const THROUGH: &str = "veth1: tcp 10.244.1.2:40000 > 203.0.113.5:443";
const DROPPED: &str = "eth0: tcp 192.168.0.9:40000 > 203.0.113.5:443";
const CHANCE: &str = "veth1: tcp 10.244.1.2:40000 > 10.96.0.10:80";

#[test]
fn the_verdict_is_the_exit_code_and_the_worst_counts() {
    for (packets, code) in [
        (&[THROUGH][..], 0),
        (&[DROPPED], 3),
        (&[CHANCE], 5),
        (&[THROUGH, CHANCE], 5),
        (&[CHANCE, DROPPED, THROUGH], 3),
    ] {
        let arguments: Vec<&str> = packets.iter().flat_map(|packet| ["--packet", packet]).collect();
        let ran = walk(&arguments);
        assert_eq!(ran.code, code, "{packets:?}: {}{}", ran.out, ran.err);
    }
    let nowhere = walk(&["--packet", "eth9: tcp 192.168.0.9:40000 > 203.0.113.5:443"]);
    assert_eq!(nowhere.code, 4, "{}", nowhere.out);
    assert!(nowhere.out.contains("no such device"), "{}", nowhere.out);
}

#[test]
fn the_text_names_what_decides() {
    let ran = walk(&["--packet", DROPPED]);
    assert!(ran.out.starts_with("✗ eth0: tcp 192.168.0.9:40000 > 203.0.113.5:443  dropped\n"), "{}", ran.out);
    assert!(ran.out.contains(":FORWARD DROP") && ran.out.contains("Path"), "{}", ran.out);
    let quiet = walk(&["--packet", DROPPED, "--packet", THROUGH, "-q"]);
    assert_eq!(quiet.out.lines().count(), 2, "{}", quiet.out);
    let several = walk(&["--packet", CHANCE]);
    assert!(several.out.contains("33.3 %"), "{}", several.out);
}

#[test]
fn all_forms_say_the_same() {
    let one: Value = serde_json::from_str(&walk(&["--packet", THROUGH, "-o", "json"]).out).unwrap();
    let line: Value = serde_json::from_str(&walk(&["--packet", THROUGH, "-o", "jsonl"]).out).unwrap();
    let two: Value =
        serde_json::from_str(&walk(&["--packet", THROUGH, "--packet", DROPPED, "-o", "json"]).out).unwrap();
    assert_eq!(one, line);
    assert_eq!(one, two[0]);
    assert_eq!((one["verdict"].as_str(), one["out"].as_str()), (Some("forwarded"), Some("eth0")));
    assert!(walk(&["--packet", THROUGH, "-o", "yaml"]).out.starts_with("verdict: forwarded\n"));
}

#[test]
fn packets_come_line_by_line_and_results_keep_their_order() {
    let packets = example().join("packets.jsonl");
    let ran = walk(&["--packets", packets.to_str().unwrap(), "-o", "jsonl"]);
    let expected = fs::read_to_string(example().join("results.jsonl")).unwrap();
    assert_eq!(ran.out, expected);
    let directory = TempDir::new().unwrap();
    let many = directory.path().join("many.jsonl");
    fs::write(&many, fs::read_to_string(&packets).unwrap().repeat(40)).unwrap();
    assert_eq!(walk(&["--packets", many.to_str().unwrap(), "-o", "jsonl"]).out, expected.repeat(40));
}

#[test]
fn one_packet_at_a_time_gets_its_result() {
    use std::io::{BufRead, BufReader, Write};
    let mut child = Command::new(env!("CARGO_BIN_EXE_skoop"))
        .args(["walk", "--dir", example().to_str().unwrap(), "--packets", "-", "-o", "jsonl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for packet in [THROUGH, DROPPED] {
        writeln!(input, "{packet}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert!(line.starts_with("{\"verdict\":"), "{line}");
    }
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn a_line_that_is_no_packet_is_named_and_what_came_before_is_written() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("packets.jsonl");
    fs::write(&file, format!("{THROUGH}\n# a remark\n\n{{\"dst\":\"10.0.0.1\"}}\n")).unwrap();
    let ran = walk(&["--packets", file.to_str().unwrap(), "-o", "jsonl"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("line 4: no packet"), "{}", ran.err);
    assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
    for packet in ["tcp 10.0.0.1", "tcp 10.0.0.1:1 > 10.0.0.2:2 [tll=3]"] {
        let ran = walk(&["--packet", packet]);
        assert_eq!(ran.code, 2);
        assert_one_error(&ran);
    }
}

#[test]
fn what_cannot_be_read_is_a_usage_error() {
    let directory = TempDir::new().unwrap();
    for arguments in [
        &["walk", "--dir", "/no/such", "--packet", THROUGH][..],
        &["walk", "--dir", directory.path().to_str().unwrap(), "--packet", THROUGH],
        &["walk", "--dir", "x"],
        &["walk", "--packet", THROUGH],
        &["walk", "--dir", "x", "--local", "--packet", THROUGH],
        &["walk", "--bundle", "/no/such", "--packet", THROUGH],
    ] {
        let ran = skoop(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn what_is_missing_is_unknown() {
    let directory = TempDir::new().unwrap();
    for entry in fs::read_dir(example()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "iptables-legacy-save.txt" {
            fs::copy(&path, directory.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let ran = skoop(&["walk", "--dir", directory.path().to_str().unwrap(), "--packet", THROUGH, "-o", "json"]);
    assert_eq!(ran.code, 4, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("there is no iptables-legacy-save.txt"), "{}", ran.out);
}

#[test]
fn a_recorded_namespace_can_be_walked() {
    let (_directory, path) = bundle();
    let packet = "eth0: tcp 192.0.2.9:4000 > 192.0.2.1:80";
    let ran = skoop(&["walk", "--bundle", path.to_str().unwrap(), "--packet", packet, "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["verdict"], "delivered", "{}{}", ran.out, ran.err);
    let ran = skoop(&["walk", "--bundle", path.to_str().unwrap(), "--node", "other", "--packet", packet]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("solo"), "{}", ran.err);
}

#[test]
fn the_commands_are_told() {
    let ran = skoop(&["walk", "--how"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("put ip-link.json ip -d -j link"), "{}", ran.out);
}

#[test]
fn help_shows_the_syntax() {
    let output = Command::new(env!("CARGO_BIN_EXE_skoop")).args(["walk", "--help"]).output().unwrap();
    assert!(ran(&output).out.contains("vxlan=VNI"), "the words of a packet");
}
