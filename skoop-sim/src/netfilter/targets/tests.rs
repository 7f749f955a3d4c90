//! Each target, as the kernel file that it follows says.

use skoop_model::{Family, Item, Mark, NetfilterDumps, Packet};

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
        ["LOG --log-prefix \"-j DROP\"", "NFLOG", "TRACE", "TCPMSS --clamp-mss-to-pmtu", "CHECKSUM --checksum-fill"]
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
