//! Recorded clusters, judged anew on every run: the answers are committed beside the bundles, and must not change by a byte.
//!
//! `UPDATE_SNAPSHOTS=1` writes them anew; look at the difference before committing it.

use std::fs;
use std::path::{Path, PathBuf};

use skoop::collect::bundle::Bundle;
use skoop::engine::{Diagnosis, Step, Supplied, Want};
use skoop::model::{Reason, Report, Unavailable};

fn bundles() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/bundles");
    let entries = fs::read_dir(&directory).expect("examples/bundles").map(|entry| entry.expect("an entry").path());
    let mut bundles: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "skoop")).collect();
    bundles.sort();
    bundles
}

fn supply(bundle: &Bundle, want: &Want) -> Supplied {
    let found = match want {
        Want::Cluster => bundle.cluster.clone().map(|cluster| Supplied::Cluster(Box::new(cluster))),
        Want::Node(name) => {
            let node = bundle.nodes.iter().find(|node| node.node == *name).cloned();
            node.map(|node| Supplied::Node(Box::new(node)))
        }
        _ => None,
    };
    found.unwrap_or_else(|| Supplied::Unavailable(Unavailable::new(Reason::NotFound, "not in the bundle")))
}

fn diagnose(bundle: &Bundle) -> Report {
    let question = bundle.question.clone().expect("a recorded question");
    let mut diagnosis = Diagnosis::new(question);
    loop {
        match diagnosis.step().expect("a step") {
            Step::Done(report) => return *report,
            Step::Need(wants) => {
                for want in wants {
                    diagnosis.supply(&want, supply(bundle, &want)).expect("a supply");
                }
            }
        }
    }
}

#[test]
fn recorded_clusters_give_the_same_answer_to_the_byte() {
    let bundles = bundles();
    assert!(!bundles.is_empty(), "examples/bundles has bundles");
    for path in bundles {
        let bundle = Bundle::read_file(&path).expect("a bundle");
        let json = skoop::render::json(&diagnose(&bundle)).expect("JSON");
        assert_eq!(json, skoop::render::json(&diagnose(&bundle)).expect("JSON"), "{}", path.display());
        let kept = path.with_extension("json");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&kept, &json).expect("write the answer");
        }
        let expected = fs::read_to_string(&kept).expect("an answer beside the bundle");
        assert!(json == expected, "{} has another answer now:\n{json}", path.display());
    }
}

#[test]
fn the_contract_can_be_read_back() {
    for path in bundles() {
        let text = fs::read_to_string(path.with_extension("json")).expect("an answer beside the bundle");
        let report: Report = serde_json::from_str(&text).expect("a report");
        assert_eq!(skoop::render::json(&report).expect("JSON"), text, "{}", path.display());
    }
}

/// A bundle without one of its nodes still answers, and says what is missing.
#[test]
fn a_missing_node_is_an_explicit_unknown() {
    for path in bundles() {
        let mut bundle = Bundle::read_file(&path).expect("a bundle");
        let Some(node) = bundle.nodes.iter().position(|node| node.node.as_str() == "node-2") else { continue };
        bundle.nodes.remove(node);
        let report = diagnose(&bundle);
        let named = report.unseen.iter().any(|unseen| unseen.what.contains("node-2"));
        assert!(named, "{}: {:?}", path.display(), report.unseen);
    }
}
