use super::read;
use crate::netfilter::nft::ast::{Expr, MatchOp, SetRef, Statement, TableFamily, Verdict};
use crate::netfilter::nft::tests::first_rule;

const HEAD: &str = r#"{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"family": "ip", "name": "t", "handle": 1}},
    {"chain": {"family": "ip", "table": "t", "name": "c", "handle": 2}}, "#;

fn rule(statements: &str) -> String {
    format!(r#"{{"rule": {{"family": "ip", "table": "t", "chain": "c", "handle": 7, "expr": [{statements}]}}}}"#)
}

fn statements(list: &str) -> Vec<Statement> {
    let ruleset = read(&format!("{HEAD}{}]}}", rule(list)));
    assert_eq!(ruleset.problems, []);
    first_rule(ruleset).statements
}

/// nft 1.0.6 writes numbers of a set of `ct original proto-dst` with a complaint behind them.
#[test]
fn numbers_of_no_type_are_numbers() {
    let set = |values: &str| {
        let left = r#"{"ct": {"key": "proto-dst", "dir": "original"}}"#;
        statements(&format!(r#"{{"match": {{"op": "==", "left": {left}, "right": {{"set": [{values}]}}}}}}"#))
    };
    assert_eq!(set(r#""0x35 [invalid type]", "0x1bb [invalid type]""#), set("53, 443"));
}

#[test]
fn flags_are_numbers() {
    let found = statements(
        r#"{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}, {"accept": null}"#,
    );
    let left = Expr::Ct { key: "state".into(), direction: None, family: None };
    let first = Statement::Match { op: MatchOp::In, left, right: Expr::Number(6) };
    assert_eq!(found, [first, Statement::Verdict(Verdict::Accept)]);
}

#[test]
fn verdict_map_of_kube_proxy() {
    let found = statements(
        r#"{"vmap": {"key": {"numgen": {"mode": "random", "mod": 2, "offset": 0}},
            "data": {"set": [[0, {"goto": {"target": "a"}}], [1, {"goto": {"target": "b"}}]]}}}"#,
    );
    let [
        Statement::VerdictMap {
            key: Expr::Numgen { random: true, modulus: 2, offset: 0 },
            map: SetRef::Anonymous(elements),
        },
    ] = found.as_slice()
    else {
        panic!("{found:?}");
    };
    assert_eq!(elements[1].key, Expr::Number(1));
    assert_eq!(elements[1].value, Some(Expr::Verdict(Verdict::Goto("b".into()))));
}

#[test]
fn unknown_spoils_only_itself() {
    let text = format!(
        r#"{HEAD}{}, {{"novelty": {{"family": "ip", "table": "t", "name": "x"}}}}, 5, {}]}}"#,
        rule(
            r#"{"wonder": {"a": [1, "b"]}}, {"match": {"op": "==", "left": {"meta": {"key": "mark", "odd": 1}}, "right": 1}}, {"drop": null}"#
        ),
        rule(r#"{"accept": null}"#),
    );
    let ruleset = read(&text);
    let [table] = ruleset.tables.as_slice() else { panic!() };
    assert_eq!(table.family, TableFamily::Ip);
    assert!(table.partial.as_ref().unwrap().what.starts_with("novelty"));
    assert_eq!(ruleset.problems.len(), 1);
    let rules = &table.chains[0].rules;
    assert_eq!(rules[0].statements[0], Statement::Unknown(r#"{"wonder": {"a": [1, "b"]}}"#.into()));
    let Statement::Match { left: Expr::Unknown(text), .. } = &rules[0].statements[1] else { panic!() };
    assert_eq!(**text, *r#"{"meta": {"key": "mark", "odd": 1}}"#);
    assert_eq!(rules[1].statements, [Statement::Verdict(Verdict::Accept)]);
    assert_eq!(rules[0].source.handle, 7);
}

#[test]
fn sources_are_the_objects() {
    let text = format!("{HEAD}{} ]}}", rule(r#"{"accept": null}"#));
    let ruleset = read(&text);
    let source = ruleset.tables[0].chains[0].rules[0].source;
    let (start, length) = (source.offset as usize, source.length as usize);
    assert_eq!(text[start..start + length], rule(r#"{"accept": null}"#));
}

#[test]
fn cut_off_dumps_keep_what_came_before() {
    let whole = format!("{HEAD}{}, {}]}}", rule(r#"{"accept": null}"#), rule(r#"{"drop": null}"#));
    for end in HEAD.len()..whole.len() {
        let ruleset = read(&whole[..end]);
        assert_eq!(ruleset.problems.len(), 1, "{end}");
        assert_eq!(ruleset.tables[0].chains.len(), 1);
    }
    assert!(read(&whole).problems.is_empty());
    assert!(read("").problems.is_empty());
    assert_eq!(read("Operation not permitted").problems.len(), 1);
}

#[test]
fn depth_is_bounded() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let ruleset = read(&format!("{HEAD}{}, {}]}}", rule(&deep), rule(r#"{"drop": null}"#)));
    assert_eq!(ruleset.problems.len(), 1);
    assert_eq!(ruleset.tables[0].chains[0].rules.len(), 1);
}

#[test]
fn several_documents_follow_each_other() {
    let text = format!("{HEAD}{}]}}\n", rule(r#"{"accept": null}"#)).repeat(2);
    let ruleset = read(&text);
    assert_eq!(ruleset.problems, []);
    assert_eq!(ruleset.tables[0].chains[0].rules.len(), 1);
}

proptest::proptest! {
    #[test]
    fn never_panics(text in r#"\{"nftables": \[([\{\}\[\]:,]|"[a-z]{1,6}"|[0-9]{1,3}|null|true){0,40}"#) {
        read(&text);
    }

    #[test]
    fn never_panics_on_a_member(key in "[a-z ]{1,12}", value in r#"[\{\}\[\]:,0-9]{0,9}|"[a-z.:@/0-9]{0,9}""#) {
        read(&format!(r#"{HEAD}{{"rule": {{"family": "ip", "table": "t", "chain": "c", "expr": [{{"{key}": {value}}}]}}}}]}}"#));
    }
}
