//! Native tables: harmless, unknown, owned by iptables.

use skoop_model::{Item, NetfilterDumps};

use crate::netfilter::testkit::*;
use crate::netfilter::{Hook, Netfilter};
use crate::{Forks, Tri};

/// A base chain `input` with these statements, and a chain `other` with `drop`.
fn ruleset(family: &str, policy: &str, statements: &str) -> String {
    format!(
        r#"{{"nftables": [{{"metainfo": {{"version": "1.0.6"}}}}, {{"table": {{"family": "{family}", "name": "filter", "handle": 1}}}},
        {{"chain": {{"family": "{family}", "table": "filter", "name": "FORWARD", "handle": 1, "type": "filter", "hook": "forward", "prio": 0, "policy": "{policy}"}}}},
        {{"chain": {{"family": "{family}", "table": "filter", "name": "other", "handle": 2}}}},
        {{"rule": {{"family": "{family}", "table": "filter", "chain": "other", "handle": 3, "expr": [{{"drop": null}}]}}}},
        {{"rule": {{"family": "{family}", "table": "filter", "chain": "FORWARD", "handle": 4, "expr": [{statements}]}}}}]}}"#
    )
}

fn judge(json: &str, nft_v4: &str) -> Tri {
    let dumps = NetfilterDumps {
        nft_json: Item::known(0, json.to_owned()),
        nft_v4: Item::known(0, nft_v4.to_owned()),
        ..no_rules()
    };
    stops(&Netfilter::compile(&dumps), &syn("10.0.0.5", 1, "10.0.0.6", 2), &FORWARDED)
}

#[test]
fn only_chains_that_may_harm_are_unknown() {
    for (family, policy, statements, expected) in [
        ("inet", "accept", r#"{"counter": {"packets": 1, "bytes": 2}}, {"accept": null}"#, Tri::No),
        ("inet", "accept", r#"{"match": {"op": "==", "left": 1, "right": 2}}, {"log": null}"#, Tri::No),
        ("inet", "accept", r#"{"drop": null}"#, Tri::Maybe),
        ("inet", "accept", r#"{"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}"#, Tri::Maybe),
        ("inet", "accept", r#"{"jump": {"target": "other"}}"#, Tri::Maybe),
        (
            "inet",
            "accept",
            r#"{"vmap": {"key": 1, "data": {"set": [[1, {"goto": {"target": "other"}}]]}}}"#,
            Tri::Maybe,
        ),
        ("inet", "accept", r#"{"vmap": {"key": 1, "data": {"set": [[1, {"accept": null}]]}}}"#, Tri::No),
        ("inet", "accept", r#"{"vmap": {"key": 1, "data": "@verdicts"}}"#, Tri::Maybe),
        ("inet", "accept", r#"{"brand new": 1}"#, Tri::Maybe),
        ("inet", "drop", r#"{"accept": null}"#, Tri::Maybe),
        ("ip6", "drop", r#"{"drop": null}"#, Tri::No),
        ("arp", "drop", r#"{"drop": null}"#, Tri::No),
        ("bridge", "drop", r#"{"drop": null}"#, Tri::No),
        ("ip", "drop", r#"{"drop": null}"#, Tri::Maybe),
    ] {
        assert_eq!(judge(&ruleset(family, policy, statements), ""), expected, "{family} {policy} {statements}");
    }
}

#[test]
fn tables_of_iptables_are_read_from_its_own_dump() {
    let json = ruleset("ip", "accept", r#"{"drop": null}"#);
    let dump = table("filter", &[]);
    assert_eq!(judge(&json, &dump), Tri::No);
    let incompatible = "# Table `filter' is incompatible, use 'nft' tool.\n";
    assert_eq!(judge(&json, incompatible), Tri::Maybe);
    assert_eq!(judge(&json, &(dump + incompatible)), Tri::Maybe);
}

#[test]
fn broken_json_is_unknown() {
    let json = ruleset("inet", "accept", r#"{"accept": null}"#);
    for cut in 1..json.len() {
        assert_eq!(judge(json.get(..cut).expect("ASCII"), ""), Tri::Maybe, "{cut}");
    }
    assert_eq!(judge("[]", ""), Tri::Maybe);
    assert_eq!(judge(r#"{"nftables": []}"#, ""), Tri::No);
    assert_eq!(judge("", ""), Tri::No);
}

#[test]
fn an_unknown_chain_is_named() {
    let json = ruleset("inet", "drop", r#"{"accept": null}"#);
    let dumps = NetfilterDumps { nft_json: Item::known(0, json), ..no_rules() };
    let mut forks = Forks::first();
    let mut walk = Walk::new(Netfilter::compile(&dumps));
    walk.hook(Hook::Forward, &mut syn("10.0.0.5", 1, "10.0.0.6", 2), &mut forks);
    let label = forks.choices().first().map(|choice| choice.label.clone());
    let expected =
        "whether nftables chain `inet filter FORWARD` (hook forward, priority 0) lets the packet pass unchanged: yes";
    assert_eq!(label.as_deref(), Some(expected));
}
