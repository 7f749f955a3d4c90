//! Each target, as the kernel file that it follows says.

use skoop_model::{Family, Item, Mark, NetfilterDumps, Packet, Protocol};

use super::{MODELLED, UNMODELLED};
use crate::netfilter::testkit::*;
use crate::netfilter::{Hook, Netfilter, NfEventKind, NfVerdict, RejectWith};
use crate::{Forks, Tri, explore};

fn web() -> Packet {
    syn("10.0.0.5", 4000, "10.96.0.1", 443)
}

/// xt_mark.c: `(mark & !mask) ^ value`, from 0xff.
#[test]
fn marks() {
    for (options, expected) in [
        ("--set-xmark 0x4000/0x4000", 0x40ff),
        ("--set-xmark 0x0/0xf", 0xf0),
        ("--set-xmark 0xf/0x0", 0xf0),
        ("--set-xmark 0x5", 0x5),
        ("--set-mark 0xf00/0xff", 0xf00),
        ("--set-mark 7", 7),
        ("--and-mark 0xf", 0xf),
        ("--or-mark 0x100", 0x1ff),
        ("--xor-mark 0x10f", 0x1f0),
    ] {
        let rules = table("mangle", &[&format!("-A PREROUTING -j MARK {options}")]);
        let mut packet = Packet { mark: Mark(0xff), ..web() };
        let result = Walk::new(nft_v4(rules)).forward(&mut packet);
        assert_eq!(packet.mark, Mark(expected), "{options}");
        assert_eq!(result.events.len(), 1);
    }
}

/// xt_connmark.c: set, saved and restored under masks.
#[test]
fn connection_marks() {
    let rules = table(
        "mangle",
        &[
            "-A PREROUTING -m connmark ! --mark 0x0 -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xf0",
            "-A FORWARD -m connmark --mark 0x0 -j CONNMARK --set-xmark 0xabc/0xffffffff",
            "-A POSTROUTING -m mark --mark 0x7 -j CONNMARK --save-mark --nfmask 0xf --ctmask 0xff",
        ],
    );
    let mut walk = Walk::new(nft_v4(rules));
    let mut packet = Packet { mark: Mark(7), ..web() };
    walk.forward(&mut packet);
    assert_eq!(packet.mark, Mark(7));
    let mut reply = packet.reply();
    walk.forward(&mut reply);
    // 0xabc & !0xff ^ 7 = 0xa07; restored: 0 & !0xff ^ (0xa07 & 0xf0) = 0.
    assert_eq!(reply.mark, Mark(0));
    let (connection, ..) = walk.conntrack.of_packet(&walk.state).expect("a flow");
    assert_eq!(connection.mark, Mark(0xa07));
}

/// ipt_REJECT.c, ip6t_REJECT.c.
#[test]
fn rejects() {
    for (options, family, expected) in [
        ("", Family::V4, RejectWith::Icmp { kind: 3, code: 3 }),
        (" --reject-with icmp-host-prohibited", Family::V4, RejectWith::Icmp { kind: 3, code: 10 }),
        (" --reject-with tcp-reset", Family::V4, RejectWith::TcpReset),
        ("", Family::V6, RejectWith::Icmp { kind: 1, code: 4 }),
        (" --reject-with icmp6-adm-prohibited", Family::V6, RejectWith::Icmp { kind: 1, code: 1 }),
    ] {
        let item = Item::known(0, table("filter", &[&format!("-A FORWARD -p tcp -j REJECT{options}")]));
        let (dumps, mut packet) = match family {
            Family::V4 => (NetfilterDumps { legacy_v4: item, ..no_rules() }, web()),
            Family::V6 => (NetfilterDumps { legacy_v6: item, ..no_rules() }, syn("fd00::5", 1, "fd00::6", 2)),
        };
        let result = Walk::new(Netfilter::compile(&dumps)).forward(&mut packet);
        let verdicts: Vec<_> = result.blockers.iter().map(|blocker| blocker.verdict).collect();
        assert_eq!(verdicts, [NfVerdict::Reject(expected)], "{options} {family}");
        assert_ne!(expected.name(family), "an ICMP error");
    }
}

