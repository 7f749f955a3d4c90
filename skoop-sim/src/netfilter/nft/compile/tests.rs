//! What rules do, one by one: each case names the kernel file that it follows.

use std::collections::BTreeSet;

use skoop_model::{Item, NetfilterDumps, Packet};

use crate::netfilter::testkit::*;
use crate::netfilter::{Hook, Netfilter, NfEventKind, NfVerdict, RejectWith, RuleSource};
use crate::{Forks, Tri, explore};

fn compile(ruleset: &str) -> Netfilter {
    Netfilter::compile(&NetfilterDumps { nft_text: Item::known(0, ruleset.to_owned()), ..no_rules() })
}

/// A chain at FORWARD that holds `rules`, one a line, behind sets.
fn forward(rules: &str) -> Netfilter {
    compile(&format!(
        "table inet t {{\n{SETS}\nchain f {{\ntype filter hook forward priority 0; policy accept;\n{rules}\n}}\n}}\n"
    ))
}

const SETS: &str = "set addresses {
type ipv4_addr
elements = { 10.0.0.5, 10.0.0.7 }
}
set networks {
type ipv4_addr
flags interval
elements = { 10.0.0.0/29, 10.1.0.3-10.1.0.9 }
}
set six {
type ipv6_addr
flags interval
elements = { fd00::/64 }
}
set services {
type ipv4_addr . inet_proto . inet_service
elements = { 10.96.0.1 . tcp . 443, 10.96.0.2 . udp . 53 }
}
set filled {
type ipv4_addr
flags dynamic
}
set boxes {
type ipv4_addr . inet_service
flags interval
elements = { 10.96.0.0/16 . 400-500, 10.96.0.1 . 80 }
}
map marks {
type ipv4_addr : mark
elements = { 10.0.0.5 : 5, 10.0.0.6 : 6 }
}";

fn web() -> Packet {
    syn("10.0.0.5", 4000, "10.96.0.1", 443)
}

fn dns() -> Packet {
    udp("10.0.0.5", 4000, "10.96.0.2", 53)
}

fn six() -> Packet {
    syn("fd00::5", 4000, "fd00::6", 443)
}

