//! What the standard tools print of a namespace, read by [`dump`], against what the collector reads of the same namespace itself.
//!
//! Both are the same, field by field, but for what one of them cannot know:
//!
//! | difference | why |
//! |---|---|
//! | identity and peers' namespaces | files have no inode numbers |
//! | `hooks` of traffic control | `ip link` does not print filters |
//! | `netfilter.hooks`, statistics of connection tracking | no tool prints them |
//! | `nft_v4` and its like where nothing is | the collector asks no tool then, which prints headers or nothing |
//! | status bits of NAT in a connection | `conntrack` prints addresses, and no bits |
//! | neighbours of the loopback device | `ip neigh` hides them |
//! | sysctls that the collector does not read | `sysctl -a` prints all |
//! | counts that the tools themselves change | `nf_conntrack_count` |
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

#[path = "local/support.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use skoop_collect::dump::{self, Dumped};
use skoop_collect::local::{Options, Others, Selection, collect};
use skoop_model::{
    ConntrackEntry, ConntrackStatus, IfIndex, Item, Link, LinkKind, NamespaceSnapshot, Neighbour, NodeName, Socket,
    VethPeer,
};

use support::Namespace;

/// A namespace with some of everything that this kernel has.
const COMMANDS: &[&str] = &[
    "link add br0 type bridge",
    "link add v0 type veth peer name v1",
    "link add mv0 link v1 type macvlan mode bridge",
    "link add ifb7 type ifb",
    "tuntap add tun7 mode tun",
    "link set v0 master br0",
    "link set v0 type bridge_slave hairpin on isolated on learning off flood off mcast_flood off bcast_flood off",
    "link add v4 type veth peer name v5",
    "link set v4 master br0",
    "link set v4 type bridge_slave neigh_suppress on",
    "link add vx.100 type vxlan id 42 dstport 8472 local 10.9.0.1 dev v1 nolearning",
    "link add vx6 type vxlan id 43 dstport 4789 local fd00:9::1 remote fd00:9::2 ttl 7 df set",
    "link add vx7 type vxlan id 44 dstport 4791 ttl inherit df inherit group 239.1.1.7 dev v1",
    "link add vxm type vxlan external dstport 4790",
    "link set br0 up",
    "link set v0 up",
    "link set v1 up",
    "link set vx.100 up",
    "link set e0 up",
    "link set mv0 up",
    "link set tun7 up",
    "link set v4 up",
    "link set v5 up",
    "link set ifb7 up",
    "link set vx6 up",
    "link set vxm up",
    "link set e0 group 17 mtu 1400 promisc on",
    "addr add 10.9.0.1/24 dev v1",
    "addr add 10.9.0.7/24 dev v1",
    "addr add 10.8.0.1 peer 10.8.0.2/32 dev e0",
    "addr add fd00:9::1/64 dev v1 nodad",
    "addr add fd00:9::9/64 dev v1 nodad preferred_lft 0",
    "addr add 10.7.0.1/16 dev br0 scope link",
    "route add 10.20.0.0/16 via 10.9.0.2 dev v1 metric 50 mtu 1300",
    "route add 10.21.0.0/16 nexthop via 10.9.0.2 weight 3 nexthop dev e0 weight 1",
    "route add blackhole 10.22.0.0/16",
    "route add unreachable 10.23.0.0/16 metric 9",
    "route add prohibit 10.24.0.0/16 table 100",
    "route add throw 10.25.0.0/16 table 100",
    "route add 10.26.0.0/24 dev vx.100 via 10.26.0.0 onlink",
    "-4 route add default via inet6 fd00:9::2 dev v1",
    "route add 10.28.0.0/16 dev e0 table 1000 scope link src 10.8.0.1 proto 186",
    "route add 10.29.0.0/16 dev v1 tos 0x10 proto bird",
    "nexthop add id 5 via 10.9.0.3 dev v1",
    "nexthop add id 6 via 10.9.0.4 dev v1",
    "nexthop add id 7 group 5,2/6,9",
    "nexthop add id 8 blackhole",
    "nexthop add id 11 via fd00:9::7 dev v1",
    "nexthop add id 12 via fd00:9::8 dev v1",
    "nexthop add id 13 group 11/12",
    "-6 nexthop add id 14 blackhole",
    "route add 10.30.0.0/16 nhid 7",
    "route add 10.31.0.0/16 nhid 8",
    "route add 10.32.0.0/16 nhid 5",
    "route add local 10.55.0.0/24 dev lo table local",
    "route add multicast 239.1.1.1 dev v1",
    "route add 10.33.0.0/16 dev ifb7 table 100",
    "-6 route add 2001:db8::/32 via fd00:9::2",
    "-6 route add 2001:db9::/32 nexthop via fd00:9::2 weight 2 nexthop via fd00:9::3 weight 1",
    "-6 route add blackhole 2001:dba::/32",
    "-6 route add unreachable 2001:dbb::/32 table 100 metric 7",
    "-6 route add 2001:dbc::/32 from 2001:db8::/32 via fd00:9::2",
    "-6 route add 2001:dbd::/32 via fd00:9::2 pref high mtu 1280",
    "-6 route add 2001:dbe::/32 nhid 11",
    "-6 route add 2001:dbf::/32 nhid 13",
    "-6 route add 2001:dc0::/32 nhid 14",
    "-6 route add default via fd00:9::fe dev v1 metric 5",
    "rule add from 10.1.0.0/16 to 10.2.0.0/16 iif e0 lookup 100 pref 100",
    "rule add not fwmark 0x80/0xff00 lookup 1000 pref 101",
    "rule add fwmark 0x7 lookup main suppress_prefixlength 0 pref 102",
    "rule add ipproto tcp sport 80 dport 1000-2000 uidrange 5-10 tos 0x10 oif v1 goto 200 pref 103",
    "rule add to 10.3.0.0/16 blackhole pref 104",
    "rule add to 10.4.0.0/16 unreachable pref 105",
    "rule add to 10.5.0.0/16 prohibit pref 106",
    "rule add nop pref 200",
    "rule add from all lookup 7 suppress_ifgroup 17 pref 201",
    "rule add l3mdev pref 202",
    "rule add iif nonexist lookup default pref 203",
    "rule add from 10.99.0.1 lookup local tos 0x8 pref 204",
    "-6 rule add from fd00::/8 lookup 100 pref 100",
    "-6 rule add ipproto ipv6-icmp prohibit pref 105",
    "neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev v1 nud permanent",
    "neigh replace 10.9.0.66 lladdr 02:00:00:00:00:06 dev v1 nud noarp",
    "neigh replace fd00:9::2 lladdr 02:00:00:00:00:02 dev v1 nud permanent",
    "neigh replace 10.26.0.0 lladdr 02:00:00:00:01:01 dev vx.100 nud permanent",
    "neigh add proxy 10.9.0.99 dev v1",
    "-6 neigh add proxy fd00:9::99 dev v1",
];