/// Destination after PREROUTING (xt_nat.c, nf_nat_redirect.c, xt_NETMAP.c).
#[test]
fn destinations() {
    for (target, address, port) in [
        ("DNAT --to-destination 10.244.1.2:8443", "10.244.1.2", 8443),
        ("DNAT --to-destination 10.244.1.2", "10.244.1.2", 443),
        ("DNAT --to-destination :8443", "10.96.0.1", 8443),
        ("DNAT --to-destination 10.244.1.2:400-500", "10.244.1.2", 443),
        ("DNAT --to-destination 10.244.1.2:8000-8001", "10.244.1.2", 8000),
        ("DNAT --to-destination 10.244.1.2:8000-8100/440", "10.244.1.2", 8003),
        ("DNAT --to-destination 10.244.1.2:8443 --random --persistent", "10.244.1.2", 8443),
        ("REDIRECT --to-ports 15001", "192.168.0.1", 15001),
        ("REDIRECT", "192.168.0.1", 443),
        ("NETMAP --to 172.16.0.0/12", "172.16.0.1", 443),
    ] {
        let rules = table("nat", &[&format!("-A PREROUTING -p tcp -j {target}")]);
        let mut packet = web();
        let mut walk = Walk::new(nft_v4(rules));
        let result = walk.forward(&mut packet);
        assert_eq!((packet.dst, packet.dport()), (ip(address), Some(port.into())), "{target}");
        assert_eq!(result.events.first().map(|event| event.kind), Some(NfEventKind::DestinationNat));
        let mut reply = packet.reply();
        walk.forward(&mut reply);
        assert_eq!(reply, web().reply(), "{target}");
    }
}

/// Source after POSTROUTING (xt_nat.c, nf_nat_masquerade.c).
#[test]
fn sources() {
    for (target, address, port, random) in [
        ("SNAT --to-source 192.168.0.9", "192.168.0.9", 4000, false),
        ("SNAT --to-source 192.168.0.9:4000-4010", "192.168.0.9", 4000, false),
        ("SNAT --to-source 192.168.0.9:5000-5010", "192.168.0.9", 5000, true),
        ("SNAT --to-source 192.168.0.9 --random-fully", "192.168.0.9", 4000, true),
        ("MASQUERADE", MASQUERADE, 4000, false),
        ("MASQUERADE --random-fully", MASQUERADE, 4000, true),
        ("MASQUERADE --to-ports 7000", MASQUERADE, 7000, false),
        ("NETMAP --to 172.16.0.0/16", "172.16.0.5", 4000, false),
    ] {
        let rules = table("nat", &[&format!("-A POSTROUTING -p tcp -j {target}")]);
        let mut packet = web();
        let mut walk = Walk::new(nft_v4(rules));
        let result = walk.forward(&mut packet);
        assert_eq!((packet.src, packet.sport()), (ip(address), Some(port.into())), "{target}");
        let kinds: Vec<_> = result.events.iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [NfEventKind::SourceNat { random_port: random }], "{target}");
        let mut reply = packet.reply();
        walk.forward(&mut reply);
        assert_eq!(reply, web().reply(), "{target}");
    }
}

/// `in_range`, nf_nat_core.c: a source that fits stays.
#[test]
fn a_source_in_the_range_stays() {
    let rules = table("nat", &["-A POSTROUTING -j SNAT --to-source 10.0.0.1-10.0.0.9"]);
    let mut packet = web();
    let result = Walk::new(nft_v4(rules)).forward(&mut packet);
    assert_eq!((packet, result.events.len()), (web(), 0));
    let rules = table("nat", &["-A POSTROUTING -j SNAT --to-source 10.0.0.1-10.0.0.9 --random"]);
    let result = Walk::new(nft_v4(rules)).forward(&mut web());
    let kinds: Vec<_> = result.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [NfEventKind::SourceNat { random_port: true }], "but its port is drawn");
}

