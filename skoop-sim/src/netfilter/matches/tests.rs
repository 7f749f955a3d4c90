//! Each match against packets that it should and should not match, as the kernel file that it follows says.

mod headers;
mod payload;
mod robust;
mod state;

use std::collections::HashSet;

use skoop_model::{Details, Family, Item, MacAddr, Mark, NetfilterDumps, Packet};

use super::{JUDGED, UNJUDGED};
use crate::netfilter::testkit::*;
use crate::netfilter::{Hook, Netfilter};
use crate::{Forks, Tri};
use Tri::{Maybe, No, Yes};

/// Whether `-A FORWARD {matches} -j DROP` matches a forwarded packet.
fn judge(matches: &str, packet: &Packet) -> Tri {
    let filter = table("filter", &[&format!("-A FORWARD {matches} -j DROP")]);
    let item = Item::known(0, filter);
    let dumps = match packet.family() {
        Family::V4 => NetfilterDumps { nft_v4: item, ..no_rules() },
        Family::V6 => NetfilterDumps { nft_v6: item, ..no_rules() },
    };
    stops(&Netfilter::compile(&dumps), packet, &FORWARDED)
}

fn v6(packet: Packet) -> Packet {
    let packet = Packet { src: ip("fd00::5"), ..packet };
    Packet { dst: ip("fd00::1"), ..packet }
}

fn with(packet: Packet, details: Details) -> Packet {
    Packet { details: Some(Box::new(details)), ..packet }
}

fn web() -> Packet {
    syn("10.0.0.5", 4000, "10.96.0.1", 443)
}

fn dns() -> Packet {
    udp("10.0.0.5", 4001, "10.96.0.10", 53)
}

fn marked(mark: u32) -> Packet {
    Packet { mark: Mark(mark), ..web() }
}

fn ping() -> Packet {
    icmp("10.0.0.5", "10.0.0.6", 8, 0)
}