const FDB: [&str; 5] = [
    "fdb add 02:00:00:00:01:01 dev vx.100 dst 10.9.0.2",
    "fdb append 00:00:00:00:00:00 dev vx.100 dst 10.9.0.3 vni 44 port 4444 via v1",
    "fdb add 02:00:00:00:01:02 dev v0 master static",
    "fdb add 02:00:00:00:01:03 dev v4 master local",
    "fdb add 02:00:00:00:01:04 dev vx6 dst fd00:9::3",
];

/// Rules of every kind, in the words of each tool.
const RULES: [&str; 9] = [
    "iptables-nft -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
    "iptables-nft -t nat -A POSTROUTING -s 10.9.0.0/24 -j MASQUERADE",
    "ip6tables-nft -A INPUT -p tcp --dport 80 -j DROP",
    "iptables-legacy -t mangle -A PREROUTING -j MARK --set-mark 7",
    "ip6tables-legacy -A INPUT -j ACCEPT",
    "iptables-legacy -A INPUT -m recent --name seen --set",
    "nft add table inet own",
    "ipset create nodes hash:net",
    "ipset add nodes 10.0.0.0/8",
];

struct Sockets(Child);

impl Drop for Sockets {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process with sockets of all kinds. It writes a line once they are there.
fn sockets(namespace: &Namespace) -> Sockets {
    const PROGRAM: &str = "import socket, sys, time\n\
        I, J, T, U = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, socket.SOCK_DGRAM\n\
        kept = []\n\
        def make(family, kind, address, option=None, peer=None):\n    \
            s = socket.socket(family, kind)\n    \
            option and s.setsockopt(*option)\n    \
            s.bind(address)\n    \
            peer and s.connect(peer)\n    \
            kind == T and s.listen()\n    \
            kept.append(s)\n\
        only = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)\n\
        make(I, U, ('0.0.0.0', 53)); make(I, U, ('10.9.0.1', 54), None, ('10.9.0.2', 99))\n\
        make(J, U, ('::', 55)); make(J, U, ('::', 56), only); make(I, T, ('127.0.0.1', 80)); make(J, T, ('::', 81))\n\
        make(J, T, ('::', 82), only); make(J, T, ('fd00:9::1', 83)); make(I, T, ('0.0.0.0', 84), (1, 25, b'v1'))\n\
        make(I, T, ('0.0.0.0', 85), (1, 36, 7)); make(J, T, ('::ffff:10.9.0.1', 86))\n\
        print('ready', flush=True); time.sleep(600)\n";
    let mut child = Command::new("ip")
        .args(["netns", "exec", &namespace.name, "python3", "-c", PROGRAM])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    assert_eq!(line, "ready\n");
    Sockets(child)
}

fn rich() -> (Namespace, Namespace) {
    let (namespace, other) = (Namespace::new("dump"), Namespace::new("peer"));
    namespace.ip(&format!("link add e0 type veth peer name e0 netns {}", other.name));
    other.ip("link set e0 up");
    namespace.exec("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.arp_ignore=2");
    for command in COMMANDS {
        namespace.ip(command);
    }
    for command in FDB {
        namespace.exec(&format!("bridge {command}"));
    }
    for command in RULES {
        namespace.exec(command);
    }
    (namespace, other)
}

/// What the tools print, in files, by the commands that `skoop walk --how` tells.
fn print_to(namespace: &Namespace, directory: &Path) {
    for (file, command) in dump::FILES {
        if command.starts_with("ipvsadm") {
            fs::write(directory.join(file), "").unwrap();
            continue;
        }
        let mut words = vec!["ip", "netns", "exec", &namespace.name];
        words.extend(command.split(' '));
        let output =
            Command::new("ip").args(words.get(1..).unwrap_or_default()).stderr(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{command}");
        fs::write(directory.join(file), output.stdout).unwrap();
    }
    let proxies = namespace.exec("ip -j neigh show proxy");
    let all = fs::read_to_string(directory.join("ip-neigh.json")).unwrap() + &proxies;
    fs::write(directory.join("ip-neigh.json"), all).unwrap();
    fs::create_dir(directory.join("xt_recent")).unwrap();
    fs::write(directory.join("xt_recent/seen"), namespace.exec("cat /proc/net/xt_recent/seen")).unwrap();
}

fn collected(namespace: &Namespace) -> NamespaceSnapshot {
    let selection = Selection { host: namespace.netns(), others: Others::None };
    let mut node = collect(NodeName::from("test"), &selection, &Options::default()).unwrap();
    node.namespaces.remove(0)
}

fn value<T: Clone>(item: &Item<T>) -> T {
    item.get().unwrap_or_else(|why| panic!("{why}")).clone()
}

/// Each element of two lists beside its like.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, own: &[T], others: &[T]) {
    for (position, (one, other)) in own.iter().zip(others).enumerate() {
        assert_eq!(one, other, "{what} {position}: read from files on the left, collected on the right");
    }
    assert_eq!(own.len(), others.len(), "{what}");
}

/// Without what only one side can know.
fn comparable(links: &[Link]) -> Vec<Link> {
    let mut links = links.to_vec();
    for link in &mut links {
        link.hooks.clear();
        if let LinkKind::Veth { peer: Some(VethPeer { netns, .. }) } = &mut link.kind {
            *netns = netns.map(|_| dump::NETNS);
        }
    }
    links
}

/// Without learned neighbours, which change their state while one looks, and without those of groups, which the kernel joins when it
/// likes.
fn steady(neighbours: &[Neighbour]) -> Vec<Neighbour> {
    let is_own = |entry: &Neighbour| entry.link == IfIndex(1) || entry.address.is_multicast();
    let all = neighbours.iter().filter(|entry| (entry.state.is_static() || entry.proxy) && !is_own(entry));
    all.cloned().collect()
}

fn connection(mut entry: ConntrackEntry) -> ConntrackEntry {
    let seen = ConntrackStatus::SEEN_REPLY | ConntrackStatus::ASSURED | ConntrackStatus::CONFIRMED;
    let translated = ConntrackStatus::SRC_NAT | ConntrackStatus::DST_NAT;
    entry.status = ConntrackStatus(entry.status.0 & (seen | translated).0);
    entry.timeout_s = None;
    entry
}

fn socket(socket: &Socket) -> Socket {
    // What the kernel tells of a socket that is bound to an IPv4 address is not printed.
    let v6only = socket.v6only.filter(|_| socket.address.is_unspecified() && socket.address.is_ipv6());
    Socket { v6only, mark: socket.mark.filter(|mark| mark.0 != 0), ..socket.clone() }
}

/// Without the lines that tell when it was printed, and without counters.
fn rules(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(" [").next().unwrap_or(line).to_owned()).collect()
}