/// `find_best_ips_proto`, nf_nat_core.c: a hash over the addresses chooses, the same one every time.
#[test]
fn of_several_addresses_a_hash_takes_one() {
    for (options, chosen) in [("", "10.244.1.9"), (" --persistent", "10.244.1.36")] {
        let target = format!("DNAT --to-destination 10.244.1.2-10.244.1.40{options}");
        let rules = nft_v4(table("nat", &[&format!("-A PREROUTING -j {target}")]));
        let (ways, _) = explore(9, |forks| {
            let mut packet = web();
            Walk::new(rules.clone()).hooks(&FORWARDED, &mut packet, forks);
            packet.dst
        });
        assert_eq!(ways.iter().map(|way| way.value).collect::<Vec<_>>(), [ip(chosen)]);
    }
}

/// `nf_nat_l4proto_unique_tuple`: a destination port that is not in the range is drawn from it.
#[test]
fn destination_ports_are_drawn() {
    let rules = nft_v4(table("nat", &["-A PREROUTING -p tcp -j DNAT --to-destination 10.244.1.2:8000-8002"]));
    let (ways, _) = explore(9, |forks| {
        let mut packet = web();
        Walk::new(rules.clone()).hooks(&FORWARDED, &mut packet, forks);
        packet.dport()
    });
    assert_eq!(ways.iter().map(|way| way.value).collect::<Vec<_>>(), [8000, 8001, 8002].map(|port| Some(port.into())));
}

/// nf_nat_masquerade.c: "ate my IP address".
#[test]
fn masquerade_without_an_address_drops() {
    let mut walk = Walk::new(nft_v4(table("nat", &["-A POSTROUTING -j MASQUERADE"])));
    walk.env.no_address = true;
    let result = walk.forward(&mut web());
    let [blocker] = result.blockers.as_slice() else { panic!("{result:?}") };
    assert_eq!(blocker.verdict, NfVerdict::Drop);
    assert_eq!(blocker.describe(), "dropped: the device has no address to masquerade with");
}

/// nf_nat_redirect.c: what is sent from here goes to the loopback address, and is routed anew.
#[test]
fn redirect_of_what_is_sent() {
    let mut walk = Walk::new(nft_v4(table("nat", &["-A OUTPUT -p tcp -j REDIRECT --to-ports 15001"])));
    let mut packet = web();
    let result = walk.hooks(&SENT, &mut packet, &mut Forks::first());
    assert_eq!((packet.dst, packet.dport()), (ip("127.0.0.1"), Some(15001.into())));
    assert!(result.reroute);
}

/// xt_CT.c: rules see UNTRACKED, nat sees nothing.
#[test]
fn notrack() {
    for target in ["NOTRACK", "CT --notrack"] {
        let text = table("raw", &[&format!("-A PREROUTING -j {target}")])
            + &table("nat", &["-A PREROUTING -j DNAT --to-destination 10.244.1.2"])
            + &table("filter", &["-A FORWARD -m conntrack --ctstate UNTRACKED -j DROP"]);
        let mut packet = web();
        let result = Walk::new(nft_v4(text)).forward(&mut packet);
        assert_eq!((packet, result.blockers.len()), (web(), 1), "{target}");
        assert_eq!(result.events.first().map(|event| event.kind), Some(NfEventKind::NoTrack));
    }
}

/// xt_CT.c: flows of different zones are different.
#[test]
fn zones() {
    let text = table("raw", &["-A PREROUTING -s 10.0.0.0/8 -j CT --zone 5"])
        + &table("filter", &["-A FORWARD -m conntrack --ctstate ESTABLISHED -j DROP"]);
    let mut walk = Walk::new(nft_v4(text));
    assert_eq!(walk.forward(&mut web()).blockers.len(), 0);
    assert_eq!(walk.forward(&mut syn("172.16.0.1", 443, "10.0.0.5", 4000)).blockers.len(), 0);
    // The answer comes from 10.96.0.1, so it is in the zone; another source is not.
    assert_eq!(walk.forward(&mut web().reply()).blockers.len(), 1);
}

