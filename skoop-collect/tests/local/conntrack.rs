//! Connection tables against `conntrack -L`, and the rest of what netfilter keeps in a namespace.

use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use skoop_collect::local::{Options, Others, Selection, collect};
use skoop_model::{
    ConntrackEntry, ConntrackStatus, ConntrackTable, Mark, NamespaceSnapshot, NodeName, Port, Protocol, Reason,
};

use crate::support::Namespace;

fn snapshot(namespace: &Namespace, options: &Options) -> NamespaceSnapshot {
    let selection = Selection { host: namespace.netns(), others: Others::None };
    collect(NodeName::from("node"), &selection, options).unwrap().namespaces.remove(0)
}

fn table(namespace: &Namespace) -> ConntrackTable {
    snapshot(namespace, &Options::default()).conntrack.value().unwrap().clone()
}

/// Enters flows by the lines of a `conntrack` command each.
fn enter(namespace: &Namespace, flows: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows");
    std::fs::write(&path, flows).unwrap();
    namespace.exec(&format!("conntrack --load-file {}", path.display()));
}

fn find(table: &ConntrackTable, protocol: Protocol) -> &ConntrackEntry {
    table.entries.iter().find(|entry| entry.protocol == protocol).unwrap()
}

#[test]
#[ignore = "needs root: run by make test"]
fn flows_are_read_with_all_that_hangs_on_them() {
    let namespace = Namespace::new("flows");
    enter(
        &namespace,
        "-I -p tcp -s 10.0.0.1 -d 10.96.0.1 --sport 4000 --dport 80 -r 10.0.0.9 -q 10.0.0.1 --reply-port-src 8080 \
         --reply-port-dst 4000 --state ESTABLISHED -u ASSURED,SEEN_REPLY -t 3000 -m 0x4000 -w 7\n\
         -I -p icmp -s 10.0.0.1 -d 10.0.0.2 --icmp-type 8 --icmp-code 0 --icmp-id 77 -t 3000\n\
         -I -p udp -s fd00::1 -d fd00::2 --sport 5353 --dport 53 -t 3000\n\
         -I -p sctp -s 10.0.0.3 -d 10.0.0.2 --sport 5 --dport 6 --state COOKIE_WAIT --orig-vtag 1 --reply-vtag 2 -t 3000\n\
         -I -p 89 -s 10.0.0.3 -d 10.0.0.2 -t 3000\n",
    );
    let table = table(&namespace);
    assert_eq!((table.entries.len(), table.count), (5, Some(5)));
    assert!(table.max.is_some_and(|max| max > 0) && table.problems.is_empty(), "{table:?}");
    assert_eq!(table.stats.get("insert"), Some(&5));

    let tcp = find(&table, Protocol::TCP);
    assert_eq!((tcp.zone, tcp.mark, tcp.state.as_deref()), (7, Mark(0x4000), Some("ESTABLISHED")));
    assert!(tcp.status.contains(ConntrackStatus::ASSURED | ConntrackStatus::SEEN_REPLY | ConntrackStatus::CONFIRMED));
    assert!(tcp.timeout_s.is_some_and(|seconds| (2000..=3000).contains(&seconds)));
    assert_eq!((tcp.original.dst.to_string().as_str(), tcp.original.dport), ("10.96.0.1", Port(80)));
    assert_eq!((tcp.reply.src.to_string().as_str(), tcp.reply.sport), ("10.0.0.9", Port(8080)));
    let icmp = find(&table, Protocol::ICMP);
    assert_eq!((icmp.original.sport, icmp.original.dport), (Port(77), Port(8 << 8)));
    assert_eq!((icmp.reply.sport, icmp.reply.dport), (Port(77), Port(0)));
    let udp = find(&table, Protocol::UDP);
    assert_eq!((udp.original.src.to_string().as_str(), udp.state.as_deref()), ("fd00::1", None));
    assert!(!udp.status.contains(ConntrackStatus::SEEN_REPLY));
    assert_eq!(find(&table, Protocol(132)).state.as_deref(), Some("COOKIE_WAIT"));
    assert_eq!(find(&table, Protocol(89)).original.sport, Port(0));
}

#[test]
#[ignore = "needs root: run by make test"]
fn real_flows_have_their_translation_counters_and_labels() {
    let namespace = Namespace::new("real");
    namespace.exec("sysctl -qw net.netfilter.nf_conntrack_acct=1");
    namespace
        .exec("iptables-nft -t nat -A OUTPUT -d 10.96.0.1 -p tcp --dport 80 -j DNAT --to-destination 127.0.0.1:8080");
    namespace.exec("nft add table ip own");
    namespace.exec("nft add chain ip own out { type filter hook output priority 0 ; }");
    namespace.exec("nft add rule ip own out ct label set 9");
    namespace.exec("nft add rule ip own out ct mark set 0x5");
    namespace.ip("route add 10.96.0.0/16 dev lo src 127.0.0.1");
    let _open = namespace.within(|| {
        let listener = TcpListener::bind("127.0.0.1:8080").unwrap();
        let client = TcpStream::connect("10.96.0.1:80").unwrap();
        let server = listener.accept().unwrap();
        (client, server)
    });
    let table = table(&namespace);
    let tcp = find(&table, Protocol::TCP);
    assert_eq!((tcp.state.as_deref(), tcp.mark, tcp.labels), (Some("ESTABLISHED"), Mark(5), 1 << 9));
    assert!(tcp.status.contains(ConntrackStatus::DST_NAT) && !tcp.status.contains(ConntrackStatus::SRC_NAT));
    assert_eq!((tcp.original.dport, tcp.reply.sport), (Port(80), Port(8080)));
    let [there, back] = tcp.packets.unwrap();
    assert!(there >= 2 && back >= 1);
    assert!(tcp.bytes.is_some_and(|bytes| bytes.iter().all(|bytes| *bytes > 0)));
    // Looking did not reset them.
    assert!(namespace.exec("conntrack -L -p tcp").contains(&format!("packets={there} ")));
}