#[test]
#[ignore = "needs root: run by make test"]
fn files_tell_what_the_collector_sees() {
    let (namespace, _other) = rich();
    let _sockets = sockets(&namespace);
    let directory = tempfile::tempdir().unwrap();
    // Flows that nobody answers. The kernel may begin others of its own (neighbours, groups) between the two readings.
    namespace.exec(
        "conntrack -I -p tcp -s 10.9.0.2 -d 10.9.0.1 --sport 5 --dport 6 --state ESTABLISHED -t 9000 -u ASSURED -m 7",
    );
    namespace.exec(
        "conntrack -I -p udp -s 10.9.0.2 -d 10.9.0.1 --sport 5 --dport 6 --dst-nat 10.9.0.3 -t 9000 -u SEEN_REPLY",
    );
    namespace.exec("conntrack -I -p icmp -s 10.9.0.2 -d 10.9.0.1 --icmp-type 8 --icmp-code 0 --icmp-id 77 -t 9000");
    print_to(&namespace, directory.path());
    let Dumped { snapshot: own, missing, half_seen, problems } = dump::read_dir(directory.path()).unwrap();
    assert_eq!(problems, []);
    assert_eq!((missing.as_slice(), half_seen.as_slice()), (&[][..], &[][..]));
    let theirs = collected(&namespace);

    same("link", &comparable(&value(&own.links)), &comparable(&value(&theirs.links)));
    same("address", &value(&own.addresses), &value(&theirs.addresses));
    same("route", &value(&own.routes), &value(&theirs.routes));
    same("rule", &value(&own.rules), &value(&theirs.rules));
    same("neighbour", &steady(&value(&own.neighbours)), &steady(&value(&theirs.neighbours)));
    same("forwarding entry", &value(&own.fdb), &value(&theirs.fdb));

    same_sockets(&own, &theirs);
    let sysctls: BTreeMap<String, String> =
        value(&own.sysctls).iter().map(|(path, value)| (path.to_owned(), value.to_owned())).collect();
    for (path, expected) in value(&theirs.sysctls).iter().filter(|(path, _)| !path.ends_with("nf_conntrack_count")) {
        assert_eq!(sysctls.get(path).map(String::as_str), Some(expected), "{path}");
    }

    let flows = |table: &Item<_>| -> Vec<ConntrackEntry> {
        let table: skoop_model::ConntrackTable = value(table);
        let planted = |entry: &ConntrackEntry| entry.original.src == "10.9.0.2".parse::<std::net::IpAddr>().unwrap();
        let mut entries: Vec<_> = table.entries.into_iter().filter(planted).map(connection).collect();
        entries.sort_by_key(|entry| entry.protocol);
        entries
    };
    assert_eq!(flows(&theirs.conntrack).len(), 3);
    same("connection", &flows(&own.conntrack), &flows(&theirs.conntrack));
    same_rules(&own, &theirs);
}