/// Match, packet, answer.
#[expect(clippy::too_many_lines, reason = "a table, one line a case")]
fn cases() -> Vec<(&'static str, Packet, Tri)> {
    vec![
        // `ip_packet_match`, `net/ipv4/netfilter/ip_tables.c`
        ("-s 10.0.0.0/24", web(), Yes),
        ("! -s 10.0.0.0/24", web(), No),
        ("-s 10.0.1.0/24", web(), No),
        ("-d 10.96.0.1/32", web(), Yes),
        ("! -d 10.96.0.1/32", web(), No),
        ("-i eth0", web(), Yes),
        ("! -i eth0", web(), No),
        ("-i eth+ -o eth1", web(), Yes),
        ("-o eth0", web(), No),
        ("-p tcp", web(), Yes),
        ("! -p tcp", web(), No),
        ("-p 17", web(), No),
        ("-p all", web(), Yes),
        ("-f", web(), No),
        ("! -f", web(), Yes),
        // xt_addrtype.c
        ("-m addrtype --dst-type LOCAL", syn("10.0.0.5", 1, "192.168.0.1", 2), Yes),
        ("-m addrtype --dst-type LOCAL", web(), No),
        ("-m addrtype ! --dst-type LOCAL", web(), Yes),
        ("-m addrtype --src-type UNICAST,LOCAL --dst-type UNICAST", web(), Yes),
        ("-m addrtype --dst-type BROADCAST", udp("10.0.0.5", 1, "10.0.0.255", 2), Yes),
        ("-m addrtype --dst-type LOCAL --limit-iface-in", web(), No),
        ("-m addrtype --dst-type LOCAL", v6(web()), Yes),
        ("-m addrtype --dst-type UNICAST", v6(web()), Yes),
        ("-m addrtype --dst-type MULTICAST", v6(web()), No),
        // xt_comment.c
        ("-m comment --comment \"a -j b\"", web(), Yes),
        ("-m comment --comment -j", web(), Yes),
        ("-m nfacct --nfacct-name x", web(), Yes),
        // xt_connmark.c
        ("-m connmark --mark 0x0/0xff", web(), Yes),
        ("-m connmark ! --mark 0x0", web(), No),
        // xt_conntrack.c
        ("-m conntrack --ctstate NEW", web(), Yes),
        ("-m conntrack --ctstate RELATED,ESTABLISHED", web(), No),
        ("-m conntrack ! --ctstate NEW", web(), No),
        ("-m state --state NEW", web(), Yes),
        ("-m conntrack --ctstate INVALID", tcp("10.0.0.5", 1, "10.0.0.6", 2, 0x12), Yes),
        ("-m conntrack --ctstate INVALID", tcp("10.0.0.5", 1, "10.0.0.6", 2, 0x10), No),
        ("-m conntrack --ctstate INVALID", tcp("10.0.0.5", 1, "10.0.0.6", 2, 0x04), Yes),
        ("-m conntrack --ctstate INVALID", tcp("10.0.0.5", 1, "10.0.0.6", 2, 0x01), Yes),
        ("-m conntrack --ctstate INVALID", tcp("10.0.0.5", 1, "10.0.0.6", 2, 0x00), Yes),
        ("-m conntrack --ctstate INVALID", tcp("10.0.0.5", 1, "10.0.0.6", 2, 0x03), Yes),
        ("-m conntrack --ctstate INVALID", icmp("10.0.0.5", "10.0.0.6", 0, 0), Yes),
        ("-m conntrack --ctstate UNTRACKED", icmp("fd00::5", "fd00::6", 135, 0), Yes),
        ("-m conntrack --ctstate DNAT", web(), No),
        ("-m conntrack --ctdir ORIGINAL", web(), Yes),
        ("-m conntrack --ctdir REPLY", web(), No),
        ("-m conntrack --ctproto 6 --ctorigsrc 10.0.0.0/8 --ctorigdst 10.96.0.1", web(), Yes),
        ("-m conntrack --ctreplsrc 10.96.0.1 --ctrepldst 10.0.0.5", web(), Yes),
        ("-m conntrack --ctorigdstport 443 --ctorigsrcport 4000:4010", web(), Yes),
        ("-m conntrack ! --ctorigdstport 443", web(), No),
        ("-m conntrack --ctreplsrcport 443 --ctrepldstport 4000", web(), Yes),
        ("-m conntrack --ctstatus CONFIRMED", web(), No),
        ("-m conntrack --ctstatus NONE", web(), No),
        ("-m conntrack --ctexpire 10", web(), Maybe),
        // xt_devgroup.c
        ("-m devgroup --src-group 0x1", web(), Yes),
        ("-m devgroup --src-group default", web(), No),
        ("-m time --datestop 2038-01-19T03:14:07", web(), Yes),
        ("-m time --datestop 2030-01-19T03:14:07", web(), Maybe),
        ("-m devgroup --src-group 1 ! --dst-group 2/0xff", web(), No),
        // xt_dscp.c
        ("-m dscp --dscp 0x2e", Packet { tos: 0xb8, ..web() }, Yes),
        ("-m dscp --dscp-class AF31", Packet { tos: 26 << 2, ..web() }, Yes),
        ("-m dscp ! --dscp 0x2e", Packet { tos: 0xb8, ..web() }, No),
        ("-m tos --tos 0x10/0x3f", Packet { tos: 0xd0, ..web() }, Yes),
        ("-m tos ! --tos 0x10/0xff", Packet { tos: 0xd0, ..web() }, Yes),
        ("-m tos --tos 0x10/0xff", Packet { tos: 0xd0, ..web() }, No),
        // xt_ecn.c
        ("-p tcp -m ecn --ecn-ip-ect 2", Packet { tos: 2, ..web() }, Yes),
        ("-p tcp -m ecn ! --ecn-tcp-ece", web(), Yes),
        ("-p tcp -m ecn --ecn-tcp-cwr", web(), No),
        // icmp_match, icmp6_match in xt_tcpudp.c
        ("-p icmp -m icmp --icmp-type 8", ping(), Yes),
        ("-p icmp -m icmp --icmp-type 8/0", ping(), Yes),
        ("-p icmp -m icmp --icmp-type 3/3", ping(), No),
        ("-p icmp -m icmp ! --icmp-type 8", ping(), No),
        ("-p icmp -m icmp --icmp-type any", ping(), Yes),
        ("-p icmp -m icmp --icmp-type 255", ping(), Yes),
        ("-p icmp -m icmp --icmp-type echo-request", ping(), Yes),
        ("-p ipv6-icmp -m icmp6 --icmpv6-type 128", icmp("fd00::5", "fd00::6", 128, 0), Yes),
        ("-p ipv6-icmp -m icmp6 --icmpv6-type 135", icmp("fd00::5", "fd00::6", 128, 0), No),
        // xt_iprange.c
        ("-m iprange --src-range 10.0.0.1-10.0.0.9", web(), Yes),
        ("-m iprange ! --src-range 10.0.0.1-10.0.0.9", web(), No),
        ("-m iprange --dst-range fd00::-fd00::ff", v6(web()), Yes),
        // xt_length.c
        ("-m length --length 60", web(), Yes),
        ("-m length --length 61:", web(), No),
        ("-m length ! --length :59", web(), Yes),
        // xt_mark.c
        ("-m mark --mark 0x4000/0x4000", marked(0x4001), Yes),
        ("-m mark --mark 0x4000", marked(0x4001), No),
        ("-m mark ! --mark 0x4000/0x4000", marked(0x1), Yes),
        // xt_multiport.c
        ("-p tcp -m multiport --dports 80,443,8000:9000", web(), Yes),
        ("-p tcp -m multiport ! --dports 80,443", web(), No),
        ("-p tcp -m multiport --sports 80", web(), No),
        ("-p tcp -m multiport --ports 4000", web(), Yes),
        // xt_owner.c: a forwarded packet has no socket
        ("-m owner --uid-owner 0", web(), No),
        ("-m owner ! --uid-owner 0", web(), Yes),
        // xt_physdev.c: not bridged
        ("-m physdev --physdev-in port0", web(), No),
        ("-m physdev ! --physdev-is-in", web(), Yes),
        ("-m physdev --physdev-is-bridged", web(), No),
        // xt_pkttype.c
        ("-m pkttype --pkt-type unicast", web(), Yes),
        ("-m pkttype --pkt-type multicast", udp("10.0.0.5", 1, "224.0.0.1", 2), Yes),
        ("-m pkttype ! --pkt-type broadcast", udp("10.0.0.5", 1, "10.0.0.255", 2), No),
        // xt_sctp.c
        ("-p sctp -m sctp --dport 80", sctp(), Yes),
        ("-p sctp -m sctp ! --sport 5", sctp(), No),
        ("-p sctp -m sctp --chunk-types any INIT", sctp(), Maybe),
        // xt_tcpudp.c
        ("-p tcp -m tcp --dport 443", web(), Yes),
        ("-p tcp -m tcp ! --dport 443", web(), No),
        ("-p tcp -m tcp --sport 4000:5000 --dport 400:500", web(), Yes),
        ("-p tcp -m tcp --syn", web(), Yes),
        ("-p tcp -m tcp ! --syn", tcp("10.0.0.5", 1, "10.0.0.6", 2, 0x10), Yes),
        ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", web(), Yes),
        ("-p tcp -m tcp --tcp-flags ALL NONE", web(), No),
        ("-p tcp -m tcp --tcp-option 2", web(), Maybe),
        ("-p tcp --dport 443", web(), Yes),
        ("-p udp -m udp --dport 53", dns(), Yes),
        ("-p udp -m udp ! --dport 53", dns(), No),
        ("-p udp -m udp --sport 53", dns(), No),
        ("-p udp -m tcp --dport 53", dns(), No),
        // xt_hl.c
        ("-m ttl --ttl-eq 64", web(), Yes),
        ("-m ttl ! --ttl-eq 64", web(), No),
        ("-m ttl --ttl-lt 64", web(), No),
        ("-m ttl --ttl-gt 63", web(), Yes),
        ("-m hl --hl-eq 64", v6(web()), Yes),
        // xt_statistic.c
        ("-m statistic --mode random --probability 0.50000000000", web(), Maybe),
        ("-m statistic --mode nth --every 3 --packet 0", web(), Maybe),
        ("-m statistic --mode random --probability 1.00000000000", web(), Yes),
        ("-m statistic --mode random ! --probability 1.00000000000", web(), No),
        ("-s 9.9.9.9 -m statistic --mode random --probability 0.5", web(), No),
        // What is not understood is never taken for a match or left out.
        ("-m tcp --dport x", web(), Maybe),
        ("-p tcp -m tcp --dport 443 --brand-new", web(), Maybe),
        ("-m novel --thing 1", web(), Maybe),
        ("-m mark --mark 0x1 [unsupported revision]", web(), Maybe),
        ("-s 9.9.9.9 -m novel --thing 1", web(), No),
        ("-s nonsense", web(), Maybe),
        ("--what", web(), Maybe),
    ]
}

