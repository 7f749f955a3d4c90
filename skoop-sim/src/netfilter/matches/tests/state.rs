//! Matches on the flow, the sender, and what was collected.

use std::collections::BTreeMap;
use std::net::IpAddr;

use skoop_model::{IfIndex, Item, Link, NetfilterDumps, Packet, Port, Protocol, RouteKind, Socket, SocketState};

use super::{Maybe, No, Tri, Yes, judge, v6, web};
use crate::netfilter::testkit::{DELIVERED, SENT, Walk, icmp, link, nft_v4, no_rules, stops, syn, table, tcp, udp};
use crate::netfilter::{Hook, HookPoint, Netfilter, NetfilterEnv, ReversePath};
use crate::{Conntrack, Forks, PacketState, Receiver, Sender, explore};

/// Whether a rule in a chain stops a packet on its way through hooks.
fn at(chain: &str, hooks: &[Hook], matches: &str) -> Tri {
    let filter = table("filter", &[&format!("-A {chain} {matches} -j DROP")]);
    stops(&nft_v4(filter), &web(), hooks)
}

/// xt_cluster.c; the hash of `jhash_1word` over the source and the seed.
#[test]
fn shares_of_a_cluster() {
    let nodes = |seed: u32| {
        (1..=3)
            .filter(|node| {
                let rule = format!(
                    "-m cluster --cluster-total-nodes 3 --cluster-local-node {node} --cluster-hash-seed {seed}"
                );
                judge(&rule, &web()) == Yes
            })
            .count()
    };
    assert!((0..20).all(|seed| nodes(seed) == 1), "each flow has one node");
    let all = "-m cluster --cluster-total-nodes 3 --cluster-local-nodemask 0x7 --cluster-hash-seed 0x1";
    assert_eq!((judge(all, &web()), judge(all, &v6(web()))), (Yes, Yes));
    let none = all.replace("--cluster-local-nodemask", "! --cluster-local-nodemask");
    assert_eq!(judge(&none, &web()), No);
}

/// xt_connbytes.c, xt_connlabel.c, xt_helper.c, xt_time.c, xt_policy.c, xt_conntrack.c, xt_l2tp.c.
#[test]
fn flows_and_policies() {
    for (matches, expected) in [
        ("-m connbytes --connbytes 0:10 --connbytes-dir both --connbytes-mode packets", Yes),
        ("-m connbytes --connbytes 2 --connbytes-dir original --connbytes-mode packets", No),
        ("-m connbytes ! --connbytes 2: --connbytes-dir original --connbytes-mode packets", Yes),
        ("-m connbytes --connbytes 60:60 --connbytes-dir original --connbytes-mode bytes", Yes),
        ("-m connbytes --connbytes 1 --connbytes-dir reply --connbytes-mode avgpkt", No),
        ("-m connlabel --label 5", No),
        ("-m connlabel ! --label 5", Yes),
        ("-m connlabel --label 5 --set", Yes),
        ("-m connlabel --label 5 --set -m connlabel --label 5", Yes),
        ("-m connlabel --label gold", Maybe),
        ("-m helper --helper ftp", No),
        ("-m helper ! --helper ftp", Yes),
        ("-m time --timestart 08:00 --timestop 17:00", Maybe),
        ("-m time --timestart 00:00:00 --timestop 23:59:59 --kerneltz", Yes),
        ("-m policy --dir in --pol none", Yes),
        ("-m policy --dir in --pol ipsec", No),
        ("-m policy --dir out --pol ipsec", Maybe),
        ("-m ipvs --ipvs", Maybe),
        ("-m rpfilter", Maybe),
    ] {
        assert_eq!(judge(matches, &web()), expected, "{matches}");
    }
}