/// xt_connmark.c, `connmark_tg_shift`: from packet mark 0x1234 and flow mark 0xab.
#[test]
fn connection_marks_are_shifted() {
    for (options, packet_mark, flow_mark) in [
        ("--set-xmark 0x1/0xff --left-shift-mark 3", 0x1234, 0x8),
        ("--set-xmark 0x80/0xff --right-shift-mark 4", 0x1234, 0x8),
        ("--save-mark --nfmask 0xff00 --ctmask 0xf --right-shift-mark 8", 0x1234, 0xb2),
        ("--restore-mark --nfmask 0xff --ctmask 0xf0 --left-shift-mark 4", 0x1800, 0xab),
        ("--restore-mark", 0xab, 0xab),
        ("--and-mark 0xf", 0x1234, 0xb),
        ("--or-mark 0x100", 0x1234, 0x1ab),
        ("--xor-mark 0xff", 0x1234, 0x54),
    ] {
        let rules = ["-A PREROUTING -j CONNMARK --set-mark 0xab", &format!("-A FORWARD -j CONNMARK {options}")];
        let mut walk = Walk::new(nft_v4(table("mangle", &rules)));
        let mut packet = Packet { mark: Mark(0x1234), ..web() };
        walk.forward(&mut packet);
        let (connection, ..) = walk.conntrack.of_packet(&walk.state).expect("a flow");
        // Restored bits that lie outside the mask flip those of the packet.
        assert_eq!((packet.mark.0, connection.mark.0), (packet_mark, flow_mark), "{options}");
    }
}

/// xt_HMARK.c: the marks that Linux 6.18 gave packets of 10.0.0.5 and fd00:0:0:5::5, port 4000.
#[test]
fn hash_marks() {
    let v4 = "--hmark-src-prefix 32 --hmark-dst-prefix 32";
    let v6 = "--hmark-src-prefix 128 --hmark-dst-prefix 128";
    let ports = "--hmark-sport-mask 0xffff --hmark-dport-mask 0xffff --hmark-proto-mask 0xffff";
    for (port, options, marks) in [
        (1001, format!("{ports} --hmark-rnd 0xfeedcafe --hmark-mod 1000 --hmark-offset 10"), [423, 959]),
        (1002, "--hmark-rnd 0x00000005 --hmark-mod 65535".to_owned(), [20257, 32854]),
        (1003, format!("{ports} --hmark-rnd 0xfeedcafe --hmark-mod 100 --hmark-tuple ct"), [44, 78]),
        (
            1006,
            "--hmark-spi-mask 0xffffffff --hmark-proto-mask 0xffff --hmark-rnd 1 --hmark-mod 100000".to_owned(),
            [66890, 21386],
        ),
    ] {
        let v4 = ("10.0.0.5", "10.96.0.1", format!("{v4} {options}"), marks[0]);
        let v6 = ("fd00:0:0:5::5", "fd96::1", format!("{v6} {options}"), marks[1]);
        for (src, dst, options, mark) in [v4, v6] {
            assert_eq!(hash_mark(src, dst, port, &options), mark, "{src} {options}");
        }
    }
    let masked = "--hmark-src-prefix 24 --hmark-dst-prefix 8 --hmark-sport-mask 0xff00 --hmark-dport-mask 0x0000 \
                  --hmark-proto-mask 0xff --hmark-rnd 0x00000001 --hmark-mod 1000";
    assert_eq!(hash_mark("10.0.0.6", "10.96.0.1", 1004, masked), 862);
    let source =
        "--hmark-src-prefix 32 --hmark-sport-mask 0xffff --hmark-sport 0x0011 --hmark-rnd 1 --hmark-mod 100000";
    assert_eq!(hash_mark("10.0.0.5", "10.96.0.1", 1005, source), 94048);
}

fn hash_mark(src: &str, dst: &str, port: u16, options: &str) -> u32 {
    let mut packet = udp(src, 4000, dst, port);
    let rules = Item::known(0, table("mangle", &[&format!("-A FORWARD -j HMARK {options}")]));
    let dumps = match packet.family() {
        Family::V4 => NetfilterDumps { nft_v4: rules, ..no_rules() },
        Family::V6 => NetfilterDumps { nft_v6: rules, ..no_rules() },
    };
    Walk::new(Netfilter::compile(&dumps)).forward(&mut packet);
    packet.mark.0
}