fn sctp() -> Packet {
    let transport = skoop_model::Transport::Sctp { sport: 5.into(), dport: 80.into() };
    Packet::new(ip("10.0.0.5"), ip("10.0.0.6"), skoop_model::Protocol::SCTP, transport, 60)
}

#[test]
fn each_match_answers_as_its_kernel_file_says() {
    for (matches, packet, expected) in cases() {
        assert_eq!(judge(matches, &packet), expected, "{matches} on {packet}");
    }
}

/// Cases of all test files, by their text: a match of a name that gives "yes" or "true", and one that gives "no" or "false".
#[test]
fn each_judged_match_is_tested_both_ways() {
    let files = [
        include_str!("tests.rs"),
        include_str!("tests/headers.rs"),
        include_str!("tests/payload.rs"),
        include_str!("tests/state.rs"),
    ];
    let lines: Vec<&str> = files.iter().flat_map(|text| text.lines()).collect();
    // Written without `-m NAME` in the table of their test, under another name, or unable to say no.
    let apart: HashSet<&str> = [
        "set",
        "mac",
        "comment",
        "nfacct",
        "icmpv6",
        "ipv6-icmp",
        "udplite",
        "owner",
        "recent",
        "u32",
        "bpf",
        "string",
        "l2tp",
        "-f",
        "! -f",
        "cluster",
        "cgroup",
        "eui64",
        "rpfilter",
        "socket",
        "time",
    ]
    .into();
    for name in JUDGED.iter().filter(|name| !apart.contains(*name)) {
        let other = match *name {
            "state" => "conntrack",
            "icmp6" => "icmp",
            "hl" => "ttl",
            other => other,
        };
        for answers in [[", Yes)", "true)"], [", No)", "false)"]] {
            let of_name = |line: &str| {
                [*name, other]
                    .iter()
                    .any(|name| line.contains(&format!("-m {name} ")) || line.contains(&format!("-m {name}\"")))
            };
            let tested = lines.iter().any(|line| of_name(line) && answers.iter().any(|answer| line.contains(answer)));
            assert!(tested, "{name} is never {answers:?}");
        }
    }
}