#[test]
#[ignore = "needs root: run by make test"]
fn a_large_table_is_read_in_time_and_cut_with_a_note() {
    const FLOWS: u32 = 200_000;
    let namespace = Namespace::new("large");
    let mut flows = String::new();
    for flow in 0..FLOWS {
        let [_, a, b, c] = flow.to_be_bytes();
        writeln!(flows, "-I -p udp -s 10.{a}.{b}.{c} -d 10.200.0.1 --sport 4000 --dport 53 -t 3000").unwrap();
    }
    enter(&namespace, &flows);
    let begun = Instant::now();
    let table = table(&namespace);
    let took = begun.elapsed();
    assert_eq!((table.entries.len(), table.count), (200_000, Some(200_000)));
    println!("{FLOWS} entries in {} ms", took.as_millis());
    assert!(took < Duration::from_secs(20), "{took:?}");

    let options = Options { conntrack_entries: 1000, ..Options::default() };
    let cut = snapshot(&namespace, &options).conntrack.value().unwrap().clone();
    assert_eq!((cut.entries.len(), cut.count), (1000, Some(200_000)));
    assert_eq!(cut.problems, ["only the first 1000 of 200000 entries were kept"]);
}

#[test]
#[ignore = "needs root: run by make test"]
fn a_namespace_without_flows_has_an_empty_table() {
    let table = table(&Namespace::new("idle"));
    assert_eq!((table.entries.len(), table.count), (0, Some(0)));
    assert!(table.problems.is_empty());
}

#[test]
#[ignore = "needs root: run by make test"]
fn lists_of_recent_are_read_by_name() {
    let namespace = Namespace::new("recent");
    namespace.exec("iptables-nft -A OUTPUT -p udp -m recent --name KUBE-SEP-A --set --rdest");
    namespace.exec("iptables-legacy -A INPUT -m recent --name empty.list --rcheck");
    namespace.within(|| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"x", "127.0.0.1:9").unwrap();
    });
    let snapshot = snapshot(&namespace, &Options::default());
    let lists = snapshot.netfilter.xt_recent.value().unwrap();
    assert_eq!(lists.keys().collect::<Vec<_>>(), ["KUBE-SEP-A", "empty.list"]);
    assert!(lists.get("KUBE-SEP-A").is_some_and(|list| list.starts_with("src=127.0.0.1 ttl: ")), "{lists:?}");
    assert_eq!(lists.get("empty.list").map(String::as_str), Some(""));
}

#[test]
#[ignore = "needs root: run by make test"]
fn only_native_tables_are_kept_as_text() {
    let namespace = Namespace::new("text");
    let text = || snapshot(&namespace, &Options::default()).netfilter.nft_text;
    assert_eq!(text().value().map(String::as_str), Some(""));
    namespace.exec("iptables-nft -A INPUT -j ACCEPT");
    assert_eq!(text().get().unwrap_err().reason, Reason::NotCollected);
    namespace.exec("nft add table inet own");
    namespace.exec("nft add chain inet own in { type filter hook input priority 0 ; }");
    namespace.exec("nft add rule inet own in tcp dport 80 accept");
    assert_eq!(text().value(), Some(&namespace.exec("nft -a list ruleset")));
}

#[test]
#[ignore = "needs root: run by make test"]
fn without_json_the_text_is_taken() {
    let namespace = Namespace::new("nojson");
    namespace.exec("iptables-nft -A INPUT -j ACCEPT");
    let directory = tempfile::tempdir().unwrap();
    let tool = directory.path().join("nft");
    std::fs::write(
        &tool,
        "#!/bin/sh\n[ $1 = -j ] && { echo 'JSON support not compiled-in' >&2; exit 1; }\necho table\n",
    )
    .unwrap();
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut options = Options::default();
    options.tool_path.insert(0, directory.path().to_owned());
    let snapshot = snapshot(&namespace, &options);
    assert_eq!(snapshot.netfilter.nft_text.value().map(String::as_str), Some("table\n"));
    assert!(snapshot.netfilter.nft_json.get().unwrap_err().detail.contains("not compiled-in"));
    assert_eq!(snapshot.unavailable(), []);
}

#[test]
#[ignore = "needs root: run by make test"]
fn hooks_are_as_the_kernel_tells_them() {
    let namespace = Namespace::new("hooks");
    namespace.exec("nft add table inet own");
    namespace.exec("nft add chain inet own in { type filter hook input priority 5 ; }");
    namespace.exec("nft add table netdev own");
    namespace.exec("nft add chain netdev own in { type filter hook ingress device lo priority -5 ; }");
    let snapshot = snapshot(&namespace, &Options::default());
    assert_eq!(snapshot.unavailable(), [], "a kernel that tells nothing of hooks is no failure");
    match snapshot.netfilter.hooks.get() {
        Err(why) => assert_eq!(why.reason, Reason::Unsupported, "{why}"),
        Ok(owners) => {
            let chain = |family: &str| {
                let owners = owners.iter().filter(|owner| owner.family == family);
                owners.filter_map(|owner| Some((owner.hook.as_str(), owner.priority, owner.chain.clone()?))).collect()
            };
            let named = |family: &str| [family, "own", "in"].map(str::to_owned);
            for family in ["ip", "ip6"] {
                let chains: Vec<_> = chain(family);
                assert_eq!(chains, [("input", 5, named("inet"))]);
            }
            let chains: Vec<_> = chain("netdev");
            assert_eq!(chains, [("ingress", -5, named("netdev"))]);
        }
    }
}
