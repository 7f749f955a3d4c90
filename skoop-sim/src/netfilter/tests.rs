//! Traversal, order of hooks, and what happens with dumps that are broken or missing.

use proptest::prelude::*;
use skoop_model::{Backend, BridgeConfig, IfIndex, Item, Link, LinkKind, MacAddr, NetfilterDumps, Packet, Reason};

use super::testkit::*;
use super::{BridgePart, BridgePoint, Hook, Netfilter, NfEventKind, NfVerdict, RuleSource};
use crate::{Conntrack, Forks, PacketState, Tri, explore};

fn web() -> Packet {
    syn("10.0.0.5", 4000, "10.96.0.1", 443)
}

/// Lines of the rules that stop a forwarded packet.
fn blocked_by(rules: &[&str]) -> Vec<String> {
    let mut walk = Walk::new(nft_v4(table("filter", rules)));
    walk.forward(&mut web()).blockers.into_iter().map(|blocker| blocker.by.text).collect()
}

/// `ipt_do_table`, `net/ipv4/netfilter/ip_tables.c`.
#[test]
fn chains_are_traversed_as_the_kernel_does() {
    let none: [&str; 0] = [];
    // RETURN goes on behind the jump.
    assert_eq!(
        blocked_by(&[":A - [0:0]", "-A FORWARD -j A", "-A FORWARD -p tcp -j DROP", "-A A -j RETURN", "-A A -j ACCEPT"]),
        ["-A FORWARD -p tcp -j DROP"]
    );
    // So does the end of a chain.
    assert_eq!(
        blocked_by(&[":A - [0:0]", "-A FORWARD -j A", "-A FORWARD -j DROP", "-A A -p udp -j ACCEPT"]),
        ["-A FORWARD -j DROP"]
    );
    // ACCEPT in a user chain ends the base chain.
    assert_eq!(blocked_by(&[":A - [0:0]", "-A FORWARD -j A", "-A FORWARD -j DROP", "-A A -j ACCEPT"]), none);
    // RETURN in a base chain is its policy.
    assert_eq!(blocked_by(&["-A FORWARD -j RETURN", "-A FORWARD -j DROP"]), none);
    // The end of a chain that was gone to is the end of the chain that went.
    let goto = [
        ":A - [0:0]",
        ":B - [0:0]",
        "-A FORWARD -j A",
        "-A FORWARD -s 10.0.0.5/32 -j DROP",
        "-A A -g B",
        "-A A -j ACCEPT",
        "-A B -p udp -j ACCEPT",
    ];
    assert_eq!(blocked_by(&goto), ["-A FORWARD -s 10.0.0.5/32 -j DROP"]);
    // From a base chain it leads to the policy.
    assert_eq!(blocked_by(&[":B - [0:0]", "-A FORWARD -g B", "-A FORWARD -j DROP", "-A B -j RETURN"]), none);
    // Negation, and a rule without target.
    assert_eq!(
        blocked_by(&["-A FORWARD ! -s 10.0.0.0/8 -j DROP", "-A FORWARD -p tcp", "-A FORWARD ! -i eth1 -j DROP"]),
        ["-A FORWARD ! -i eth1 -j DROP"]
    );
}

#[test]
fn a_policy_that_drops_is_named() {
    let text =
        table("filter", &["-A FORWARD -p udp -j ACCEPT"]).replace(":FORWARD ACCEPT [0:0]", ":FORWARD DROP [7:420]");
    let mut walk = Walk::new(nft_v4(text));
    let result = walk.forward(&mut web());
    let [blocker] = result.blockers.as_slice() else { panic!("{result:?}") };
    assert!(blocker.by_policy);
    assert_eq!((blocker.by.line, blocker.by.text.as_str()), (3, ":FORWARD DROP [7:420]"));
    assert_eq!(blocker.describe(), "dropped by the policy of chain FORWARD");
    assert_eq!(blocker.by.delete_command(), None);
    assert_eq!(walk.forward(&mut udp("10.0.0.5", 1, "10.0.0.6", 2)).blockers, []);
}