fn same_sockets(own: &NamespaceSnapshot, theirs: &NamespaceSnapshot) {
    let mut sockets: Vec<_> = [value(&own.sockets), value(&theirs.sockets)]
        .iter()
        .map(|all| {
            let mut all: Vec<Socket> = all.iter().map(socket).collect();
            all.sort_by_key(|socket| (socket.protocol, socket.port, socket.address));
            all
        })
        .collect();
    let (collected, read) = (sockets.pop().unwrap(), sockets.pop().unwrap());
    same("socket", &read, &collected);
}

fn same_rules(own: &NamespaceSnapshot, theirs: &NamespaceSnapshot) {
    for (what, read, collected) in [
        ("iptables-nft", &own.netfilter.nft_v4, &theirs.netfilter.nft_v4),
        ("ip6tables-nft", &own.netfilter.nft_v6, &theirs.netfilter.nft_v6),
        ("ipset", &own.netfilter.ipset, &theirs.netfilter.ipset),
    ] {
        same(what, &rules(&value(read)), &rules(&value(collected)));
    }
    for (what, read, collected) in [
        ("iptables-legacy", &own.netfilter.legacy_v4, &theirs.netfilter.legacy_v4),
        ("ip6tables-legacy", &own.netfilter.legacy_v6, &theirs.netfilter.legacy_v6),
    ] {
        // `iptables-legacy-save` makes the tables that it is asked for, so that the namespace has more of them now.
        let read = rules(&value(read));
        for line in rules(&value(collected)).iter().filter(|line| line.starts_with("-A")) {
            assert!(read.contains(line), "{what}: {line}");
        }
    }
    assert_eq!(
        value(&own.netfilter.nft_json).len(),
        value(&theirs.netfilter.nft_json).len(),
        "the same text, but for counters"
    );
    assert_eq!(
        value(&own.netfilter.xt_recent).keys().collect::<Vec<_>>(),
        value(&theirs.netfilter.xt_recent).keys().collect::<Vec<_>>()
    );
}

#[test]
fn a_hundred_megabytes_take_time_in_proportion() {
    let route = |number: u32| {
        let [_, a, b, c] = number.to_be_bytes();
        format!(
            "{{\"dst\":\"10.{a}.{b}.{c}\",\"gateway\":\"10.0.0.1\",\"dev\":\"eth0\",\"table\":\"100\",\"flags\":[]}},\n"
        )
    };
    let text: String = (0..20_000).map(route).collect();
    let mut files = dump::Files::default();
    files.insert("ip-route.json", format!("[{text}{{}}]"));
    assert_eq!(value(&files.load().snapshot.routes).len(), 20_000);
}
