use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const FDB: &str = r#"
name = "node-fdb-missing"
topology = "flannel-vxlan"
[question]
from = "pod/default/client"
to = "pod/default/server"
port = 80
protocol = "tcp"
[[break]]
in = "node/node-1"
run = ["bridge", "fdb", "del", "{mac:node-2/flannel.1}", "dev", "flannel.1", "dst", "{ip:node-2}"]
[expect]
verdict = "unreachable"
first = ["TUNNEL-FDB-MISSING"]
evidence = "flannel.1"
node = "node-1"
"#;

#[test]
fn the_documented_file_is_read() {
    let scenario = Scenario::parse(FDB, "test").expect("a scenario");
    assert_eq!(scenario.question, Ask::tcp("pod/default/client", "pod/default/server"));
    assert_eq!((scenario.proxy.as_str(), scenario.family), ("iptables", Family::V4));
    assert_eq!(scenario.expect.verdict, Verdict::Unreachable);
    assert!(matches!(scenario.breaks.as_slice(), [Change::Run { place: Place::Node(name), .. }] if name == "node-1"));
}

#[test]
fn unknown_and_contradicting_keys_are_errors() {
    let with = |more: &str| Scenario::parse(&format!("{FDB}{more}"), "test").map_err(|error| format!("{error:#}"));
    for (more, named) in [
        ("surprise = 1", "surprise"),
        ("[question]\nfrom = 1", "question"),
        ("[[heal]]\nin = \"node/node-1\"\nwalk = []", "walk"),
        ("[[heal]]\nin = \"nowhere\"\nrun = [\"true\"]", "nowhere"),
        ("[[heal]]\nin = \"node/node-1\"\nrun = []", "empty"),
        ("[[heal]]\nin = \"node/node-1\"", "either"),
        ("[[heal]]", "either"),
        ("[[heal]]\nsync = true\ndelete = {kind = \"Pod\", name = \"a/b\"}\ncreate = {}", "either"),
    ] {
        let error = with(more).expect_err(more);
        assert!(error.contains("scenario test") && error.contains(named), "{more}: {error}");
    }
    for (from, to) in [("topology = \"flannel-vxlan\"", ""), ("port = 80", "port = 80000"), ("port = 80", "family = 4")]
    {
        assert!(Scenario::parse(&FDB.replace(from, to), "test").is_err(), "{to}");
    }
    assert!(Scenario::parse(&format!("family = 5\n{FDB}"), "test").is_err());
    assert!(Scenario::parse(&format!("family = 6\n{FDB}"), "test").is_ok());
}

#[test]
fn api_objects_are_changed_by_kind_and_name() {
    let text = format!(
        "{FDB}[[heal]]\npatch = {{kind = \"Service\", name = \"default/web\", spec = {{type = \"ClusterIP\"}}}}\nsync = true\n"
    );
    let scenario = Scenario::parse(&text, "test").expect("a scenario");
    let Some(Change::Objects { edit: Some(Edit::Patch(patch)), sync: true }) = scenario.heal.first() else {
        unreachable!("{:?}", scenario.heal);
    };
    assert_eq!((patch.kind.as_str(), patch.key().to_string()), ("Service", "default/web".to_owned()));
    assert_eq!(patch.body().ok(), Some(serde_json::json!({"spec": {"type": "ClusterIP"}})));
}

#[test]
fn every_file_of_this_crate_is_a_scenario_of_its_name() {
    let scenarios = Scenario::embedded().expect("all are read");
    let names: BTreeSet<&str> = scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    let files: BTreeSet<&str> = embedded::FILES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, files);
    let directory = Scenario::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")).expect("the directory");
    assert_eq!(directory, scenarios, "every file in the directory is embedded");
    for scenario in &scenarios {
        assert!(crate::topology::topology(&scenario.topology).is_ok(), "{}", scenario.name);
        assert!(crate::proxy::proxy(&scenario.proxy).is_ok(), "{}", scenario.name);
        assert!(!scenario.breaks.is_empty(), "{}", scenario.name);
    }
}

#[test]
fn a_patch_may_be_json_and_name_its_namespace_apart() {
    let patch = r#"{ kind = "Service", namespace = "default", name = "web", json = '{"spec": {"selector": null}}' }"#;
    let scenario = Scenario::parse(&format!("{FDB}[[heal]]\npatch = {patch}\n"), "test").expect("a scenario");
    let Some(Change::Objects { edit: Some(Edit::Patch(patch)), sync: false }) = scenario.heal.first() else {
        unreachable!("{:?}", scenario.heal);
    };
    assert_eq!(patch.key().to_string(), "default/web");
    assert_eq!(patch.body().ok(), Some(serde_json::json!({"spec": {"selector": null}})));
}

proptest! {
    #[test]
    fn garbage_is_an_error_and_no_panic(text in "\\PC{0,200}") {
        prop_assert!(Scenario::parse(&text, "garbage").is_err());
    }

    #[test]
    fn a_damaged_file_is_read_or_an_error(cut in 0..FDB.len(), noise in "[\\[\\]{}=\"a-z0-9\\n]{0,12}") {
        let damaged = format!("{}{noise}{}", FDB.get(..cut).unwrap_or_default(), FDB.get(cut..).unwrap_or_default());
        drop(Scenario::parse(&damaged, "damaged"));
    }
}