#[test]
fn a_rule_is_told_verbatim() {
    let rule = "-A FORWARD -m comment --comment \"no \\\"web\\\" here\" -j DROP";
    let text = table("filter", &[&format!("[12:34] {rule}")]);
    let result = Walk::new(nft_v4(text)).forward(&mut web());
    let by = &result.blockers.first().expect("a blocker").by;
    assert_eq!((by.text.as_str(), by.line, by.chain.as_str(), by.table.as_str()), (rule, 5, "FORWARD", "filter"));
    assert_eq!(by.comment.as_deref(), Some("no \"web\" here"));
    assert_eq!(by.source, RuleSource::Iptables(Backend::Nft));
    assert_eq!(by.to_string(), format!("{rule} (iptables-nft, table filter, line 5)"));
    let delete = [
        "iptables-nft",
        "-t",
        "filter",
        "-D",
        "FORWARD",
        "-m",
        "comment",
        "--comment",
        "no \"web\" here",
        "-j",
        "DROP",
    ];
    assert_eq!(by.delete_command().expect("a command"), delete);
}

/// Every blocker is found: after a drop the walk goes on as if that rule had accepted.
#[test]
fn all_blockers_of_both_backends() {
    let dumps = NetfilterDumps {
        legacy_v4: Item::known(
            0,
            table("filter", &["-A FORWARD -j DROP", "-A FORWARD -j REJECT"])
                + &table("mangle", &["-A FORWARD -j DROP"]),
        ),
        nft_v4: Item::known(0, table("filter", &["-A FORWARD -j REJECT"])),
        ..no_rules()
    };
    let result = Walk::new(Netfilter::compile(&dumps)).forward(&mut web());
    let found: Vec<_> = result.blockers.iter().map(|blocker| (blocker.by.tool(), blocker.by.table.as_str())).collect();
    assert_eq!(found, [("iptables-legacy", "mangle"), ("iptables-legacy", "filter"), ("iptables-nft", "filter")]);
}

/// `nf_hook_entries_grow`, net/netfilter/core.c: which was registered first is not known, and decides who answers.
#[test]
fn who_refuses_first_is_asked_for() {
    for (legacy, nft, expected) in [
        ("-A FORWARD -j DROP", "-A FORWARD -j REJECT", vec!["iptables-legacy", "iptables-nft"]),
        ("-A FORWARD -j DROP", "-A FORWARD -j DROP", vec!["iptables-legacy"]),
        ("-A FORWARD -j DROP", "-A FORWARD -s 1.1.1.1/32 -j REJECT", vec!["iptables-legacy"]),
    ] {
        let dumps = NetfilterDumps {
            legacy_v4: Item::known(0, table("filter", &[legacy])),
            nft_v4: Item::known(0, table("filter", &[nft])),
            ..no_rules()
        };
        let rules = Netfilter::compile(&dumps);
        let (ways, _) = explore(4, |forks| {
            let result = Walk::new(rules.clone()).hooks(&FORWARDED, &mut web(), forks);
            result.blockers.first().map(|blocker| blocker.by.tool())
        });
        let first: Vec<_> = ways.into_iter().filter_map(|way| way.value).collect();
        assert_eq!(first, expected, "{nft}");
    }
}

/// `enum nf_ip_hook_priorities`: raw sees the mark before mangle sets it, nat after; filter sees the translated
/// destination.
#[test]
fn tables_come_in_the_order_of_their_priorities() {
    let text = table("nat", &["-A PREROUTING -m mark --mark 0x1 -j DNAT --to-destination 10.244.1.2"])
        + &table("mangle", &["-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff"])
        + &table("raw", &["-A PREROUTING -m mark --mark 0x1 -j DROP"])
        + &table(
            "filter",
            &["-A FORWARD -d 10.96.0.1 -j DROP", "-A FORWARD -d 10.244.1.2 -m conntrack --ctstate DNAT -j REJECT"],
        );
    let result = Walk::new(nft_v4(text)).forward(&mut web());
    let kinds: Vec<_> = result.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [NfEventKind::Mark, NfEventKind::DestinationNat]);
    assert!(matches!(result.blockers.as_slice(), [only] if matches!(only.verdict, NfVerdict::Reject(_))));
}