/// xt_owner.c, xt_cgroup.c.
#[test]
fn senders() {
    let judge = |matches: &str, sender: Sender| {
        let filter = table("filter", &[&format!("-A OUTPUT {matches} -j DROP")]);
        let (ways, _) = explore(4, |forks| {
            let mut walk = Walk::new(nft_v4(filter.clone()));
            walk.state.set_sender(sender);
            !walk.hook(Hook::Output, &mut web(), forks).blockers.is_empty()
        });
        if ways.len() > 1 { Maybe } else { Tri::from(ways.iter().all(|way| way.value)) }
    };
    let istio = Sender { uid: Some(1337), gid: Some(1000) };
    for (matches, sender, expected) in [
        ("-m owner --uid-owner 1337", istio, Yes),
        ("-m owner ! --uid-owner 1337", istio, No),
        ("-m owner --uid-owner 1000-2000", istio, Yes),
        ("-m owner --gid-owner 1337", istio, No),
        ("-m owner --gid-owner 1337 --suppl-groups", istio, Maybe),
        ("-m owner --gid-owner 1000 --suppl-groups", istio, Yes),
        ("-m owner --uid-owner 1337 ! --gid-owner 1000", istio, No),
        ("-m owner --socket-exists", istio, Yes),
        ("-m owner ! --socket-exists", istio, No),
        ("-m owner --uid-owner 1337", Sender::default(), Maybe),
        ("-m owner --gid-owner 5", Sender { uid: Some(1), gid: None }, Maybe),
        ("-m cgroup --path a/b", istio, Maybe),
    ] {
        assert_eq!(judge(matches, sender), expected, "{matches}");
    }
    assert_eq!(at("INPUT", &DELIVERED, "-m cgroup ! --cgroup 5"), No);
    assert_eq!(at("OUTPUT", &SENT, "-m mac ! --mac-source 02:00:00:00:00:01"), No);
}

/// xt_ipvs.c.
#[test]
fn ipvs_where_there_is_none() {
    let judge = |services: Item<String>, matches: &str| {
        let filter = table("filter", &[&format!("-A INPUT {matches} -j DROP")]);
        let dumps = NetfilterDumps { nft_v4: Item::known(0, filter), ipvs: services, ..no_rules() };
        stops(&Netfilter::compile(&dumps), &web(), &DELIVERED)
    };
    let none = || Item::known(0, String::new());
    let some = || Item::known(0, "-A -t 10.0.0.1:80 -s rr\n".to_owned());
    assert_eq!(judge(none(), "-m ipvs --ipvs"), No);
    assert_eq!(judge(none(), "-m ipvs ! --ipvs"), Yes);
    assert_eq!(judge(none(), "-m ipvs --vaddr 10.0.0.1 --vport 80"), No);
    assert_eq!(judge(some(), "-m ipvs --ipvs"), Maybe);
}

fn recent_lists(text: &str) -> Item<BTreeMap<String, String>> {
    Item::known(0, BTreeMap::from([("SEP".to_owned(), text.to_owned())]))
}

