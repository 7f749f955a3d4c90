use super::read;
use crate::netfilter::nft::ast::{
    BinaryOp, ChainKind, Expr, MatchOp, Nat, NatKind, ObjectKind, Rule, Ruleset, SetRef, Statement, Verdict,
};
use crate::netfilter::nft::json;
use crate::netfilter::nft::tests::first_rule;

fn table(rules: &str) -> Ruleset {
    read(&format!("table inet t {{\n\tchain c {{\n{rules}\n\t}}\n}}\n"))
}

fn rules(text: &str) -> Vec<Rule> {
    let ruleset = table(text);
    assert_eq!(ruleset.problems, []);
    let table = ruleset.tables.into_iter().next().unwrap();
    assert_eq!(table.partial, None);
    table.chains.into_iter().next().unwrap().rules
}

fn statements(rule: &str) -> Vec<Statement> {
    rules(rule).into_iter().next().unwrap().statements
}

/// The statement of a rule in JSON.
fn json_statements(list: &str) -> Vec<Statement> {
    let text = format!(
        r#"{{"nftables": [{{"chain": {{"family": "inet", "table": "t", "name": "c"}}}},
        {{"rule": {{"family": "inet", "table": "t", "chain": "c", "expr": [{list}]}}}}]}}"#
    );
    first_rule(json::read(&text)).statements
}

