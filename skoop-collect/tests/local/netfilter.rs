//! Netfilter dumps, and that taking them leaves no trace.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use skoop_collect::local::{Options, Others, Selection, collect};
use skoop_model::{Item, NamespaceSnapshot, NodeName, Reason};

use crate::support::{Namespace, run};

fn snapshot(namespace: &Namespace, options: &Options) -> NamespaceSnapshot {
    let selection = Selection { host: namespace.netns(), others: Others::None };
    collect(NodeName::from("node"), &selection, options).unwrap().namespaces.remove(0)
}

/// A dump without its comments, which bear the time.
fn rules(dump: &Item<String>) -> Vec<&str> {
    dump.value().unwrap().lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
#[ignore = "needs root: run by make test"]
fn both_backends_and_sets_are_dumped_as_the_tools_print_them() {
    let namespace = Namespace::new("rules4");
    for command in [
        "iptables-nft -A INPUT -p tcp --dport 80 -j ACCEPT",
        "iptables-nft -t nat -A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE",
        "ip6tables-nft -A FORWARD -j DROP",
        "iptables-legacy -A FORWARD -s 10.9.0.0/16 -j DROP",
        "iptables-legacy -t mangle -A PREROUTING -j MARK --set-mark 1",
        "ip6tables-legacy -t raw -A OUTPUT -j ACCEPT",
        "nft add table inet own",
        "nft add chain inet own in { type filter hook input priority 0 ; }",
        "ipset create pods hash:ip",
        "ipset add pods 10.0.0.1",
    ] {
        namespace.exec(command);
    }
    let snapshot = snapshot(&namespace, &Options::default());
    assert_eq!(snapshot.unavailable(), []);
    let dumps = &snapshot.netfilter;
    for (dump, save) in [(&dumps.nft_v4, "iptables-nft-save"), (&dumps.nft_v6, "ip6tables-nft-save")] {
        let expected = namespace.exec(save);
        assert_eq!(rules(dump), expected.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>(), "{save}");
    }
    let legacy = rules(&dumps.legacy_v4);
    assert!(legacy.contains(&"-A FORWARD -s 10.9.0.0/16 -j DROP"));
    assert!(legacy.contains(&"*mangle") && !legacy.contains(&"*nat"), "only the tables that exist: {legacy:?}");
    assert!(rules(&dumps.legacy_v6).contains(&"*raw"));
    assert!(rules(&dumps.ipset).contains(&"add pods 10.0.0.1"));
    let ruleset: serde_json::Value = serde_json::from_str(dumps.nft_json.value().unwrap()).unwrap();
    assert!(ruleset["nftables"].as_array().unwrap().iter().any(|object| object["table"]["name"] == "own"));
}

#[test]
#[ignore = "needs root: run by make test"]
fn a_namespace_without_rules_needs_no_tools() {
    let namespace = Namespace::new("bare");
    let options = Options { tool_path: Vec::new(), ..Options::default() };
    let snapshot = snapshot(&namespace, &options);
    assert_eq!(snapshot.unavailable(), []);
    let dumps = &snapshot.netfilter;
    for dump in [&dumps.legacy_v4, &dumps.legacy_v6, &dumps.nft_v4, &dumps.nft_v6, &dumps.ipset] {
        assert_eq!(dump.value().map(String::as_str), Some(""));
    }
    assert!(serde_json::from_str::<serde_json::Value>(dumps.nft_json.value().unwrap()).is_ok());
}

#[test]
#[ignore = "needs root: run by make test"]
fn only_what_there_is_to_dump_needs_its_tool() {
    let namespace = Namespace::new("native");
    namespace.exec("nft add table ip kube-proxy");
    let options = Options { tool_path: Vec::new(), ..Options::default() };
    let snapshot = snapshot(&namespace, &options);
    assert_eq!(snapshot.unavailable().len(), 1, "the text is no loss of its own");
    let dumps = snapshot.netfilter;
    let why = dumps.nft_json.get().unwrap_err();
    assert_eq!((why.reason, why.detail.as_str()), (Reason::Unsupported, "nft is not installed"));
    assert_eq!(dumps.nft_v4.value().map(String::as_str), Some(""), "no table of iptables");
}

#[test]
#[ignore = "needs root: run by make test"]
fn whatever_a_tool_prints_is_kept_and_whatever_it_does_is_survived() {
    let namespace = Namespace::new("fake");
    namespace.exec("iptables-nft -A INPUT -j ACCEPT");
    namespace.exec("ipset create pods hash:ip");
    let directory = tempfile::tempdir().unwrap();
    let tool = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    tool("iptables-nft-save", "#!/bin/sh\nprintf '\\377\\000*fil'\n");
    tool("nft", "#!/bin/sh\nexec sleep 100\n");
    tool("ipset", "#!/bin/sh\nexec cat /dev/zero\n");
    let options = Options {
        tool_path: vec![directory.path().to_owned()],
        tool_timeout: std::time::Duration::from_millis(500),
        tool_output_bytes: 1 << 16,
        ..Options::default()
    };
    let snapshot = snapshot(&namespace, &options);
    let dumps = &snapshot.netfilter;
    assert_eq!(dumps.nft_v4.value().map(String::as_str), Some("\u{fffd}\0*fil"));
    assert_eq!(dumps.nft_json.get().unwrap_err().reason, Reason::Timeout);
    assert!(dumps.ipset.get().unwrap_err().detail.contains("more than 65536 bytes"));
    assert_eq!(snapshot.unavailable().len(), 2, "the rest is kept");
}

/// All that collecting could leave behind in a namespace.
fn trace(namespace: &Namespace) -> Vec<String> {
    let mut seen: Vec<_> = ["nft -a list ruleset", "ipset save", "ip -d link", "ip rule"]
        .iter()
        .chain(&["ip route show table all", "ip -6 route show table all", "ip neigh show nud all", "ss -tuln"])
        .map(|command| namespace.exec(command))
        .collect();
    for file in ["ip_tables_names", "ip6_tables_names", "arp_tables_names", "stat/nf_conntrack"] {
        let path = format!("/proc/thread-self/net/{file}");
        let text = namespace.within(|| fs::read_to_string(&path)).unwrap_or_default();
        // The lines of counters per processor: their first column is the number of entries.
        seen.push(text.lines().filter_map(|line| line.split(' ').next()).collect::<Vec<_>>().join(" "));
    }
    // Without the fifth word, which counts down.
    let flows = namespace.exec("conntrack -L -o extended,id");
    let still = |flow: &str| {
        flow.split_whitespace().enumerate().filter(|(at, _)| *at != 4).map(|(_, word)| word.to_owned()).collect()
    };
    seen.extend(flows.lines().map(still).map(|words: Vec<String>| words.join(" ")));
    let directory = "/proc/thread-self/net/xt_recent";
    let lists = namespace.within(|| {
        let names = fs::read_dir(directory).map(|names| names.flatten().map(|name| name.path()).collect::<Vec<_>>());
        names
            .unwrap_or_default()
            .iter()
            .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
            .collect::<Vec<_>>()
    });
    seen.push(format!("{lists:?}"));
    for name in ["count", "acct", "max"] {
        let path = format!("/proc/sys/net/netfilter/nf_conntrack_{name}");
        seen.push(namespace.within(|| fs::read_to_string(path).unwrap_or_default()));
    }
    seen.push(fs::read_to_string("/proc/modules").unwrap_or_default());
    seen
}

#[test]
#[ignore = "needs root: run by make test"]
fn collecting_changes_nothing() {
    let bare = Namespace::new("bare2");
    let ruled = Namespace::new("ruled");
    bare.ip(&format!("link add veth0 type veth peer name veth1 netns {}", ruled.name));
    ruled.exec("iptables-nft -A INPUT -j ACCEPT");
    ruled.exec("iptables-legacy -A INPUT -j ACCEPT");
    ruled.exec("iptables-legacy -A OUTPUT -m recent --name seen --set");
    ruled.exec("nft add table netdev own");
    ruled.exec("nft add chain netdev own in { type filter hook ingress device lo priority 0 ; }");
    ruled.exec("sysctl -qw net.netfilter.nf_conntrack_acct=1");
    ruled.exec("conntrack -I -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 53 --dport 53 -t 90000");
    // Listing links gives their peers' namespaces their numbers, so both are listed once before.
    let before = [trace(&bare), trace(&ruled)];
    let loaded = run(&["ls", "/sys/module"]);
    let selection = Selection { host: bare.netns(), others: Others::These(vec![ruled.netns()]) };
    let snapshot = collect(NodeName::from("node"), &selection, &Options::default()).unwrap();
    assert!(snapshot.namespaces.iter().all(|namespace| namespace.unavailable().is_empty()));
    assert_eq!([trace(&bare), trace(&ruled)], before);
    assert_eq!(run(&["ls", "/sys/module"]), loaded);
}