/// `recent_mt`, xt_recent.c.
#[test]
fn addresses_seen_before() {
    let seen = "src=10.0.0.5 ttl: 63 last_seen: 4297000000 oldest_pkt: 2 4296000000, 4297000000\n";
    let later = format!("{seen}src=10.0.0.9 ttl: 63 last_seen: 4399999999 oldest_pkt: 1 4399999999\n");
    let clock = |now: u64| format!("{seen}jiffies: {now} hz: 250\n");
    let affinity = "--rcheck --seconds 10800 --reap --name SEP --mask 255.255.255.255 --rsource";
    let none = Item::not_collected;
    for (lists, matches, expected) in [
        (recent_lists(seen), affinity, Maybe),
        (recent_lists(&later), affinity, No),
        (recent_lists(&clock(4_297_000_000 + 10_800 * 250)), affinity, Yes),
        (recent_lists(&clock(4_297_000_001 + 10_800 * 250)), affinity, No),
        (recent_lists(""), affinity, No),
        (Item::known(0, BTreeMap::new()), affinity, No),
        (none(), affinity, Maybe),
        (recent_lists(seen), "--rcheck --name SEP", Yes),
        (recent_lists(seen), "! --rcheck --name SEP", No),
        (recent_lists(seen), "--rcheck --name SEP --rdest", No),
        (recent_lists(seen), "--rcheck --name OTHER", No),
        (recent_lists(seen), "--rcheck --hitcount 2 --name SEP", Yes),
        (recent_lists(seen), "--rcheck --hitcount 3 --name SEP", No),
        (recent_lists(seen), "--update --name SEP --rttl", No),
        (recent_lists(&seen.replace("ttl: 63", "ttl: 65")), "--update --name SEP --rttl", Yes),
        (recent_lists(seen), "--remove --name SEP", Yes),
        (
            recent_lists("src=10.0.0.0 ttl: 63 last_seen: 5 oldest_pkt: 1 5\n"),
            "--rcheck --name SEP --mask 255.255.255.0",
            Yes,
        ),
        (none(), "--set --name SEP", Yes),
        (none(), "--rcheck --name SEP", Maybe),
        // What a rule has just put there, or taken away, is there, or is not.
        (none(), "--set --name SEP -m recent --rcheck --seconds 60 --name SEP", Yes),
        (recent_lists(""), "--set --name SEP -m recent --update --seconds 60 --hitcount 2 --name SEP", No),
        (recent_lists(seen), "--remove --name SEP -m recent --rcheck --name SEP", No),
    ] {
        let filter = table("filter", &[&format!("-A FORWARD -m recent {matches} -j DROP")]);
        let dumps = NetfilterDumps { nft_v4: Item::known(0, filter), xt_recent: lists, ..no_rules() };
        assert_eq!(
            stops(&Netfilter::compile(&dumps), &web(), &crate::netfilter::testkit::FORWARDED),
            expected,
            "{matches}"
        );
    }
}

/// ip6t_eui64.c.
#[test]
fn addresses_made_from_the_mac_address() {
    let mut packet = v6(syn("fd00::5", 1, "fd00::6", 2));
    packet.src = "fe80::ff:fe00:1".parse().expect("an address");
    for (mac, expected) in [("02:00:00:00:00:01", true), ("02:00:00:00:00:02", false)] {
        let raw = table("raw", &["-A PREROUTING -m eui64 -j DROP"]);
        let dumps = NetfilterDumps { nft_v6: Item::known(0, raw), ..no_rules() };
        let mut walk = Walk::new(Netfilter::compile(&dumps));
        walk.state.set_source_mac(mac.parse().expect("a MAC address"));
        let result = walk.hook(Hook::Prerouting, &mut packet.clone(), &mut Forks::first());
        assert_eq!(!result.blockers.is_empty(), expected, "{mac}");
    }
    assert_eq!(judge("-m eui64", &v6(web())), Maybe);
}

/// `physdev_mt`, xt_physdev.c: a frame that came in by a port and is routed or delivered.
#[test]
fn ports_of_what_is_not_bridged() {
    for (matches, expected) in [
        ("-m physdev --physdev-in port0", true),
        ("-m physdev ! --physdev-in port0", false),
        ("-m physdev --physdev-is-in ! --physdev-is-out", true),
        ("-m physdev ! --physdev-is-bridged", true),
        // "if (!outdev) return false", inverted or not.
        ("-m physdev ! --physdev-out port1", false),
    ] {
        let mut walk = Walk::new(nft_v4(table("filter", &[&format!("-A INPUT {matches} -j DROP")])));
        walk.bridged = true;
        let result = walk.hook(Hook::Input, &mut udp("10.0.0.5", 1, "10.0.0.6", 2), &mut Forks::first());
        assert_eq!(!result.blockers.is_empty(), expected, "{matches}");
    }
}