/// ip6t_NPT.c: the sources that Linux 6.18 sent with.
#[test]
fn prefixes_are_translated() {
    for (chain, target, src, dst) in [
        (
            "POSTROUTING",
            "SNPT --src-pfx fd00:0:0:5::/64 --dst-pfx 2001:db8:7:9::/64",
            "2001:db8:7:9:cf3c::5",
            "fd96::1",
        ),
        ("POSTROUTING", "SNPT --src-pfx fd00:0:0:5::/64 --dst-pfx 2001:db8:7::/48", "2001:db8:7:0:cf45::5", "fd96::1"),
        (
            "PREROUTING",
            "DNPT --src-pfx 2001:db8:7:9::/64 --dst-pfx fd00:0:0:5::/64",
            "fd00:0:0:5::5",
            "fd00:0:0:5:30c3::1",
        ),
    ] {
        let mut packet = udp("fd00:0:0:5::5", 4000, "fd96::1", 2001);
        let rules = Item::known(0, table("mangle", &[&format!("-A {chain} -j {target}")]));
        let dumps = NetfilterDumps { nft_v6: rules, ..no_rules() };
        Walk::new(Netfilter::compile(&dumps)).forward(&mut packet);
        assert_eq!((packet.src, packet.dst), (ip(src), ip(dst)), "{target}");
    }
}

/// xt_TPROXY.c: a transparent socket takes the packet, or it is dropped.
#[test]
fn tproxy_hands_over_to_a_socket() {
    let rules = nft_v4(table("mangle", &["-A PREROUTING -p tcp -j TPROXY --on-port 15001 --tproxy-mark 0x1/0xff"]));
    for (listens, dropped, mark, socket) in [
        (Tri::Yes, false, 0x101, Some("192.168.0.1:15001")),
        (Tri::No, true, 0x1ff, None),
        (Tri::Maybe, false, 0x101, Some("192.168.0.1:15001")),
    ] {
        let mut walk = Walk::new(rules.clone());
        walk.env.transparent = Some(listens);
        let mut packet = Packet { mark: Mark(0x1ff), ..web() };
        let mut forks = Forks::first();
        let result = walk.hooks(&[Hook::Prerouting], &mut packet, &mut forks);
        assert_eq!((result.blockers.len(), packet.mark.0), (usize::from(dropped), mark), "{listens:?}");
        assert_eq!(result.tproxy, socket.map(|socket| socket.parse().expect("an address")));
        assert_eq!(walk.state.tproxy(), result.tproxy);
        assert_eq!(forks.choices().len(), usize::from(listens == Tri::Maybe));
    }
}

/// xt_TEE.c, nf_dup_ipv4.c: the packet itself goes on.
#[test]
fn copies_are_noted() {
    let mut walk = Walk::new(nft_v4(table("mangle", &["-A PREROUTING -j TEE --gateway 10.0.0.9 --oif eth0"])));
    let result = walk.forward(&mut web());
    assert_eq!(result.events.first().map(|event| event.kind), Some(NfEventKind::Copied(ip("10.0.0.9"))));
    assert_eq!(result.blockers, []);
}