/// `nf_hook_entries_grow`: of equal priorities the one registered last comes first. Which that is is asked only for packets that fare
/// otherwise.
#[test]
fn the_order_of_equal_priorities_is_asked_where_it_matters() {
    let legacy = table("mangle", &["-A PREROUTING -s 10.0.0.5/32 -j MARK --set-xmark 0x1/0xffffffff"]);
    let nft = table("mangle", &["-A PREROUTING -d 10.96.0.1/32 -m mark --mark 0x1 -j DROP"]);
    let dumps = NetfilterDumps { legacy_v4: Item::known(0, legacy), nft_v4: Item::known(0, nft), ..no_rules() };
    let rules = Netfilter::compile(&dumps);
    for (packet, ways) in
        [(web(), 2), (syn("10.0.0.6", 4000, "10.96.0.1", 443), 1), (syn("10.0.0.5", 4000, "10.96.0.2", 443), 1)]
    {
        let walked = explore(9, |forks| Walk::new(rules.clone()).hooks(&FORWARDED, &mut packet.clone(), forks));
        assert_eq!(walked.0.len(), ways, "{packet}");
    }
}

/// `ipt_mangle_out`: a mark set in mangle OUTPUT routes anew, one set in raw does not.
#[test]
fn only_mangle_and_nat_route_anew() {
    for (text, reroute) in [
        (table("mangle", &["-A OUTPUT -j MARK --set-mark 1"]), true),
        (table("raw", &["-A OUTPUT -j MARK --set-mark 1"]), false),
        (table("nat", &["-A OUTPUT -j DNAT --to-destination 10.0.0.9"]), true),
        (table("mangle", &["-A POSTROUTING -j MARK --set-mark 1"]), false),
    ] {
        let result = Walk::new(nft_v4(text)).hooks(&SENT, &mut web(), &mut Forks::first());
        assert_eq!(result.reroute, reroute);
    }
}

/// kube-proxy: one of three endpoints, each with a third; the mark of a hairpin is set and masqueraded.
#[test]
fn chance_chooses_an_endpoint() {
    let text = table(
        "nat",
        &[
            ":KUBE-SVC - [0:0]",
            ":KUBE-SEP-1 - [0:0]",
            ":KUBE-SEP-2 - [0:0]",
            ":KUBE-SEP-3 - [0:0]",
            "-A PREROUTING -d 10.96.0.1/32 -p tcp -m comment --comment \"default/web cluster IP\" -m tcp --dport 443 -j KUBE-SVC",
            "-A KUBE-SVC -m comment --comment \"default/web -> 10.244.1.2:8443\" -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-1",
            "-A KUBE-SVC -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-2",
            "-A KUBE-SVC -j KUBE-SEP-3",
            "-A KUBE-SEP-1 -p tcp -m tcp -j DNAT --to-destination 10.244.1.2:8443",
            "-A KUBE-SEP-2 -p tcp -m tcp -j DNAT --to-destination 10.244.1.3:8443",
            "-A KUBE-SEP-3 -p tcp -m tcp -j DNAT --to-destination 10.244.1.4:8443",
        ],
    );
    let rules = nft_v4(text);
    let (ways, _) = explore(9, |forks| {
        let mut packet = web();
        Walk::new(rules.clone()).hooks(&FORWARDED, &mut packet, forks);
        packet.dst
    });
    let found: Vec<_> = ways.iter().map(|way| (way.value, (way.chance() * 100.0).round())).collect();
    assert_eq!(found, [(ip("10.244.1.2"), 33.0), (ip("10.244.1.3"), 33.0), (ip("10.244.1.4"), 33.0)]);
    assert_eq!(
        ways.first().and_then(|way| way.choices.first()).map(|choice| choice.label.as_str()),
        Some("default/web -> 10.244.1.2:8443")
    );
    assert!(ways.iter().all(crate::Way::is_certain));
}

