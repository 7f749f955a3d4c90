//! Whole sets of files.

use skoop_model::{Family, IfIndex, LinkKind, Reason, RouteKind, RouteScope, RuleAction, TableId, VethPeer};

use super::*;

const LINKS: &str = r#"[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536,"promiscuity":0},
{"ifindex":2,"link_index":7,"ifname":"eth0","flags":["UP","LOWER_UP"],"mtu":1500,"operstate":"UP","address":"02:00:00:00:00:01","link_netnsid":0,"promiscuity":0,"linkinfo":{"info_kind":"veth"}},
{"ifindex":"x","ifname":"broken"},
{"ifindex":3,"ifname":"br.1","flags":["UP"],"mtu":1500,"promiscuity":0,"linkinfo":{"info_kind":"bridge","info_data":{"vlan_filtering":1,"nf_call_iptables":1}}},
{"ifindex":4,"ifname":"tunl0","flags":["NOARP"],"mtu":1480,"address":"10.0.0.1","promiscuity":0,"linkinfo":{"info_kind":"ipip"}}]"#;

fn load(files: &[(&str, &str)]) -> Dumped {
    let mut all = Files::default();
    for (name, text) in files {
        all.insert(*name, *text);
    }
    all.load()
}

#[test]
fn a_broken_object_spoils_only_itself() {
    let dumped = load(&[("ip-link.json", LINKS)]);
    let names: Vec<&str> = dumped.snapshot.links.elements().iter().map(|link| link.name.as_str()).collect();
    assert_eq!(names, ["lo", "eth0", "br.1", "tunl0"]);
    assert_eq!(
        dumped.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["ip-link.json, line 3: ifindex: `x` is not such a number"]
    );
    let kinds: Vec<&LinkKind> = dumped.snapshot.links.elements().iter().map(|link| &link.kind).collect();
    assert_eq!(*kinds[1], LinkKind::Veth { peer: Some(VethPeer { index: IfIndex(7), netns: None }) });
    assert!(matches!(kinds[2], LinkKind::Bridge(config) if config.vlan_filtering && config.nf_call_iptables));
    assert_eq!(dumped.snapshot.links.elements()[3].mac, None, "an IPv4 address is no link-layer address");
}

#[test]
fn what_is_missing_is_unknown_and_never_empty() {
    let dumped = load(&[("ip-link.json", LINKS)]);
    assert_eq!(dumped.missing.len(), FILES.len() - 1);
    for (name, why) in dumped.snapshot.unavailable() {
        assert_eq!(why.reason, Reason::NotCollected, "{name}");
    }
    assert_eq!(dumped.snapshot.unavailable().len(), 13);
    assert_eq!(
        dumped.snapshot.routes.get().map_err(|why| why.detail.clone()),
        Err("there is no ip-route.json".to_owned())
    );
    let told = load(&[("ip-neigh.json", "[]"), ("conntrack.txt", ""), ("nft.txt", "")]).snapshot;
    assert_eq!(told.neighbours.elements(), []);
    assert!(
        told.neighbours.value().is_some()
            && told.conntrack.value().is_some()
            && told.netfilter.nft_text.value().is_some()
    );
}