/// What sockets and routes say, as the rules ask for them.
struct Answers {
    receiver: Option<Receiver>,
    way_back: Tri,
}

impl NetfilterEnv for Answers {
    fn address_kind(&self, _address: IpAddr, _device: Option<IfIndex>) -> Option<RouteKind> {
        None
    }

    fn masquerade_address(&self, _out: IfIndex, _packet: &Packet) -> Option<IpAddr> {
        None
    }

    fn sysctl(&self, _path: &str) -> Option<i64> {
        None
    }

    fn reverse_path(&self, _packet: &Packet, _device: &Link, options: ReversePath) -> Tri {
        if options.loose { Tri::Yes } else { self.way_back }
    }

    fn socket(&self, _packet: &Packet, _device: IfIndex) -> Option<Receiver> {
        self.receiver.clone()
    }
}

fn asked(answers: &Answers, matches: &str, packet: &Packet) -> Tri {
    let netfilter = nft_v4(table("mangle", &[&format!("-A PREROUTING {matches} -j DROP")]));
    let device = link(1, "eth0");
    let at =
        HookPoint { hook: Hook::Prerouting, in_device: Some(&device), out_device: None, in_port: None, out_port: None };
    let (ways, _) = explore(4, |forks| {
        let (mut state, mut conntrack) = (PacketState::default(), Conntrack::default());
        let result = netfilter.run(&at, &mut packet.clone(), &mut state, &mut conntrack, answers, forks);
        !result.blockers.is_empty()
    });
    if ways.len() > 1 { Maybe } else { ways.iter().all(|way| way.value).into() }
}

/// `socket_match`, xt_socket.c; `rpfilter_mt`, ipt_rpfilter.c.
#[test]
fn sockets_and_ways_back() {
    let socket = |address: &str| Socket {
        protocol: Protocol::TCP,
        address: address.parse().expect("an address"),
        port: Port(443),
        remote: None,
        state: SocketState::Listen,
        v6only: None,
        link: None,
        uid: 0,
        inode: 1,
        mark: None,
    };
    let found = |address| Some(Receiver::Found(Box::new(socket(address))));
    let none = || Some(Receiver::NoListener { near: Vec::new() });
    let later = tcp("10.0.0.5", 4000, "10.96.0.1", 443, 0x10);
    for (receiver, matches, packet, expected) in [
        (found("10.96.0.1"), "-m socket", web(), Yes),
        (found("0.0.0.0"), "-m socket", web(), No),
        (found("0.0.0.0"), "-m socket", later.clone(), Maybe),
        (found("0.0.0.0"), "-m socket --nowildcard", web(), Yes),
        (found("0.0.0.0"), "-m socket --nowildcard", later.clone(), Yes),
        (found("10.96.0.1"), "-m socket --transparent", web(), Maybe),
        (found("0.0.0.0"), "-m socket --transparent", web(), No),
        (found("10.96.0.1"), "-m socket --restore-skmark", web(), Maybe),
        (none(), "-m socket --transparent --nowildcard", web(), No),
        (none(), "-m socket", later, Maybe),
        (None, "-m socket", web(), Maybe),
        (found("10.96.0.1"), "-m socket", icmp("10.0.0.5", "10.0.0.6", 8, 0), No),
    ] {
        let answers = Answers { receiver, way_back: Tri::Maybe };
        assert_eq!(asked(&answers, matches, &packet), expected, "{matches} on {packet} of {:?}", answers.receiver);
    }
    for (way_back, matches, expected) in [
        (Yes, "-m rpfilter", Yes),
        (No, "-m rpfilter", No),
        (No, "-m rpfilter --invert --validmark", Yes),
        (No, "-m rpfilter --loose", Yes),
        (Maybe, "-m rpfilter --invert", Maybe),
    ] {
        assert_eq!(asked(&Answers { receiver: None, way_back }, matches, &web()), expected, "{matches} {way_back:?}");
    }
}
