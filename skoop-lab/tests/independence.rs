//! The lab tells nobody its secrets: no source outside this crate knows a scenario or a topology by name, so that nothing can
//! answer by looking up a symptom.

use std::fs;
use std::path::{Path, PathBuf};

use skoop_lab::list_scenarios;

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !["target", "skoop-lab", "tests", ".git"].contains(&name) {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_source_outside_the_lab_names_a_scenario_or_a_topology() {
    let scenarios = list_scenarios(None, None).expect("the embedded scenarios");
    let mut names: Vec<&str> = scenarios.iter().flat_map(|scenario| [&*scenario.name, &*scenario.topology]).collect();
    names.sort_unstable();
    names.dedup();
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut files);
    assert!(files.len() > 100, "the workspace's sources are found");
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file");
        let told: Vec<&&str> = names.iter().filter(|name| text.contains(**name)).collect();
        assert!(told.is_empty(), "{} names {told:?}", file.display());
    }
}