/// The same unknown rule met twice by one packet is asked once, and names itself and the reason.
#[test]
fn an_unknown_rule_is_asked_once_and_named() {
    let rules =
        nft_v4(table("filter", &[":A - [0:0]", "-A FORWARD -j A", "-A FORWARD -j A", "-A A -m cpu --cpu 1 -j DROP"]));
    let mut forks = Forks::first();
    let mut walk = Walk::new(rules.clone());
    walk.conntrack = crate::Conntrack::of("node-1 host");
    let result = walk.hooks(&FORWARDED, &mut web(), &mut forks);
    assert_eq!((result.blockers.len(), forks.choices().len()), (1, 1));
    let label = &forks.choices().first().expect("a choice").label;
    let rule = "-A A -m cpu --cpu 1 -j DROP (iptables-nft, table filter, line 8)";
    assert_eq!(*label, format!("whether `{rule}` matches on node-1 host: yes"));
    let problem = rules.problems().first().expect("a problem");
    assert_eq!(problem.why, "match `cpu`: the CPU that handles the packet is not known");
    assert_eq!(problem.what, "rules of iptables-nft for IPv4, table filter: 1 rule(s), first in line 8");
}

/// An unknown match on the way to chains that change nothing is no question.
#[test]
fn harmless_chains_ask_nothing() {
    let rules = nft_v4(table(
        "filter",
        &[
            ":LOGS - [0:0]",
            ":DEEP - [0:0]",
            "-A FORWARD -m cpu --cpu 1 -j LOGS",
            "-A FORWARD -m recent --name x --set",
            "-A LOGS -m limit --limit 1/s -j DEEP",
            "-A LOGS -j RETURN",
            "-A DEEP -j LOG",
        ],
    ));
    let mut forks = Forks::first();
    Walk::new(rules).hooks(&FORWARDED, &mut web(), &mut forks);
    assert_eq!(forks.choices(), []);
}

/// A rule set that the kernel would refuse does not hang the walk.
#[test]
fn circles_are_unknown() {
    let rules = nft_v4(table("filter", &[":A - [0:0]", ":B - [0:0]", "-A FORWARD -j A", "-A A -g B", "-A B -j A"]));
    assert_eq!(stops(&rules, &web(), &FORWARDED), Tri::Maybe);
    assert_eq!(stops(&nft_v4(table("filter", &["-A FORWARD -j FORWARD"])), &web(), &FORWARDED), Tri::Maybe);
}

#[test]
fn a_long_chain_is_indexed_and_keeps_its_order() {
    let mut lines: Vec<String> =
        (0..200_u32).map(|n| format!("-A FORWARD -d 10.96.1.{n}/32 -p tcp -m tcp --dport 443 -j DROP")).collect();
    lines.insert(100, "-A FORWARD -s 10.0.0.5/32 -d 10.96.1.77/32 -j ACCEPT".to_owned());
    lines.insert(150, "-A FORWARD -d 10.96.1.160/32 -p tcp -m tcp --dport 443 -j ACCEPT".to_owned());
    lines.insert(50, "-A FORWARD -p udp -j ACCEPT".to_owned());
    lines.push("-A FORWARD -p tcp -m tcp --dport 80 -j DROP".to_owned());
    lines.push("-A FORWARD -s 172.16.0.1/32 -j DROP".to_owned());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let rules = nft_v4(table("filter", &lines));
    for (packet, expected) in [
        (syn("10.0.0.5", 1, "10.96.1.3", 443), Tri::Yes),
        (syn("10.0.0.5", 1, "10.96.1.77", 443), Tri::Yes),
        (syn("10.0.0.5", 1, "10.96.1.160", 443), Tri::No),
        (syn("10.0.0.5", 1, "10.96.1.160", 80), Tri::Yes),
        (syn("10.0.0.5", 1, "10.96.2.3", 443), Tri::No),
        (syn("172.16.0.1", 1, "10.96.2.3", 443), Tri::Yes),
        (udp("172.16.0.1", 1, "10.96.1.3", 443), Tri::No),
        (icmp("172.16.0.1", "10.96.2.3", 8, 0), Tri::Yes),
    ] {
        assert_eq!(stops(&rules, &packet, &FORWARDED), expected, "{packet}");
    }
}