/// nf_reject_ipv4.c, nf_reject_ipv6.c, `icmp_send`: what is dropped without an answer.
#[test]
fn not_everything_is_answered() {
    let reset = tcp("10.0.0.5", 4000, "10.96.0.1", 443, 0x04);
    let mut fragment = udp("10.0.0.5", 4000, "10.96.0.1", 53);
    let second = Some(skoop_model::Fragment { offset_bytes: 1480, more: false });
    fragment.details = Some(Box::new(skoop_model::Details { fragment: second, ..skoop_model::Details::default() }));
    let nothing = skoop_model::Transport::Other;
    let other = Packet::new(ip("10.0.0.5"), ip("10.96.0.1"), Protocol(200), nothing, 60);
    for (packet, options, answered) in [
        (web(), "--reject-with tcp-reset", true),
        (reset.clone(), "--reject-with tcp-reset", false),
        (reset, "", true),
        (udp("10.0.0.5", 4000, "10.96.0.1", 53), "", true),
        (fragment, "", false),
        // What gets as far as FORWARD has a route to one host, or none of its own.
        (udp("10.0.0.5", 4000, "10.0.0.255", 53), "", true),
        (udp("0.0.0.0", 68, "10.96.0.1", 67), "", false),
        (icmp("10.0.0.5", "10.96.0.1", 8, 0), "", true),
        (icmp("10.0.0.5", "10.96.0.1", 3, 1), "", false),
        (Packet { protocol: Protocol(89), ..other.clone() }, "", true),
        (other, "", false),
    ] {
        let rules = nft_v4(table("filter", &[&format!("-A FORWARD -j REJECT {options}")]));
        let result = Walk::new(rules).forward(&mut packet.clone());
        let [blocker] = result.blockers.as_slice() else { panic!("{result:?}") };
        assert_eq!(matches!(blocker.verdict, NfVerdict::Reject(_)), answered, "{packet} {options}");
        assert_eq!(blocker.because.is_none(), answered);
    }
}

/// xt_CT.c: zones of one direction, zones of the mark, and that the first rule counts.
#[test]
fn zones_of_a_direction() {
    let state = table("filter", &["-A FORWARD -m conntrack --ctstate ESTABLISHED -j DROP"]);
    let answer = |rules: &[&str]| {
        let mut walk = Walk::new(nft_v4(table("raw", rules) + &state));
        walk.forward(&mut Packet { mark: Mark(5), ..web() });
        walk.forward(&mut web().reply()).blockers.len()
    };
    // The answer comes in without any zone.
    assert_eq!(answer(&["-A PREROUTING -s 10.0.0.5/32 -j CT --zone 5"]), 0);
    assert_eq!(answer(&["-A PREROUTING -s 10.0.0.5/32 -j CT --zone-orig 5"]), 1);
    assert_eq!(answer(&["-A PREROUTING -s 10.0.0.5/32 -j CT --zone-reply 5"]), 0);
    assert_eq!(answer(&["-A PREROUTING -s 10.0.0.5/32 -j CT --zone mark", "-A PREROUTING -j CT --zone 5"]), 1);
    assert_eq!(answer(&["-A PREROUTING -s 10.0.0.5/32 -j CT --zone 0", "-A PREROUTING -j CT --zone 5"]), 0);
    assert_eq!(answer(&["-A PREROUTING -s 10.0.0.5/32 -j CT --zone 5", "-A PREROUTING -j NOTRACK"]), 0);
}

/// ipt_ECN.c.
#[test]
fn congestion_bits() {
    for (options, flags, tos) in
        [("--ecn-tcp-remove", 0x02, 1), ("--ecn-tcp-cwr 1 --ecn-tcp-ece 0", 0x82, 1), ("--ecn-ip-ect 2", 0xc2, 2)]
    {
        let mut packet = Packet { tos: 1, ..tcp("10.0.0.5", 4000, "10.96.0.1", 443, 0xc2) };
        Walk::new(nft_v4(table("mangle", &[&format!("-A FORWARD -p tcp -j ECN {options}")]))).forward(&mut packet);
        assert_eq!((packet.tcp_flags().map(|flags| flags.0), packet.tos), (Some(flags), tos), "{options}");
    }
}