fn ping() -> Packet {
    icmp("10.0.0.5", "10.0.0.6", 8, 0)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one line a case")]
fn a_rule_matches_what_the_kernel_says() {
    use Tri::{Maybe, No, Yes};
    #[rustfmt::skip]
    let cases: &[(&str, Packet, Tri)] = &[
        // nft_payload.c, nft_cmp.c, nft_range.c; dependencies of src/payload.c of nftables
        ("ip saddr 10.0.0.5", web(), Yes),
        ("ip saddr != 10.0.0.5", web(), No),
        ("ip saddr != 10.0.0.5", six(), No),
        ("ip6 saddr fd00::5", six(), Yes),
        ("ip6 saddr ::a00:5", web(), No),
        ("tcp dport 443", web(), Yes),
        ("tcp dport 443", dns(), No),
        ("tcp dport != 80", dns(), No),
        ("th dport 53", dns(), Yes),
        ("tcp dport 400-500", web(), Yes),
        ("tcp dport > 443", web(), No),
        ("tcp dport >= 443", web(), Yes),
        ("tcp flags syn", web(), Yes),
        ("tcp flags & (syn | ack) == syn", web(), Yes),
        ("tcp flags & (syn | ack) != syn", web(), No),
        ("icmp type echo-request", ping(), Yes),
        ("icmp type echo-reply", ping(), No),
        ("ip ttl 64", web(), Yes),
        ("ip dscp cs1", web(), No),
        ("@nh,128,32 0x0a600001", web(), Yes),
        ("@th,16,16 443", web(), Yes),
        ("ip id 1", web(), Maybe),
        ("ether type arp", web(), No),
        // nft_meta.c
        ("iifname \"eth0\"", web(), Yes),
        ("iifname \"eth*\" oifname != \"eth0\"", web(), Yes),
        ("iif \"eth0\" oif \"eth1\"", web(), Yes),
        ("iifgroup 1", web(), Yes),
        ("meta l4proto tcp", web(), Yes),
        ("meta l4proto != tcp", web(), No),
        ("meta nfproto ipv6", six(), Yes),
        ("meta protocol ip", web(), Yes),
        ("meta mark 0x0", web(), Yes),
        ("meta length 60", web(), Yes),
        ("meta skuid 0", web(), No),
        ("meta cpu 0", web(), Maybe),
        ("meta cgroup 1", web(), No),
        // nft_ct.c
        ("ct state new", web(), Yes),
        ("ct state established,related", web(), No),
        ("ct state != new", web(), No),
        ("ct direction original", web(), Yes),
        ("ct original ip saddr 10.0.0.5", web(), Yes),
        ("ct original ip saddr 10.0.0.5", six(), No),
        ("ct reply proto-src 443", web(), Yes),
        ("ct status dnat", web(), No),
        ("ct helper \"ftp\"", web(), No),
        ("ct expiration 10s", web(), Maybe),
        // nft_fib.c: the address types of the test environment
        ("fib daddr type local", syn("10.0.0.5", 1, "192.168.0.1", 2), Yes),
        ("fib daddr type != local", web(), Yes),
        ("fib saddr . iif oif missing", web(), Maybe),
        // nft_lookup.c, nft_set_hash.c, nft_set_rbtree.c, nft_set_pipapo.c
        ("ip saddr @addresses", web(), Yes),
        ("ip saddr != @addresses", web(), No),
        ("ip daddr @addresses", web(), No),
        ("ip saddr @networks", web(), Yes),
        ("ip daddr @networks", web(), No),
        ("ip6 saddr @six", six(), Yes),
        ("ip6 saddr @six", web(), No),
        ("ip daddr . meta l4proto . th dport @services", web(), Yes),
        ("ip daddr . meta l4proto . th dport @services", ping(), No),
        ("ip daddr . tcp dport @boxes", web(), Yes),
        ("ip daddr . tcp dport @boxes", syn("10.0.0.5", 1, "10.96.0.9", 80), No),
        ("tcp dport { 80, 443 }", web(), Yes),
        ("tcp dport != { 80, 443 }", web(), No),
        ("ip saddr @gone", web(), Maybe),
        // nft_bitwise.c, nft_byteorder.c
        ("meta mark & 0xff == 0x1", web(), No),
        ("ip saddr & 255.0.0.0 == 10.0.0.0", web(), Yes),
        ("meta mark set 0x11 meta mark & 0x10 == 0x10", web(), Yes),
        ("meta mark set ip saddr map @marks meta mark 5", web(), Yes),
        ("meta mark set ip daddr map @marks", web(), No),
        // nft_exthdr.c
        ("exthdr hbh exists", six(), No),
        ("exthdr hbh missing", six(), Yes),
        ("tcp option maxseg exists", web(), Maybe),
        ("tcp option maxseg missing", dns(), Yes),
        ("ip option rr exists", web(), No),
        // nft_dynset.c: what a rule adds is there for the next one
        ("add @filled { ip saddr } ip saddr @filled", web(), Yes),
        ("add @filled { ip saddr } delete @filled { ip saddr } ip saddr @filled", web(), No),
        ("ip saddr @filled", web(), No),
        // nft_limit.c, nft_quota.c, nft_connlimit.c: within limits first
        ("limit rate 1/second", web(), Maybe),
        ("quota over 1 mbytes used 2 mbytes", web(), Yes),
        ("quota over 1 mbytes", web(), No),
        ("ct count over 10", web(), Maybe),
        // What is not understood
        ("frobnicate 7", web(), Maybe),
    ];
    for (rule, packet, expected) in cases {
        assert_eq!(stops(&forward(&format!("{rule} drop")), packet, &FORWARDED), *expected, "{rule}: {packet}");
    }
}

/// `nft_do_chain`, `net/netfilter/nf_tables_core.c`; `nft_immediate_eval`; `nft_lookup_eval` for verdict maps.
#[test]
fn verdicts_lead_where_the_kernel_goes() {
    let chains = "chain other {\nip saddr 10.0.0.5 return\ndrop\n}\nchain deep {\ngoto other\n}\n";
    for (rules, dropped) in [
        ("jump other", false),
        ("jump other\ndrop", true),
        ("goto other\ndrop", false),
        ("jump deep\ndrop", true),
        ("accept\ndrop", false),
        ("continue\ndrop", true),
        ("return\ndrop", false),
        ("tcp dport vmap { 443 : drop, 80 : accept }", true),
        ("tcp dport vmap { 443 : jump other }\ndrop", true),
        ("tcp dport vmap { 80 : drop }", false),
        ("tcp dport vmap { 80 : accept, * : drop }", true),
        ("ip daddr . tcp dport vmap { 10.96.0.1 . 400-500 : drop }", true),
        ("ct state vmap { established : drop, new : accept }\ndrop", false),
        ("counter log prefix \"drop \" accept", false),
    ] {
        let text = format!(
            "table ip t {{\n{chains}chain f {{\ntype filter hook forward priority 0; policy accept;\n{rules}\n}}\n}}\n"
        );
        assert_eq!(stops(&compile(&text), &web(), &FORWARDED), Tri::from(dropped), "{rules}");
    }
}

/// `accept` ends one base chain, `drop` all; equal priorities: the later one first, asked for only where it matters.
#[test]
fn base_chains_of_all_sources_run_by_priority() {
    let chain = |table: &str, priority: i32, rules: &str| {
        format!(
            "table inet {table} {{\nchain f {{\ntype filter hook forward priority {priority}; policy accept;\n{rules}\n}}\n}}\n"
        )
    };
    let rules = compile(&(chain("a", -1, "accept") + &chain("b", 1, "drop") + &chain("c", 2, "reject")));
    let result = Walk::new(rules).forward(&mut web());
    assert_eq!(
        result.blockers.iter().map(|blocker| blocker.by.table.as_str()).collect::<Vec<_>>(),
        ["inet b", "inet c"]
    );
    for (first, second, ways) in
        [("meta mark set 1", "meta mark 1 drop", 2), ("meta mark set 1", "tcp dport 443 drop", 1), ("drop", "drop", 1)]
    {
        let rules = compile(&(chain("a", 0, first) + &chain("b", 0, second)));
        let (found, _) =
            explore(9, |forks| Walk::new(rules.clone()).hooks(&FORWARDED, &mut web(), forks).blockers.len());
        assert_eq!(found.len(), ways, "{first} {second}");
    }
}

/// The order at the hook, where the kernel told it (`nfnetlink_hook.c`), leaves no question.
#[test]
fn a_known_order_is_no_question() {
    use skoop_model::HookOwner;
    let chain = |table: &str, rules: &str| {
        format!(
            "table inet {table} {{\nchain f {{\ntype filter hook forward priority 0; policy accept;\n{rules}\n}}\n}}\n"
        )
    };
    let text = chain("a", "meta mark set 1") + &chain("b", "meta mark 1 drop");
    for (order, dropped) in [(["a", "b"], 1), (["b", "a"], 0)] {
        let owner = |table: &str| HookOwner {
            family: "ip".to_owned(),
            hook: "forward".to_owned(),
            device: None,
            priority: 0,
            function: Some("nft_do_chain_inet".to_owned()),
            module: Some("nf_tables".to_owned()),
            chain: Some(["inet".to_owned(), table.to_owned(), "f".to_owned()]),
            bpf_program: None,
        };
        let hooks = Item::known(0, order.map(owner).to_vec());
        let dumps = NetfilterDumps { nft_text: Item::known(0, text.clone()), hooks, ..no_rules() };
        let mut forks = Forks::first();
        let result = Walk::new(Netfilter::compile(&dumps)).hooks(&FORWARDED, &mut web(), &mut forks);
        assert_eq!((result.blockers.len(), forks.choices().len()), (dropped, 0));
    }
}

/// nft_reject.c, nft_reject_inet.c.
#[test]
fn rejects_answer_by_family() {
    for (rule, packet, kind, code) in [
        ("reject", web(), 3, 3),
        ("reject", six(), 1, 4),
        ("reject with icmpx admin-prohibited", web(), 3, 13),
        ("reject with icmpx admin-prohibited", six(), 1, 1),
        ("reject with icmpx host-unreachable", six(), 1, 3),
        ("reject with icmp host-unreachable", web(), 3, 1),
        ("reject with icmpv6 no-route", six(), 1, 0),
    ] {
        let result = Walk::new(forward(rule)).forward(&mut packet.clone());
        let verdict = result.blockers.first().map(|blocker| blocker.verdict);
        assert_eq!(verdict, Some(NfVerdict::Reject(RejectWith::Icmp { kind, code })), "{rule}");
    }
    let reset = |packet: &mut Packet| Walk::new(forward("reject with tcp reset")).forward(packet).blockers;
    assert_eq!(reset(&mut web()).first().map(|blocker| blocker.verdict), Some(NfVerdict::Reject(RejectWith::TcpReset)));
    assert_eq!(reset(&mut dns()), []);
}

/// nft_nat.c, nft_masq.c, nft_redir.c: what the packet looks like behind POSTROUTING.
#[test]
fn nat_translates() {
    let nat = |pre: &str, post: &str| {
        compile(&format!(
            "table ip nat {{\nmap targets {{\ntype inet_service : ipv4_addr . inet_service\nelements = {{ 443 : 10.2.0.1 . 8443 }}\n}}\nchain pre {{\ntype nat hook prerouting priority dstnat; policy accept;\n{pre}\n}}\nchain post {{\ntype nat hook postrouting priority srcnat; policy accept;\n{post}\n}}\n}}\n"
        ))
    };
    for (pre, post, expected) in [
        ("dnat to 10.2.0.1", "", "tcp 10.0.0.5:4000 > 10.2.0.1:443"),
        ("tcp dport 443 dnat to 10.2.0.1:8080", "", "tcp 10.0.0.5:4000 > 10.2.0.1:8080"),
        ("tcp dport 443 dnat to :8080", "", "tcp 10.0.0.5:4000 > 10.96.0.1:8080"),
        ("dnat ip to tcp dport map @targets", "", "tcp 10.0.0.5:4000 > 10.2.0.1:8443"),
        ("dnat ip prefix to ip daddr map { 10.96.0.0/16 : 10.2.0.0/16 }", "", "tcp 10.0.0.5:4000 > 10.2.0.1:443"),
        ("udp dport 443 dnat to 10.2.0.1", "", "tcp 10.0.0.5:4000 > 10.96.0.1:443"),
        ("redirect to :80", "", "tcp 10.0.0.5:4000 > 192.168.0.1:80"),
        ("", "masquerade", "tcp 192.168.0.1:4000 > 10.96.0.1:443"),
        ("", "snat to 10.9.0.1", "tcp 10.9.0.1:4000 > 10.96.0.1:443"),
        ("", "ip protocol tcp snat to 10.9.0.1:77", "tcp 10.9.0.1:77 > 10.96.0.1:443"),
        ("accept\ndnat to 10.2.0.1", "", "tcp 10.0.0.5:4000 > 10.96.0.1:443"),
    ] {
        let mut packet = web();
        Walk::new(nat(pre, post)).forward(&mut packet);
        assert_eq!(packet.to_string(), expected, "{pre} {post}");
    }
}

/// kube-proxy in nftables mode: services by a verdict map, endpoints by chance, masquerade by mark.
#[test]
fn kube_proxy_chooses_endpoints() {
    let text = "table ip kube-proxy {
map service-ips {
type ipv4_addr . inet_proto . inet_service : verdict
elements = { 10.96.0.1 . tcp . 443 comment \"default/web:https\" : goto service-web }
}
chain services {
ip daddr . meta l4proto . th dport vmap @service-ips
}
chain service-web {
ip saddr != 10.0.0.0/16 jump mark-for-masquerade
numgen random mod 3 vmap { 0 : goto endpoint-a, 1 : goto endpoint-b, 2 : goto endpoint-c }
}
chain endpoint-a {
ip saddr 10.0.0.5 jump mark-for-masquerade
meta l4proto tcp dnat to 10.0.0.5:8443
}
chain endpoint-b {
meta l4proto tcp dnat to 10.0.0.6:8443
}
chain endpoint-c {
meta l4proto tcp dnat to 10.0.0.7:8443
}
chain mark-for-masquerade {
meta mark set meta mark | 0x00004000
}
chain masquerading {
meta mark & 0x00004000 == 0x00000000 return
meta mark set meta mark ^ 0x00004000
masquerade fully-random
}
chain nat-prerouting {
type nat hook prerouting priority dstnat; policy accept;
jump services
}
chain nat-postrouting {
type nat hook postrouting priority srcnat; policy accept;
jump masquerading
}
}
";
    let rules = compile(text);
    assert_eq!(rules.problems(), []);
    let (ways, _) = explore(20, |forks| {
        let mut packet = web();
        let events = Walk::new(rules.clone()).hooks(&FORWARDED, &mut packet, forks).events;
        let masqueraded = events.iter().any(|event| matches!(event.kind, NfEventKind::SourceNat { .. }));
        (packet.dst.to_string(), masqueraded)
    });
    let found: BTreeSet<_> = ways.iter().map(|way| way.value.clone()).collect();
    let expected = [("10.0.0.5", true), ("10.0.0.6", false), ("10.0.0.7", false)];
    assert_eq!(found, expected.map(|(address, masqueraded)| (address.to_owned(), masqueraded)).into());
    assert!(ways.iter().all(|way| (way.chance() - 1.0 / 3.0).abs() < 1e-9));
    assert_eq!(ways[1].choices[0].label, "endpoint-b");
}

/// nft_ct.c (zone, notrack, mark), nft_payload.c (mangling), chains of type route.
#[test]
fn statements_change_packets_and_flows() {
    let at = |hook: &str, kind: &str, rules: &str| {
        compile(&format!(
            "table ip t {{\nchain f {{\ntype {kind} hook {hook} priority -150; policy accept;\n{rules}\n}}\n}}\n"
        ))
    };
    let changed = |rules: &str| {
        let mut packet = web();
        Walk::new(at("forward", "filter", rules)).forward(&mut packet);
        packet
    };
    assert_eq!(changed("ip ttl set 9").ttl, 9);
    assert_eq!(changed("ip dscp set cs2").tos, 0x40);
    assert_eq!(changed("tcp dport set 80").dport().map(|port| port.0), Some(80));
    assert_eq!(changed("ct mark set 0x7 meta mark set ct mark").mark.0, 7);
    assert_eq!(changed("meta mark set tcp dport map { 443 : 0x9 }").mark.0, 9);
    for (kind, reroute) in [("route", true), ("filter", false)] {
        let result = Walk::new(at("output", kind, "meta mark set 1")).hooks(&SENT, &mut web(), &mut Forks::first());
        assert_eq!(result.reroute, reroute, "{kind}");
    }
    let raw = compile(
        "table ip t {\nchain r {\ntype filter hook prerouting priority raw; policy accept;\nnotrack\n}\nchain f {\ntype filter hook forward priority 0; policy accept;\nct state untracked drop\n}\n}\n",
    );
    assert_eq!(stops(&raw, &web(), &FORWARDED), Tri::Yes);
}

/// nft_dynset.c, nft_lookup.c: a jump because of what an earlier packet put into a set is told, one because of a plain set is not.
#[test]
fn what_earlier_packets_left_is_told() {
    for (flags, rule, told) in [
        ("flags dynamic,timeout; timeout 3h;", "ip saddr @s goto kept", true),
        ("flags dynamic,timeout; timeout 3h;", "ip saddr @s tcp dport 443 counter jump kept", true),
        ("flags dynamic,timeout; timeout 3h;", "ip saddr != @s goto kept", false),
        ("flags dynamic,timeout; timeout 3h;", "ip saddr @s accept", false),
        ("", "ip saddr @s goto kept", false),
    ] {
        let rules = compile(&format!(
            "table ip t {{\nset s {{\ntype ipv4_addr; {flags}\nelements = {{ 10.0.0.5 }}\n}}\nchain f {{\ntype filter hook forward priority 0; policy accept;\n{rule}\n}}\nchain kept {{\nmeta mark set 7\n}}\n}}\n"
        ));
        let events = Walk::new(rules).forward(&mut web()).events;
        let by: Vec<&str> = events
            .iter()
            .filter(|event| event.kind == NfEventKind::Remembered)
            .filter_map(|event| Some(event.by.as_ref()?.text.as_str()))
            .collect();
        assert_eq!(by.len(), usize::from(told), "{rule}: {events:?}");
    }
}

/// A rule is told as it stands in the text, or as `nft` would print it, with its handle.
#[test]
fn rules_are_told() {
    let text = "table inet fw { # handle 1\n\tchain in { # handle 1\n\t\ttype filter hook forward priority filter; policy drop;\n\t\tip saddr 10.0.0.5 tcp dport { 80, 443 } drop comment \"no web\" # handle 7\n\t}\n}\n";
    let json = r#"{"nftables": [{"table": {"family": "inet", "name": "fw", "handle": 1}}, {"chain": {"family": "inet", "table": "fw", "name": "in", "handle": 1, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}}, {"rule": {"family": "inet", "table": "fw", "chain": "in", "handle": 7, "comment": "no web", "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "10.0.0.5"}}, {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [80, 443]}}}, {"drop": null}]}}]}"#;
    let none = || Item::not_collected();
    let known = |text: &str| Item::known(0, text.to_owned());
    for (nft_json, nft_text, line) in
        [(known(json), known(text), 4), (known(json), none(), 0), (none(), known(text), 4)]
    {
        let dumps = NetfilterDumps { nft_json, nft_text, ..no_rules() };
        let rules = Netfilter::compile(&dumps);
        let result = Walk::new(rules.clone()).forward(&mut web());
        let by = &result.blockers.first().expect("a blocker").by;
        assert_eq!(by.text, "ip saddr 10.0.0.5 tcp dport { 80, 443 } drop comment \"no web\"");
        assert_eq!((by.line, by.handle, by.comment.as_deref()), (line, Some(7), Some("no web")));
        assert_eq!((by.source, by.table.as_str(), by.chain.as_str()), (RuleSource::Nftables, "inet fw", "in"));
        assert!(by.to_string().ends_with(" (nft, table inet fw, chain in, handle 7)"), "{by}");
        let deleted = by.delete_command().map(|words| words.join(" "));
        assert_eq!(deleted.as_deref(), Some("nft delete rule inet fw in handle 7"));
        let policy = Walk::new(rules).forward(&mut dns()).blockers.first().map(|blocker| blocker.by.text.clone());
        assert!(policy.is_some_and(|text| text.starts_with("type filter hook forward priority")));
    }
}

/// What `iptables-nft` wrote is read from its own dump, what it cannot say from that of nftables.
#[test]
fn tables_of_iptables_are_read_from_its_own_dump() {
    let judge = |rule: &str, save: &str| {
        let text = format!(
            "table ip filter {{\nchain FORWARD {{\ntype filter hook forward priority 0; policy accept;\n{rule}\n}}\n}}\n"
        );
        let dumps = NetfilterDumps {
            nft_json: Item::not_collected(),
            nft_text: Item::known(0, text),
            nft_v4: Item::known(0, save.to_owned()),
            ..no_rules()
        };
        stops(&Netfilter::compile(&dumps), &web(), &FORWARDED)
    };
    let accepts = table("filter", &["-A FORWARD -j ACCEPT"]);
    assert_eq!(judge("counter packets 0 bytes 0 drop", &accepts), Tri::No);
    // `iptables-nft-save` prints a lookup as if it were not there.
    assert_eq!(judge("ip saddr { 10.0.0.5, 10.0.0.6 } drop", &accepts), Tri::Yes);
    assert_eq!(judge("counter packets 0 bytes 0 drop", ""), Tri::Yes);
    let incompatible = "# Table `filter' is incompatible, use 'nft' tool.\n";
    assert_eq!(judge("counter packets 0 bytes 0 drop", incompatible), Tri::Yes);
    let phantom =
        "# Table `filter' contains incompatible base-chains, use 'nft' tool to list them.\n".to_owned() + &accepts;
    assert_eq!(judge("counter packets 0 bytes 0 drop", &phantom), Tri::Yes);
}

#[test]
fn a_broken_dump_is_unknown() {
    let json = r#"{"nftables": [{"table": {"family": "inet", "name": "t", "handle": 1}}, {"chain": {"family": "inet", "table": "t", "name": "f", "handle": 1, "type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}}]}"#;
    let judge = |json: &str| {
        let dumps = NetfilterDumps { nft_json: Item::known(0, json.to_owned()), ..no_rules() };
        stops(&Netfilter::compile(&dumps), &web(), &FORWARDED)
    };
    for cut in 1..json.len() {
        assert_eq!(judge(&json[..cut]), Tri::Maybe, "{cut}");
    }
    assert_eq!(judge(json), Tri::No);
    assert_eq!(judge(""), Tri::No);
}

/// Chains of devices and bridges are met only there.
#[test]
fn devices_and_bridges_have_their_own_hooks() {
    use crate::netfilter::{BridgePart, BridgePoint, DeviceHook, DevicePoint};
    use crate::{Conntrack, PacketState};
    use skoop_model::MacAddr;
    let text = "table netdev n {\nchain i {\ntype filter hook ingress device \"eth0\" priority 0; policy accept;\nip saddr 10.0.0.5 drop\n}\n}\ntable bridge b {\nchain f {\ntype filter hook forward priority 0; policy accept;\nmeta ibrname \"br0\" ether daddr 02:00:00:00:00:02 ip protocol tcp drop\n}\n}\n";
    let rules = compile(text);
    assert_eq!(stops(&rules, &web(), &FORWARDED), Tri::No);
    assert!(
        rules.has_device_chains(DeviceHook::Ingress, "eth0") && !rules.has_device_chains(DeviceHook::Egress, "eth0")
    );
    assert!(rules.has_bridge_chains());
    let (eth0, bridge) = (link(1, "eth0"), link(9, "br0"));
    let mut port = link(2, "port");
    port.controller = Some(bridge.index);
    let (mut state, mut conntrack, mut forks) = (PacketState::default(), Conntrack::default(), Forks::first());
    let at = DevicePoint { hook: DeviceHook::Ingress, device: &eth0, src_mac: None, dst_mac: None };
    let result = rules.run_device(&at, &mut web(), &mut state, &mut conntrack, &Env::default(), &mut forks);
    assert_eq!(result.blockers.len(), 1);
    let at = BridgePoint {
        hook: Hook::Forward,
        part: BridgePart::All,
        bridge: &bridge,
        in_port: Some(&port),
        out_port: Some(&eth0),
        src_mac: MacAddr([2, 0, 0, 0, 0, 1]),
        dst_mac: MacAddr([2, 0, 0, 0, 0, 2]),
    };
    let result = rules.run_bridge(&at, &mut web(), &mut state, &mut conntrack, &Env::default(), &mut forks);
    assert_eq!(result.blockers.len(), 1);
}

/// Unknown tests before chains that change nothing ask nothing; a limit goes the main way first.
#[test]
fn harmless_rules_ask_nothing() {
    for (rules, choices) in [
        ("meta cpu 0 counter", 0),
        ("meta cpu 0 jump logs", 0),
        ("meta cpu 0 accept\naccept", 0),
        ("meta cpu 0 drop", 1),
    ] {
        let text = format!(
            "table ip t {{\nchain logs {{\nlog\nreturn\n}}\nchain f {{\ntype filter hook forward priority 0; policy accept;\n{rules}\n}}\n}}\n"
        );
        let mut forks = Forks::first();
        Walk::new(compile(&text)).hooks(&FORWARDED, &mut web(), &mut forks);
        assert_eq!(forks.choices().len(), choices, "{rules}");
    }
    for (rule, main_drops) in [("limit rate over 1/second drop", 0), ("limit rate 1/second drop", 1)] {
        let result = Walk::new(forward(rule)).forward(&mut web());
        assert_eq!(result.blockers.len(), main_drops, "{rule}");
    }
}