#[test]
fn a_dump_that_was_not_seen_is_unknown_once() {
    let dumps =
        NetfilterDumps { legacy_v4: Item::unavailable(Reason::Permission, "iptables-legacy-save"), ..no_rules() };
    let rules = Netfilter::compile(&dumps);
    let (ways, _) = explore(9, |forks| {
        let mut walk = Walk::new(rules.clone());
        let mut blockers = walk.hooks(&FORWARDED, &mut web(), forks).blockers;
        blockers.extend(walk.hooks(&FORWARDED, &mut web().reply(), forks).blockers);
        blockers.into_iter().map(|blocker| blocker.by.evidence()).collect::<Vec<_>>()
    });
    let [passes, dropped] = ways.as_slice() else { panic!("{ways:?}") };
    assert_eq!((passes.value.len(), dropped.value.len()), (0, 1));
    assert_eq!(dropped.value.first().map(|evidence| evidence.kind.as_str()), Some("missing"));
    // The other family was seen.
    assert_eq!(stops(&rules, &syn("fd00::5", 1, "fd00::6", 2), &FORWARDED), Tri::No);
}

#[test]
fn nothing_collected_is_unknown_too() {
    assert_eq!(stops(&Netfilter::compile(&NetfilterDumps::not_collected()), &web(), &FORWARDED), Tri::Maybe);
    assert_eq!(stops(&Netfilter::compile(&no_rules()), &web(), &FORWARDED), Tri::No);
}

