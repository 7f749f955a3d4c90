use skoop_model::{
    End, Evidence, Fix, Intent, IntentVerdict, ObjectKey, Question, ReplySummary, ResolvedQuestion, Share,
};

use super::*;

fn scenario(expect: &str) -> Scenario {
    let text = format!(
        "name = \"x\"\ntopology = \"flannel-vxlan\"\n[question]\nfrom = \"pod/default/client\"\nto = \"pod/default/server\"\n[expect]\n{expect}"
    );
    Scenario::parse(&text, "test").expect("a scenario")
}

fn finding(code: &str, severity: Severity) -> Finding {
    Finding {
        code: code.to_owned(),
        severity,
        conditional: false,
        reply: false,
        changing: false,
        node: "node-1".to_owned(),
        namespace: "host".to_owned(),
        evidence: Evidence::new("fdb", "no entry at flannel.1"),
        message: String::new(),
        fix: Fix::default(),
        docs: String::new(),
    }
}

fn report_of(verdict: Verdict, causes: Vec<Finding>, warnings: Vec<Finding>) -> Report {
    let end = || End::Pod(ObjectKey::new("default", "client"));
    Report {
        schema: 1,
        question: ResolvedQuestion { asked: Question::tcp(end(), end(), None), source: None, destination: None },
        verdict,
        share: Some(Share(2.0 / 3.0)),
        horizon: None,
        causes,
        symptoms: Vec::new(),
        warnings,
        branches: Vec::new(),
        reply: ReplySummary { walked: false, verdict: None },
        intent: Intent { verdict: IntentVerdict::Unknown, agrees: None, reasons: Vec::new() },
        unseen: Vec::new(),
        snapshots: Vec::new(),
        version: String::new(),
    }
}

fn problems_of(expect: &str, causes: Vec<Finding>, warnings: Vec<Finding>) -> Vec<String> {
    let scenario = scenario(expect);
    let mut outcome = Outcome::of(&scenario);
    first_cause(&scenario, &report_of(scenario.expect.verdict, causes, warnings), &mut outcome);
    outcome.problems
}

#[test]
fn any_of_the_accepted_codes_may_come_first() {
    let expect = "verdict = \"unreachable\"\nfirst = [\"A\", \"B\"]";
    let cause = |code: &str| vec![finding(code, Severity::Critical)];
    assert!(problems_of(expect, cause("B"), Vec::new()).is_empty());
    assert_eq!(problems_of(expect, cause("C"), Vec::new()), ["the first cause is C, not A or B"]);
    assert_eq!(problems_of(expect, Vec::new(), Vec::new()), ["no cause, not A or B"]);
}

#[test]
fn where_nothing_is_wrong_a_warning_is_a_false_alarm_and_information_is_not() {
    let expect = "verdict = \"reachable\"\nfirst = []";
    let told = |severity: Severity| vec![finding("W", severity)];
    assert_eq!(problems_of(expect, Vec::new(), told(Severity::Warning)), ["a warning: W"]);
    assert!(problems_of(expect, Vec::new(), told(Severity::Info)).is_empty());
    assert!(problems_of(&format!("{expect}\nalso = [\"W\"]"), Vec::new(), told(Severity::Warning)).is_empty());
    assert_eq!(problems_of(expect, told(Severity::Critical), Vec::new()), ["the first cause is W, not none"]);
}

#[test]
fn a_healthy_cluster_is_called_so() {
    let judged = |report: &Report| {
        let mut outcome = Outcome::of(&scenario("verdict = \"reachable\"\nfirst = []"));
        healthy(report, &mut outcome);
        (outcome.healthy_clean, outcome.problems)
    };
    assert_eq!(judged(&report_of(Verdict::Reachable, Vec::new(), Vec::new())), (true, Vec::new()));
    let alarm = report_of(Verdict::Reachable, Vec::new(), vec![finding("W", Severity::Warning)]);
    assert_eq!(judged(&alarm), (false, vec!["the healthy cluster is called reachable, W".to_owned()]));
    assert!(!judged(&report_of(Verdict::Undetermined, Vec::new(), Vec::new())).0);
}

#[test]
fn evidence_is_a_part_of_the_text_on_the_node() {
    let found = finding("A", Severity::Critical);
    assert!(evidence_holds(Some("flannel.1"), Some("node-1"), Some(&found)));
    assert!(!evidence_holds(Some("flannel.1"), Some("node-2"), Some(&found)));
    assert!(!evidence_holds(Some("cni0"), None, Some(&found)));
    assert!(evidence_holds(None, None, None));
    assert!(!evidence_holds(Some("cni0"), None, None));
}

#[test]
fn an_outcome_has_the_documented_json() {
    let mut outcome = Outcome::of(&scenario("verdict = \"unreachable\"\nfirst = [\"A\"]"));
    outcome.packets = Some(Verdict::Degraded);
    outcome.heal = Heal::Failed;
    let json = serde_json::to_value(&outcome).expect("JSON");
    let fields = ["name", "packets", "verdict", "first", "causes", "evidence_ok", "healthy_clean", "heal", "right"];
    assert!(fields.iter().all(|field| json.get(field).is_some()), "{json}");
    assert_eq!((json.get("packets"), json.get("heal")), (Some(&"degraded".into()), Some(&"failed".into())));
    assert_eq!(
        (json.get("first"), json.get("verdict")),
        (Some(&serde_json::Value::Null), Some(&serde_json::Value::Null))
    );
}

#[test]
fn packets_overrule_the_scenario() {
    use crate::packets::Attempt;
    let judged = |expect: &str, attempts: Vec<Attempt>| {
        let scenario = scenario(expect);
        let mut outcome = Outcome::of(&scenario);
        packets(&scenario, &Measured(attempts), &mut outcome);
        outcome.problems.len()
    };
    let unreachable = "verdict = \"unreachable\"\nfirst = [\"A\"]";
    assert_eq!(judged(unreachable, vec![Attempt::TimedOut]), 0);
    assert_eq!(judged(unreachable, vec![Attempt::Answered]), 1);
    assert_eq!(judged("verdict = \"undetermined\"\nfirst = [\"A\"]", vec![Attempt::Answered]), 0);
}
