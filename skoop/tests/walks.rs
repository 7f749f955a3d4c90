//! Recorded namespaces, walked anew on every run: the results are committed beside them, and must not change by a byte.
//!
//! `UPDATE_SNAPSHOTS=1` writes them anew; look at the difference before committing it.
#![cfg(feature = "dump")]

use std::fs;
use std::path::{Path, PathBuf};

use skoop::collect::dump;
use skoop::sim::Namespace;
use skoop::walk::{Ground, WalkPacket, WalkResult};

fn directories() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/walk");
    let entries = fs::read_dir(&directory).expect("examples/walk").map(|entry| entry.expect("an entry").path());
    let mut directories: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    directories.sort();
    directories
}

fn ground(directory: &Path) -> Ground {
    let dumped = dump::read_dir(directory).expect("a namespace");
    assert_eq!(dumped.problems, [], "{}", directory.display());
    let ground = Ground::new(Namespace::new(dumped.snapshot));
    dumped.half_seen.into_iter().fold(ground, |ground, half| ground.blind_to(half.family, half.text))
}

#[test]
fn recorded_namespaces_give_the_same_results_to_the_byte() {
    let directories = directories();
    assert!(!directories.is_empty(), "examples/walk has namespaces");
    for directory in directories {
        let ground = ground(&directory);
        let packets = fs::read_to_string(directory.join("packets.jsonl")).expect("packets");
        let mut lines = String::new();
        for line in packets.lines() {
            let (packet, passed_over) = WalkPacket::from_json(line).expect("a packet");
            assert_eq!(passed_over, Vec::<String>::new());
            let result = ground.walk(&packet);
            let json = serde_json::to_string(&result).expect("JSON");
            let again: WalkResult = serde_json::from_str(&json).expect("a result");
            assert_eq!(serde_json::to_string(&again).expect("JSON"), json);
            lines.push_str(&json);
            lines.push('\n');
        }
        let kept = directory.join("results.jsonl");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&kept, &lines).expect("write the results");
        }
        let expected = fs::read_to_string(&kept).expect("results beside the packets");
        for (line, (result, expected)) in lines.lines().zip(expected.lines()).enumerate() {
            assert_eq!(result, expected, "{} packet {}", directory.display(), line + 1);
        }
        assert_eq!(lines, expected, "{}", directory.display());
    }
}