#[test]
fn a_broken_dump_spoils_only_what_it_must() {
    let text = table("filter", &["-A FORWARD -j DROP"]);
    for (text, expected) in [
        (text.clone(), Tri::Yes),
        // Cut off before COMMIT: rules may be missing.
        (text.replace("COMMIT\n", ""), Tri::Yes),
        (table("filter", &[]).replace("COMMIT\n", ""), Tri::Maybe),
        ("<html>".to_owned(), Tri::Maybe),
        (table("filter", &[]).replace("*filter", "*newtable"), Tri::Maybe),
        (table("filter", &["-X"]), Tri::Maybe),
        ("# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n".to_owned(), Tri::No),
    ] {
        assert_eq!(stops(&nft_v4(text.clone()), &web(), &FORWARDED), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_walked(text in "[-*:A-Za-z0-9!\"\\\\/., \n\u{e4}]{0,200}") {
        walk_all(&text);
    }

    #[test]
    fn any_rule_is_walked(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..12)) {
        let rule = format!("-A FORWARD {}", words.join(" "));
        walk_all(&table("filter", &[":A - [0:0]", &rule]));
    }

    #[test]
    fn any_cut_is_walked(cut in 0_usize..700) {
        let text = table("nat", &[":A - [0:0]", "-A PREROUTING -p tcp -m comment --comment \"\u{e4} b\" -m tcp --dport 80 -j A", "-A A -j DNAT --to-destination 10.0.0.1:80-90/3"])
            + &table("filter", &["-A FORWARD -m set --match-set x src,dst -m conntrack ! --ctstate NEW -j REJECT"]);
        if let Some(text) = text.get(..cut) {
            walk_all(text);
        }
    }
}

const WORDS: &[&str] = &[
    "-m",
    "-j",
    "-g",
    "-p",
    "-s",
    "-d",
    "-i",
    "!",
    "tcp",
    "udp",
    "set",
    "mark",
    "statistic",
    "DROP",
    "A",
    "FORWARD",
    "DNAT",
    "MARK",
    "--dport",
    "80",
    "--mark",
    "0x1/0x2",
    "--mode",
    "random",
    "--probability",
    "0.5",
    "nan",
    "-1",
    "--to-destination",
    "1.2.3.4-9.9.9.9",
    "10.0.0.0/8",
    "\"x",
    "--",
    "-",
    "--match-set",
    "--comment",
    "all",
    "RETURN",
    "NETMAP",
    "--to",
    "0.0.0.0/0",
];

fn walk_all(text: &str) {
    let dumps = NetfilterDumps {
        legacy_v4: Item::known(0, text.to_owned()),
        nft_v4: Item::known(0, text.to_owned()),
        nft_v6: Item::known(0, text.to_owned()),
        nft_json: Item::known(0, text.to_owned()),
        ipset: Item::known(0, text.to_owned()),
        ..no_rules()
    };
    let rules = Netfilter::compile(&dumps);
    for packet in [web(), syn("fd00::5", 1, "fd00::6", 2)] {
        explore(8, |forks| {
            let mut walk = Walk::new(rules.clone());
            walk.hooks(&Hook::ALL, &mut packet.clone(), forks);
            walk.hooks(&Hook::ALL, &mut packet.reply(), forks)
        });
    }
}

/// `eth_type_trans`, `net/ethernet/eth.c`; `br_handle_frame`, `net/bridge/br_input.c`.
#[test]
fn a_bridge_tells_frames_for_other_hosts() {
    let [own, other] = [1, 9].map(|last| MacAddr([2, 0, 0, 0, 0, last]));
    let text = "table bridge t {\n\tchain c {\n\t\ttype filter hook prerouting priority 0; policy accept;\n\t\tmeta pkttype TYPE drop\n\t}\n}\n";
    let bridge = Link { mac: Some(own), ..Link::new(IfIndex(1), "br0", LinkKind::Bridge(BridgeConfig::default())) };
    let port = Link::new(IfIndex(2), "port0", LinkKind::Physical);
    for (wanted, dst_mac, stops) in
        [("host", own, true), ("host", other, false), ("other", other, true), ("broadcast", MacAddr::BROADCAST, true)]
    {
        let nft_text = Item::known(0, text.replace("TYPE", wanted));
        let nft_json = Item::not_collected();
        let netfilter = Netfilter::compile(&NetfilterDumps { nft_text, nft_json, ..no_rules() });
        let at = BridgePoint {
            hook: Hook::Prerouting,
            part: BridgePart::All,
            bridge: &bridge,
            in_port: Some(&port),
            out_port: None,
            src_mac: other,
            dst_mac,
        };
        let (mut packet, mut state) = (syn("10.0.0.5", 1, "10.0.0.6", 2), PacketState::default());
        let (mut conntrack, mut forks) = (Conntrack::default(), Forks::first());
        let result = netfilter.run_bridge(&at, &mut packet, &mut state, &mut conntrack, &Env::default(), &mut forks);
        assert_eq!(!result.blockers.is_empty(), stops, "{wanted} {dst_mac}");
        assert_eq!(forks.choices(), []);
    }
}

/// `br_nf_ops`, `br_nf_hook_thresh`, `net/bridge/br_netfilter_hooks.c`: br_netfilter comes at priority 0, before what was there.
#[test]
fn the_hooks_of_ip_come_among_those_of_a_bridge() {
    let bridge = Link::new(IfIndex(1), "br0", LinkKind::Bridge(BridgeConfig::default()));
    for (priority, early) in [(-200, true), (0, true), (1, false), (200, false)] {
        let text = format!(
            "table bridge t {{\n\tchain c {{\n\t\ttype filter hook forward priority {priority}; policy drop;\n\t}}\n}}\n"
        );
        let dumps = NetfilterDumps { nft_text: Item::known(0, text), nft_json: Item::not_collected(), ..no_rules() };
        let netfilter = Netfilter::compile(&dumps);
        let stops = |part| {
            let (src_mac, dst_mac) = (MacAddr::ZERO, MacAddr::ZERO);
            let at = BridgePoint {
                hook: Hook::Forward,
                part,
                bridge: &bridge,
                in_port: None,
                out_port: None,
                src_mac,
                dst_mac,
            };
            let (mut packet, mut state) = (web(), PacketState::default());
            let (mut conntrack, mut forks) = (Conntrack::default(), Forks::first());
            let result =
                netfilter.run_bridge(&at, &mut packet, &mut state, &mut conntrack, &Env::default(), &mut forks);
            !result.blockers.is_empty()
        };
        let wanted = [true, early, !early];
        assert_eq!([BridgePart::All, BridgePart::BeforeIp, BridgePart::AfterIp].map(stops), wanted, "{priority}");
    }
}