/// xt_TCPMSS.c, xt_TCPOPTSTRIP.c: options as bytes, before and after; none is unknown.
#[test]
fn tcp_options() {
    for (target, before, after, longer) in [
        ("TCPMSS --set-mss 1000", Some("020405b4"), Some("020403e8"), 0),
        ("TCPMSS --set-mss 1460", Some("020403e8"), Some("020403e8"), 0),
        ("TCPMSS --set-mss 1460", Some("01010402"), Some("0204021801010402"), 4),
        ("TCPMSS --set-mss 1460", None, None, 0),
        ("TCPMSS --clamp-mss-to-pmtu", Some("020405b4"), None, 0),
        ("TCPOPTSTRIP --strip-options timestamp,4", Some("020405b404020101"), Some("020405b401010101"), 0),
    ] {
        let details = |text: Option<&str>| skoop_model::Details {
            tcp_options: text.and_then(skoop_model::Bytes::parse),
            ..skoop_model::Details::default()
        };
        let size = before.map_or(20, |text: &str| text.len() / 2);
        let mut packet = web();
        packet.length_bytes = 40 + u32::try_from(size).expect("short");
        packet.details = Some(Box::new(details(before)));
        let rule = format!("-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j {target}");
        Walk::new(nft_v4(table("mangle", &[&rule]))).forward(&mut packet);
        assert_eq!(packet.details.as_deref(), Some(&details(after)), "{target}");
        assert_eq!(packet.length_bytes, 40 + u32::try_from(size).expect("short") + longer, "{target}");
    }
}

/// xt_DSCP.c, xt_HL.c.
#[test]
fn header_fields() {
    for (target, tos, ttl) in [
        ("TOS --set-tos 0x10/0xff", 0x10, 64),
        ("TOS --set-tos 0x10/0x3f", 0xd0, 64),
        ("TOS --or-tos 0x02", 0xca, 64),
        ("TOS --and-tos 0x0f", 0x08, 64),
        ("DSCP --set-dscp 0x2e", 0xb8, 64),
        ("DSCP --set-dscp-class CS1", 0x20, 64),
        ("TTL --ttl-set 5", 0xc8, 5),
        ("TTL --ttl-dec 1", 0xc8, 63),
        ("TTL --ttl-inc 250", 0xc8, 255),
    ] {
        let mut packet = Packet { tos: 0xc8, ..web() };
        let result = Walk::new(nft_v4(table("mangle", &[&format!("-A FORWARD -j {target}")]))).forward(&mut packet);
        assert_eq!((packet.tos, packet.ttl), (tos, ttl), "{target}");
        assert_eq!(result.events.first().map(|event| event.kind), Some(NfEventKind::Header), "{target}");
    }
}

#[test]
fn targets_that_change_nothing_ask_nothing() {
    for target in
        ["LOG --log-prefix \"-j DROP\"", "NFLOG", "TRACE", "SET --add-set seen src", "CHECKSUM --checksum-fill"]
    {
        let rule = format!("-A FORWARD -m limit --limit 3/min -j {target}");
        assert_eq!(stops(&nft_v4(table("filter", &[&rule])), &web(), &FORWARDED), Tri::No);
        let mut forks = Forks::first();
        Walk::new(nft_v4(table("filter", &[&rule]))).hooks(&FORWARDED, &mut web(), &mut forks);
        assert_eq!(forks.choices(), [], "{target}");
    }
}

#[test]
fn an_unknown_target_is_an_unknown() {
    let known = UNMODELLED.iter().map(|(name, ..)| *name);
    for name in known.chain(["NOVEL", "MARK --brand-new 1", "REJECT --reject-with nonsense"]) {
        assert!(!MODELLED.contains(&name));
        let rules = nft_v4(table("mangle", &[&format!("-A FORWARD -j {name}")]));
        assert_eq!(rules.problems().len(), 1, "{name}");
        assert_eq!(stops(&rules, &web(), &FORWARDED), Tri::Maybe, "{name}");
    }
}

/// A program that accepts ends the base chain (NF_ACCEPT), so that the DROP behind is not met.
#[test]
fn a_queue_ends_its_chain() {
    let rules = nft_v4(table("filter", &["-A FORWARD -j NFQUEUE --queue-num 1", "-A FORWARD -j DROP"]));
    let (ways, _) = explore(9, |forks| {
        let result = Walk::new(rules.clone()).hooks(&[Hook::Forward], &mut web(), forks);
        result.blockers.into_iter().map(|blocker| blocker.by.line).collect::<Vec<_>>()
    });
    assert_eq!(ways.into_iter().map(|way| way.value).collect::<Vec<_>>(), [vec![], vec![5]]);
}