/// Text and JSON of one statement.
const FORMS: &[(&str, &str)] = &[
    ("flow add @ft", r#"{"flow": {"op": "add", "flowtable": "@ft"}}"#),
    ("flow offload @ft", r#"{"flow": {"op": "add", "flowtable": "@ft"}}"#),
    ("queue flags bypass,fanout to 0-3", r#"{"queue": {"num": {"range": [0, 3]}, "flags": ["bypass", "fanout"]}}"#),
    ("queue num 3 bypass", r#"{"queue": {"num": 3, "flags": "bypass"}}"#),
    ("queue to numgen inc mod 4", r#"{"queue": {"num": {"numgen": {"mode": "inc", "mod": 4, "offset": 0}}}}"#),
    ("queue", r#"{"queue": null}"#),
    (
        "synproxy mss 1460 wscale 7 timestamp sack-perm",
        r#"{"synproxy": {"mss": 1460, "wscale": 7, "flags": ["timestamp", "sack-perm"]}}"#,
    ),
    (r#"synproxy name "sp""#, r#"{"synproxy": "sp"}"#),
    (r#"xt target "MASQUERADE""#, r#"{"xt": {"type": "target", "name": "MASQUERADE"}}"#),
    ("xt match comment", r#"{"xt": {"type": "match", "name": "comment"}}"#),
    ("last used never", r#"{"last": null}"#),
    ("last used 1h3m", r#"{"last": {"used": 3780000}}"#),
    (
        "tcp flags syn / fin,syn,rst",
        r#"{"match": {"op": "==", "left": {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, {"|": ["fin", "syn", "rst"]}]}, "right": "syn"}}"#,
    ),
    (
        "tcp flags & (fin | syn | rst) == syn",
        r#"{"match": {"op": "==", "left": {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, {"|": [{"|": ["fin", "syn"]}, "rst"]}]}, "right": "syn"}}"#,
    ),
    (
        "tcp flags == fin | syn",
        r#"{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "flags"}}, "right": {"|": ["fin", "syn"]}}}"#,
    ),
    ("masquerade fully-random", r#"{"masquerade": {"flags": "fully-random"}}"#),
    ("masquerade fully-random", r#"{"masquerade": {"flags": ["fully-random"]}}"#),
    (
        "dnat ip addr . port to ip saddr map @m",
        r#"{"dnat": {"family": "ip", "addr": {"map": {"key": {"payload": {"protocol": "ip", "field": "saddr"}}, "data": "@m"}}, "type_flags": ["concat"]}}"#,
    ),
    (
        "vxlan ip saddr 10.0.0.1",
        r#"{"match": {"op": "==", "left": {"payload": {"tunnel": "vxlan", "protocol": "ip", "field": "saddr"}}, "right": "10.0.0.1"}}"#,
    ),
    (
        "vxlan vni 5",
        r#"{"match": {"op": "==", "left": {"payload": {"protocol": "vxlan", "field": "vni"}}, "right": 5}}"#,
    ),
    ("dccp option 5 exists", r#"{"match": {"op": "==", "left": {"dccp option": {"type": 5}}, "right": true}}"#),
    (
        "fib daddr check missing",
        r#"{"match": {"op": "==", "left": {"fib": {"result": "check", "flags": "daddr"}}, "right": false}}"#,
    ),
    (
        "ct state != established,related",
        r#"{"match": {"op": "!=", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}"#,
    ),
    ("meta ibrname \"br0\"", r#"{"match": {"op": "==", "left": {"meta": {"key": "ibrname"}}, "right": "br0"}}"#),
    ("reject with icmp type host-unreachable", r#"{"reject": {"type": "icmp", "expr": "host-unreachable"}}"#),
    (
        "tcp option maxseg size set rt mtu",
        r#"{"mangle": {"key": {"tcp option": {"name": "maxseg", "field": "size"}}, "value": {"rt": {"key": "mtu"}}}}"#,
    ),
    (
        "jhash ip saddr . tcp dport mod 2 seed 0x10 offset 3 vmap { 3 : drop }",
        r#"{"vmap": {"key": {"jhash": {"mod": 2, "seed": 16, "offset": 3, "expr": {"concat": [{"payload": {"protocol": "ip", "field": "saddr"}}, {"payload": {"protocol": "tcp", "field": "dport"}}]}}}, "data": {"set": [[3, {"drop": null}]]}}}"#,
    ),
    (
        "add @m { ip saddr timeout 1m : 10.0.0.1 . 80 }",
        r#"{"map": {"op": "add", "elem": {"elem": {"val": {"payload": {"protocol": "ip", "field": "saddr"}}, "timeout": 60}}, "data": {"concat": ["10.0.0.1", 80]}, "map": "@m"}}"#,
    ),
    ("meta secmark set \"sm\"", r#"{"secmark": "sm"}"#),
    (
        "ct original proto-dst 80",
        r#"{"match": {"op": "==", "left": {"ct": {"key": "proto-dst", "dir": "original"}}, "right": 80}}"#,
    ),
    (
        "ct original proto-dst { 0x35 [invalid type], 0x1bb [invalid type] }",
        r#"{"match": {"op": "==", "left": {"ct": {"key": "proto-dst", "dir": "original"}}, "right": {"set": ["0x35 [invalid type]", "0x1bb [invalid type]"]}}}"#,
    ),
    ("tproxy to :50080", r#"{"tproxy": {"port": 50080}}"#),
    (
        "ip saddr . tcp dport vmap { 10.0.0.0/8 . 1-5 counter packets 1 bytes 2 : accept }",
        r#"{"vmap": {"key": {"concat": [{"payload": {"protocol": "ip", "field": "saddr"}}, {"payload": {"protocol": "tcp", "field": "dport"}}]}, "data": {"set": [[{"elem": {"val": {"concat": [{"prefix": {"addr": "10.0.0.0", "len": 8}}, {"range": [1, 5]}]}, "counter": {"packets": 1, "bytes": 2}}}, {"accept": null}]]}}}"#,
    ),
];

/// What newer versions of nft print, or older ones did, and modules that few kernels have: text and JSON by the documentation.
#[test]
fn forms_of_other_versions() {
    for (text, json) in FORMS {
        let (text, json) = (statements(text), json_statements(json));
        assert_eq!(text, json);
        assert!(!format!("{text:?}").contains("Unknown("), "{text:?}");
    }
}

#[test]
fn unknown_statements_keep_the_verdict() {
    let found = statements("ip saddr 10.0.0.1 wonder about { 1, 2 } drop comment \"x\" # handle 9");
    assert_eq!(found[1..], [Statement::Unknown("wonder about { 1, 2 }".into()), Statement::Verdict(Verdict::Drop)]);
    let found = rules("\t\twonder {\n1 }\n\t\taccept # handle 12\n");
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].statements, [Statement::Verdict(Verdict::Accept)]);
    assert_eq!((found[1].source.handle, found[1].source.line), (12, 5));
}

#[test]
fn old_names_of_extensions() {
    let found = statements("meta l4proto tcp # xt_multiport counter packets 0 bytes 0 drop");
    assert_eq!(found[1], Statement::Xt { kind: "".into(), name: "multiport".into() });
    assert_eq!(found[3], Statement::Verdict(Verdict::Drop));
}

#[test]
fn heads_of_chains() {
    let text = "table bridge b {\n chain c {\n  type filter hook input priority filter - 5; policy drop;\n }\n}\n\
        table netdev n {\n chain i { # handle 3\n  type filter hook ingress devices = { \"eth0\", eth1 } priority -500; policy accept;\n  flags offload;\n }\n\
         flowtable f {\n  hook ingress priority filter\n  devices = { eth0,\n   eth1 }\n  flags offload\n  counter\n }\n ct helper h {\n  type \"ftp\" protocol tcp\n  l3proto ip\n }\n}\ntable ip a\ntable ip d {\n flags dormant,owner\n comment \"x\"\n}\n";
    let ruleset = read(text);
    assert_eq!(ruleset.problems, []);
    let [bridge, netdev, empty, dormant] = ruleset.tables.as_slice() else { panic!() };
    let base = bridge.chains[0].base.as_ref().unwrap();
    assert_eq!((base.kind, base.priority, base.drops), (ChainKind::Filter, -205, true));
    assert_eq!(netdev.partial, None);
    assert_eq!(netdev.chains[0].base.as_ref().unwrap().devices.len(), 2);
    assert_eq!(netdev.chains[0].source.handle, 3);
    assert_eq!(netdev.objects[0].kind, ObjectKind::Helper("ftp".into()));
    assert_eq!(&*empty.name, "a");
    assert!(dormant.dormant && dormant.partial.is_none());
}

#[test]
fn sources_are_the_rules() {
    let text = "table ip t {\n\tchain c {\n\t\ttcp dport 80 accept # handle 4\n\t\tip saddr { 1.1.1.1,\n\t\t\t     2.2.2.2 } drop\n\t}\n}\n";
    let ruleset = read(text);
    let cut: Vec<_> = ruleset.tables[0].chains[0]
        .rules
        .iter()
        .map(|rule| {
            let source = rule.source;
            (source.line, source.handle, &text[source.offset as usize..(source.offset + source.length) as usize])
        })
        .collect();
    assert_eq!(cut, [(3, 4, "tcp dport 80 accept"), (4, 0, "ip saddr { 1.1.1.1,\n\t\t\t     2.2.2.2 } drop")]);
}

#[test]
fn precedence_of_operators() {
    let [Statement::Mangle { value: Expr::Binary { op: BinaryOp::Or, left, .. }, .. }] =
        &statements("meta mark set meta mark & 0xff | 0x100 ^ 0x1")[..]
    else {
        panic!()
    };
    assert!(matches!(**left, Expr::Binary { op: BinaryOp::And, .. }));
}

#[test]
fn nat_with_ports() {
    let [Statement::Nat(Nat { kind: NatKind::Dnat, address: Some(Expr::Range(_)), port: Some(Expr::Range(_)), .. })] =
        &statements("dnat ip to 10.0.0.1-10.0.0.9:80-90")[..]
    else {
        panic!()
    };
    let [Statement::VerdictMap { map: SetRef::Named(name), .. }] = &statements("tcp dport vmap @a-b/c")[..] else {
        panic!()
    };
    assert_eq!(&**name, "a-b/c");
    let [Statement::Match { op: MatchOp::NotIn, right: Expr::Number(2), .. }] = &statements("tcp flags ! syn")[..]
    else {
        panic!()
    };
}

#[test]
fn cut_off_dumps_keep_what_came_before() {
    let whole = "table ip t {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 1.1.1.1, 2.2.2.2 }\n\t}\n\tchain c {\n\t\taccept\n\t\tdrop\n\t}\n}\n";
    for end in 0..whole.len() - 2 {
        let ruleset = read(&whole[..end]);
        let noted = !ruleset.problems.is_empty() || ruleset.tables.iter().any(|table| table.partial.is_some());
        assert!(noted || whole[..end].trim().len() < 11, "{end}");
    }
    assert_eq!(read(&whole[..whole.len() - 6]).tables[0].chains[0].rules.len(), 2);
}

#[test]
fn depth_and_length_are_bounded() {
    for open in ["{", "(", "jhash ", "ip saddr { ", "ct state vmap { 1 : ", "meter x { ip saddr "] {
        table(&open.repeat(50_000));
        table(&format!("ip saddr {}", open.repeat(50_000)));
        table(&format!("meta mark set {}{}", open.repeat(50_000), "}".repeat(50_000)));
    }
    for word in [
        "a-",
        "accept ",
        "a . ",
        "1,",
        "\"x\" ",
        "wonder\n",
        "! ",
        "table ip t {\n",
        "chain c {\n",
        "1.1.1.1-",
        "jump ",
        ": ",
    ] {
        table(&word.repeat(100_000));
        read(&word.repeat(100_000));
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "\\PC{0,60}") {
        read(&text);
        table(&text);
    }

    #[test]
    fn never_panics_on_words(words in proptest::collection::vec(proptest::sample::select(vec![
        "ip", "saddr", "10.0.0.0/8", "{", "}", ",", ".", ":", "vmap", "map", "set", "(", ")", "|", "&", "==", "!=", "\"x\"", "\n", "@s", "@nh",
        "tcp", "flags", "syn", "/", "dnat", "to", "[::1]:80", ":80", "meta", "mark", "counter", "accept", "table", "chain", "t", "elements", "=",
        "type", "ipv4_addr", "ct", "state", "new", "limit", "rate", "5/second", "jhash", "mod", "2", "# handle 1\n", "queue", "log", "fib", "\\\n",
    ]), 0..60)) {
        let text = words.join(" ");
        read(&text);
        table(&text);
        read(&format!("table ip t {{ set s {{ {text}"));
    }
}