#[test]
fn devices_without_details_have_no_known_kind() {
    let dumped =
        load(&[("ip-addr.json", r#"[{"ifindex":2,"ifname":"eth0","flags":["UP"],"mtu":1500,"addr_info":[]}]"#)]);
    assert!(matches!(dumped.snapshot.links.elements()[0].kind, LinkKind::Other { .. }));
    assert!(dumped.problems[0].text.contains("ip -d -j link"), "{:?}", dumped.problems);
}

#[test]
fn routes_of_both_families_may_stand_in_one_file() {
    let text = r#"[{"dst":"default","gateway":"10.0.0.9","dev":"eth0","flags":["onlink"],"metrics":[{"mtu":1300}]},
        {"type":"local","dst":"10.0.0.1","dev":"eth0","table":"local","protocol":"kernel","scope":"host","flags":[]},
        {"dst":"10.1.0.0/16","table":"named","dev":"eth0","flags":[]},
        {"dst":"10.2.0.0/16","dev":"gone","flags":["dead","linkdown"]},
        {"type":"blackhole","dst":"10.3.0.0/16","nhid":8,"dev":"lo","flags":[]},
        {"dst":"10.4.0.0/16","via":{"family":"inet6","host":"fe80::1"},"dev":"eth0","flags":[]},
        {"dst":"default","gateway":"fe80::1","dev":"eth0","metric":1024,"flags":[],"pref":"high"},
        {"type":"local","dst":"fd00::1","dev":"eth0","table":"local","metric":0,"flags":[],"pref":"medium"}]"#;
    let dumped = load(&[("ip-link.json", LINKS), ("ip-route.json", text)]);
    let routes = dumped.snapshot.routes.elements();
    assert_eq!(routes.len(), 7);
    assert_eq!(dumped.half_seen, []);
    assert!(dumped.problems.iter().any(|problem| problem.text.contains("table `named`")), "{:?}", dumped.problems);
    assert_eq!(
        (routes[0].mtu_bytes, routes[0].nexthops[0].onlink, routes[0].scope),
        (Some(1300), true, RouteScope::GLOBAL)
    );
    assert!(routes[2].nexthops[0].link.is_some_and(|link| link.0 > 0x4000_0000), "a device that is not listed");
    assert!(routes[2].nexthops[0].dead && routes[2].nexthops[0].linkdown);
    assert_eq!((routes[3].kind, routes[3].nexthops.len()), (RouteKind::Blackhole, 0));
    assert_eq!(routes[4].unmodelled, ["via (other family)"]);
    assert_eq!(
        (routes[5].dst.to_string().as_str(), routes[5].unmodelled.as_slice()),
        ("::/0", &["pref high".to_owned()][..])
    );
}

#[test]
fn one_table_is_not_all_of_them() {
    let main = r#"[{"dst":"default","gateway":"10.0.0.9","dev":"eth0","flags":[]}]"#;
    let dumped = load(&[("ip-link.json", LINKS), ("ip-route.json", main)]);
    let why = dumped.snapshot.routes.get().expect_err("only the main table");
    assert!(why.detail.contains("show table all"), "{why}");
    let dumped = load(&[("ip-link.json", LINKS), ("ip-route.json", main), ("ip6-route.json", "[]")]);
    assert_eq!(dumped.half_seen.iter().map(|half| half.family).collect::<Vec<_>>(), [Family::V4]);
}

#[test]
fn rules_are_read_with_all_selectors() {
    let text = r#"[{"priority":0,"src":"all","table":"local"},
        {"priority":101,"not":null,"src":"10.1.0.0","srclen":16,"fwmark":"0x80","fwmask":"0xff00","table":"1000"},
        {"priority":103,"src":"all","tos":"0x10","oif":"v1","uid_start":5,"uid_end":10,"ipproto":"tcp","sport":80,"dport_start":1000,"dport_end":2000,"goto":200},
        {"priority":104,"src":"all","action":"prohibit"},
        {"priority":202,"src":"all","l3mdev":null},
        {"priority":203,"src":"all","dscp":"5","table":"default","suppress_prefixlen":0},
        {"priority":204,"src":"all"}]"#;
    let dumped = load(&[("ip-rule.json", text), ("ip6-rule.json", r#"[{"priority":0,"src":"all","table":"local"}]"#)]);
    let rules = dumped.snapshot.rules.elements();
    let texts: Vec<String> = rules.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "0: from all lookup local",
            "0: from all lookup local",
            "101: not from 10.1.0.0/16 fwmark 0x80/0xff00 lookup 1000",
            "103: from all tos 0x10 oif v1 uidrange 5-10 ipproto tcp sport 80-80 dport 1000-2000 goto 200",
            "104: from all prohibit",
            "202: from all lookup [l3mdev-table]",
            "203: from all dscp ? lookup default suppress_prefixlength 0",
        ]
    );
    assert_eq!((rules[0].family, rules[1].family), (Family::V4, Family::V6));
    assert_eq!(rules[5].action, RuleAction::Lookup(TableId(0)));
    assert_eq!(dumped.problems.len(), 1);
}

#[test]
fn misspelt_names_are_told() {
    let dumped = load(&[("iptable-save.txt", "x"), ("ip-link.json", "[]")]);
    assert_eq!(
        dumped.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["iptable-save.txt: not read: no file of this name is known"]
    );
}

#[test]
fn a_directory_is_read_with_its_lists() {
    let directory = tempfile::tempdir().expect("a directory");
    assert!(matches!(read_dir(directory.path()), Err(DumpError::Nothing { .. })));
    assert!(matches!(read_dir(&directory.path().join("none")), Err(DumpError::Directory { .. })));
    std::fs::write(directory.path().join("ip-link.json"), LINKS).expect("a file");
    std::fs::write(directory.path().join("packets.jsonl"), "").expect("a file");
    std::fs::create_dir(directory.path().join("xt_recent")).expect("a directory");
    std::fs::write(directory.path().join("xt_recent/SEEN"), "src=10.0.0.1\n").expect("a file");
    let dumped = read_dir(directory.path()).expect("a namespace");
    assert_eq!(dumped.problems.len(), 1, "{:?}", dumped.problems);
    let lists = dumped.snapshot.netfilter.xt_recent.value().expect("lists");
    assert_eq!(lists.get("SEEN").map(String::as_str), Some("src=10.0.0.1\n"));
}