#[test]
fn what_cannot_be_judged_says_why() {
    for (name, reason) in UNJUDGED {
        assert!(!JUDGED.contains(name), "{name} stands in both lists");
        assert!(!reason.is_empty());
        assert_eq!(judge(&format!("-m {name} --whatever 1"), &web()), Maybe, "{name}");
        assert_eq!(judge(&format!("-d 9.9.9.9 -m {name} --whatever 1"), &web()), No, "{name}");
    }
}

#[test]
fn ports_of_a_bridge() {
    let rules = table(
        "filter",
        &[
            "-A FORWARD -m physdev --physdev-in port0 --physdev-out port1 -j MARKED",
            ":MARKED - [0:0]",
            "-A MARKED -m physdev ! --physdev-is-in -j DROP",
            "-A MARKED -m physdev --physdev-is-bridged -m physdev --physdev-in port+ -j DROP",
        ],
    );
    let mut walk = Walk::new(nft_v4(rules));
    walk.bridged = true;
    let result = walk.forward(&mut web());
    let lines: Vec<_> = result.blockers.iter().map(|blocker| blocker.by.text.as_str()).collect();
    assert_eq!(lines, ["-A MARKED -m physdev --physdev-is-bridged -m physdev --physdev-in port+ -j DROP"]);
}

/// xt_mac.c.
#[test]
fn source_mac() {
    let mac: MacAddr = "02:00:00:00:00:01".parse().expect("a MAC address");
    for (rule, known, dropped, forks) in [
        ("-A PREROUTING -m mac --mac-source 02:00:00:00:00:01 -j DROP", Some(mac), true, 0),
        ("-A PREROUTING -m mac ! --mac-source 02:00:00:00:00:01 -j DROP", Some(mac), false, 0),
        ("-A PREROUTING -m mac --mac-source 02:00:00:00:00:01 -j DROP", None, true, 1),
    ] {
        let mut walk = Walk::new(nft_v4(table("raw", &[rule])));
        if let Some(mac) = known {
            walk.state.set_source_mac(mac);
        }
        let mut choices = Forks::first();
        let result = walk.hook(Hook::Prerouting, &mut web(), &mut choices);
        assert_eq!((!result.blockers.is_empty(), choices.choices().len()), (dropped, forks), "{rule}");
    }
}
