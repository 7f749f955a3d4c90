//! Flows, NAT and replies, as `net/netfilter/nf_conntrack_core.c` and nf_nat_core.c have them.

use skoop_model::{
    ConntrackEntry, ConntrackStatus, ConntrackTable, ConntrackTuple, Details, Mark, Packet, Protocol, SctpChunk,
    Transport,
};

use super::{Assumed, Conntrack, Tracking};
use crate::netfilter::testkit::*;
use crate::netfilter::{Hook, Netfilter, NfEventKind};
use crate::{Forks, explore};

fn web() -> Packet {
    syn("10.0.0.5", 4000, "10.96.0.1", 443)
}

const DNAT: &str = "-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j DNAT --to-destination 10.244.1.2:8443";
const MASQUERADE_ALL: &str = "-A POSTROUTING -j MASQUERADE";

#[test]
fn states_of_a_flow() {
    let state = |packet: &Packet, walk: &mut Walk| -> Vec<usize> {
        walk.forward(&mut packet.clone()).blockers.iter().map(|blocker| blocker.by.line).collect()
    };
    let rules = table(
        "filter",
        &[
            "-A FORWARD -m conntrack --ctstate NEW -j DROP",
            "-A FORWARD -m conntrack --ctstate ESTABLISHED --ctdir REPLY -j DROP",
            "-A FORWARD -m conntrack --ctstate ESTABLISHED -j DROP",
            "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
            "-A FORWARD -m conntrack --ctstate RELATED -j DROP",
        ],
    );
    let mut walk = Walk::new(nft_v4(rules));
    let (new, reply, established, invalid, related) = (vec![5], vec![6], vec![7], vec![8], vec![9]);
    assert_eq!(state(&web(), &mut walk), new);
    // Until a reply was seen the flow stays NEW.
    assert_eq!(state(&web(), &mut walk), new);
    assert_eq!(state(&web().reply(), &mut walk), reply);
    assert_eq!(state(&tcp("10.0.0.5", 4000, "10.96.0.1", 443, 0x10), &mut walk), established);
    // Of another flow.
    assert_eq!(state(&tcp("10.0.0.5", 4001, "10.96.0.1", 443, 0x12), &mut walk), invalid);
    // Host unreachable, to the sender.
    assert_eq!(state(&error("192.168.0.7", "10.0.0.5", 3, web()), &mut walk), related);
    assert_eq!(state(&icmp("192.168.0.7", "10.0.0.9", 3, 1), &mut walk), invalid);
    assert_eq!(state(&icmp("10.0.0.5", "10.0.0.6", 8, 0), &mut walk), new);
    assert_eq!(state(&icmp("10.0.0.6", "10.0.0.5", 0, 0), &mut walk), reply);
}

#[test]
fn nat_is_decided_by_the_first_packet_and_undone_for_replies() {
    let mut walk = Walk::new(nft_v4(table("nat", &[DNAT, MASQUERADE_ALL])));
    let mut first = web();
    let kinds = |events: Vec<crate::NfEvent>| events.into_iter().map(|event| event.kind).collect::<Vec<_>>();
    let events = walk.forward(&mut first).events;
    assert_eq!(kinds(events), [NfEventKind::DestinationNat, NfEventKind::SourceNat { random_port: false }]);
    assert_eq!(first, syn(MASQUERADE, 4000, "10.244.1.2", 8443));
    let mut reply = first.reply();
    let events = walk.forward(&mut reply).events;
    assert_eq!(reply, web().reply());
    assert!(events.iter().all(|event| event.kind == NfEventKind::NatReverse));
    let by: Vec<_> = events.iter().map(|event| event.by.as_ref().map(|rule| rule.text.clone())).collect();
    assert_eq!(by, [Some(MASQUERADE_ALL.to_owned()), Some(DNAT.to_owned())]);
    let mut third = tcp("10.0.0.5", 4000, "10.96.0.1", 443, 0x10);
    assert_eq!(kinds(walk.forward(&mut third).events), [NfEventKind::NatAgain; 2]);
    assert_eq!(third, tcp(MASQUERADE, 4000, "10.244.1.2", 8443, 0x10));
}

/// `nf_nat_alloc_null_binding`: a flow that no rule wanted is not translated later either.
#[test]
fn no_change_is_a_decision_too() {
    let text = table("nat", &["-A POSTROUTING -m mark --mark 0x1 -j MASQUERADE"]);
    let mut walk = Walk::new(nft_v4(text));
    walk.forward(&mut web());
    let mut second = Packet { mark: skoop_model::Mark(1), ..web() };
    assert_eq!(walk.forward(&mut second).events, []);
}

#[test]
fn an_unconfirmed_flow_is_not_found() {
    let rules = nft_v4(table("nat", &[DNAT]));
    let mut walk = Walk::new(rules);
    let mut first = web();
    walk.hooks(&[Hook::Prerouting], &mut first, &mut Forks::first());
    // It never came to the end, so its answer belongs to nothing.
    let mut reply = first.reply();
    walk.forward(&mut reply);
    assert_eq!(reply, first.reply());
}

/// The answer of this host to a DNATed flow is translated at OUTPUT and POSTROUTING.
#[test]
fn a_delivered_flow_is_answered_from_here() {
    let rules = table(
        "nat",
        &["-A PREROUTING -p tcp -j REDIRECT --to-ports 8443", "-A INPUT -j SNAT --to-source 192.168.0.77"],
    );
    let mut walk = Walk::new(nft_v4(rules));
    let mut packet = web();
    walk.hooks(&DELIVERED, &mut packet, &mut Forks::first());
    assert_eq!(packet, syn("192.168.0.77", 4000, "192.168.0.1", 8443));
    let mut reply = packet.reply();
    let result = walk.hooks(&SENT, &mut reply, &mut Forks::first());
    assert_eq!(reply, web().reply());
    assert!(result.reroute);
}

/// `nf_nat_used_tuple`: of two flows that would look alike behind the masquerade, the second takes another port.
#[test]
fn a_clash_changes_the_port() {
    let mut walk = Walk::new(nft_v4(table("nat", &[MASQUERADE_ALL])));
    let mut first = syn("10.0.0.5", 4000, "8.8.8.8", 443);
    let mut second = syn("10.0.0.6", 4000, "8.8.8.8", 443);
    walk.forward(&mut first);
    let result = walk.forward(&mut second);
    assert_eq!(first.sport(), Some(4000.into()));
    assert_ne!(second.sport(), Some(4000.into()));
    let kind = result.events.first().map(|event| event.kind);
    assert_eq!(kind, Some(NfEventKind::SourceNat { random_port: true }));
    let mut reply = second.reply();
    walk.forward(&mut reply);
    assert_eq!(reply, syn("10.0.0.6", 4000, "8.8.8.8", 443).reply());
}

/// An ICMP error that cites `cited`.
/// `nf_conntrack_tuple_taken`: the same addresses and ports in another zone are another flow.
#[test]
fn a_zone_of_one_direction_clashes_with_none() {
    let rules = table("raw", &["-A PREROUTING -m mark --mark 1 -j CT --zone-orig 6"]);
    let mut walk = Walk::new(nft_v4(rules + &table("nat", &[])));
    walk.forward(&mut Packet { mark: Mark(1), ..web() });
    let result = walk.forward(&mut web());
    let kinds: Vec<_> = result.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [NfEventKind::SourceNat { random_port: true }]);
}

fn error(src: &str, dst: &str, kind: u8, cited: Packet) -> Packet {
    let details = Details { cited: Some(cited), ..Details::default() };
    Packet { details: Some(Box::new(details)), ..icmp(src, dst, kind, 0) }
}

fn cited(error: &Packet) -> Option<&Packet> {
    error.details.as_ref()?.cited.as_ref()
}

/// An ICMP error about a translated flow comes from the address that was asked, and cites the packet as its sender made it
/// (`nf_nat_icmp_reply_translation`); in the other direction it cites what the receiver sent.
#[test]
fn errors_are_translated_back() {
    let rules = nft_v4(table("nat", &[DNAT, MASQUERADE_ALL]));
    let mut walk = Walk::new(rules.clone());
    let mut translated = web();
    walk.forward(&mut translated);
    let mut back = error("10.244.1.1", MASQUERADE, 11, translated.clone());
    walk.forward(&mut back);
    assert_eq!((back.src, back.dst, cited(&back)), (ip("10.96.0.1"), ip("10.0.0.5"), Some(&web())));
    // Of the client, about the answer that it was sent.
    let mut forth = error("10.0.0.5", "10.96.0.1", 3, web().reply());
    walk.forward(&mut forth);
    assert_eq!((forth.src, forth.dst), (ip(MASQUERADE), ip("10.244.1.2")));
    assert_eq!(cited(&forth), Some(&translated.reply()));
    // "An ICMP redirect about a translated flow is never passed on."
    let redirect = walk.forward(&mut error("10.244.1.1", MASQUERADE, 5, translated));
    assert!(redirect.blockers.first().is_some_and(|blocker| blocker.describe().contains("redirect")), "{redirect:?}");
}

/// `nf_conntrack_inet_error`: the flow is that of the cited packet, and the error has to go where that came from.
#[test]
fn errors_belong_to_the_flow_that_they_cite() {
    let related = nft_v4(table("filter", &["-A FORWARD -m conntrack --ctstate RELATED -j DROP"]));
    let echo = icmp("10.0.0.5", "10.96.0.1", 8, 0);
    for (about, to, expected) in [
        (web(), "10.0.0.5", 1),
        (web(), "10.0.0.6", 0),
        (syn("10.0.0.5", 4001, "10.96.0.1", 443), "10.0.0.5", 0),
        (web().reply(), "10.96.0.1", 1),
        (echo.clone(), "10.0.0.5", 1),
        (icmp("10.0.0.5", "10.96.0.1", 3, 1), "10.0.0.5", 0),
    ] {
        let mut walk = Walk::new(related.clone());
        walk.forward(&mut web());
        walk.forward(&mut echo.clone());
        let mut forks = Forks::first();
        let result = walk.hooks(&FORWARDED, &mut error("192.168.0.7", to, 3, about.clone()), &mut forks);
        assert_eq!((result.blockers.len(), forks.choices()), (expected, [].as_slice()), "{about} to {to}");
    }
    // What it cites is not known: perhaps it is about the flow, perhaps not.
    let (ways, _) = explore(9, |forks| {
        let mut walk = Walk::new(related.clone());
        walk.forward(&mut web());
        walk.hooks(&FORWARDED, &mut icmp("192.168.0.7", "10.0.0.5", 3, 1), forks).blockers.len()
    });
    assert_eq!(ways.into_iter().map(|way| way.value).collect::<Vec<_>>(), [1, 0]);
}

fn entry(
    protocol: Protocol,
    original: [(&str, u16); 2],
    reply: [(&str, u16); 2],
    status: ConntrackStatus,
) -> ConntrackEntry {
    let tuple = |[(src, sport), (dst, dport)]: [(&str, u16); 2]| ConntrackTuple {
        src: ip(src),
        dst: ip(dst),
        sport: sport.into(),
        dport: dport.into(),
    };
    ConntrackEntry {
        protocol,
        zone: 0,
        original: tuple(original),
        reply: tuple(reply),
        status: status | ConntrackStatus::CONFIRMED,
        mark: Mark(0),
        state: None,
        timeout_s: Some(29),
        helper: None,
        labels: 0,
        packets: None,
        bytes: None,
    }
}

/// A walk through rules over the entries of a snapshot.
fn seeded(rules: Netfilter, entries: Vec<ConntrackEntry>) -> Walk {
    let table = ConntrackTable { entries, ..ConntrackTable::default() };
    let mut walk = Walk::new(rules);
    walk.conntrack = Conntrack::seeded(&table);
    walk
}

/// A DNS client that keeps its port sends to the backend that the entry names, though the rules lead to another one by now.
#[test]
fn stale_entries_decide() {
    let query = udp("10.0.0.5", 4000, "10.96.0.10", 53);
    let rules = nft_v4(table("nat", &["-A PREROUTING -p udp -j DNAT --to-destination 10.244.1.2"]));
    let stale = entry(
        Protocol::UDP,
        [("10.0.0.5", 4000), ("10.96.0.10", 53)],
        [("10.244.1.9", 53), ("10.0.0.5", 4000)],
        ConntrackStatus::default(),
    );
    let mut walk = seeded(rules.clone(), vec![stale.clone()]);
    let mut packet = query.clone();
    let result = walk.forward(&mut packet);
    assert_eq!(packet.dst, ip("10.244.1.9"));
    let text = "udp      17 29 src=10.0.0.5 dst=10.96.0.10 sport=4000 dport=53 [UNREPLIED] src=10.244.1.9 dst=10.0.0.5 \
                sport=53 dport=4000 mark=0";
    let kinds: Vec<_> = result.events.iter().map(|event| (event.kind, event.entry.as_deref())).collect();
    assert_eq!(kinds, [(NfEventKind::KnownFlow, Some(text)), (NfEventKind::NatAgain, Some(text))]);
    assert_eq!(walk.conntrack.entry_text(&walk.state).as_deref(), Some(text));
    // Its answer is translated back, and another port is another flow.
    let mut reply = packet.reply();
    walk.forward(&mut reply);
    assert_eq!(reply, query.reply());
    let mut other = udp("10.0.0.5", 4001, "10.96.0.10", 53);
    walk.forward(&mut other);
    assert_eq!(other.dst, ip("10.244.1.2"));
    // An entry made before there were rules keeps the flow from them.
    let early = ConntrackEntry { reply: ConntrackTuple { src: ip("10.96.0.10"), ..stale.reply }, ..stale.clone() };
    let mut packet = query.clone();
    seeded(rules.clone(), vec![early]).forward(&mut packet);
    assert_eq!(packet, query);
    // One that is dying is not found.
    let dying = ConntrackEntry { status: ConntrackStatus::DYING, ..stale };
    let mut packet = query;
    seeded(rules, vec![dying]).forward(&mut packet);
    assert_eq!(packet.dst, ip("10.244.1.2"));
}

/// `nf_nat_used_tuple`, `port_class` of `nf_nat_l4proto_unique_tuple`: a known entry takes the port, and privileged ports stay so.
#[test]
fn known_entries_clash() {
    let rules = nft_v4(table("nat", &[MASQUERADE_ALL]));
    for (port, class) in [(4000, 1024..=u16::MAX), (300, 1..=511), (700, 600..=1023)] {
        let taken = entry(
            Protocol::TCP,
            [("10.0.0.6", port), ("8.8.8.8", 443)],
            [("8.8.8.8", 443), (MASQUERADE, port)],
            ConntrackStatus::SEEN_REPLY,
        );
        let mut walk = seeded(rules.clone(), vec![taken]);
        let mut packet = syn("10.0.0.5", port, "8.8.8.8", 443);
        let result = walk.forward(&mut packet);
        let kind = result.events.first().map(|event| event.kind);
        assert_eq!(kind, Some(NfEventKind::SourceNat { random_port: true }), "{port}");
        let got = packet.sport().map_or(0, |port| port.0);
        assert!(got != port && class.contains(&got), "{port} became {got}");
        // To another destination nothing clashes, but a sender's port keeps its place (`find_appropriate_src`).
        let mut elsewhere = syn("10.0.0.5", port, "8.8.4.4", 443);
        walk.forward(&mut elsewhere);
        assert_eq!(elsewhere.sport(), packet.sport());
    }
    // A range of one port cannot step aside: the flow is not confirmed, and its packet dropped (`__nf_conntrack_confirm`).
    let rules = nft_v4(table("nat", &["-A POSTROUTING -p tcp -j MASQUERADE --to-ports 7000"]));
    let mut walk = Walk::new(rules);
    walk.forward(&mut syn("10.0.0.5", 4000, "8.8.8.8", 443));
    let result = walk.forward(&mut syn("10.0.0.6", 4000, "8.8.8.8", 443));
    assert!(result.blockers.first().is_some_and(|blocker| blocker.describe().contains("same answers")), "{result:?}");
}

/// Of two ports the second flow gets the one that is left, and the third none (tried on Linux 6.18).
#[test]
fn small_ranges_run_out() {
    let mut walk = Walk::new(nft_v4(table("nat", &["-A POSTROUTING -p tcp -j MASQUERADE --to-ports 7000-7001"])));
    let mut first = syn("10.0.0.5", 7000, "8.8.8.8", 443);
    walk.forward(&mut first);
    let mut second = syn("10.0.0.5", 4001, "8.8.8.8", 443);
    let result = walk.forward(&mut second);
    let kind = result.events.first().map(|event| event.kind);
    assert_eq!(kind, Some(NfEventKind::SourceNat { random_port: false }));
    assert_eq!((first.sport(), second.sport()), (Some(7000.into()), Some(7001.into())));
    assert_eq!(walk.forward(&mut syn("10.0.0.5", 4002, "8.8.8.8", 443)).blockers.len(), 1);
}

/// The state is what the caller says, unless the table knows better.
#[test]
fn states_may_be_assumed() {
    let states = ["NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"];
    let rules: Vec<String> =
        states.iter().map(|state| format!("-A FORWARD -m conntrack --ctstate {state} -j DROP")).collect();
    let rules = nft_v4(table("filter", &rules.iter().map(String::as_str).collect::<Vec<_>>()));
    let fin = || tcp("10.0.0.5", 4000, "10.96.0.1", 443, 0x11);
    for (place, assumed) in [Assumed::New, Assumed::Established, Assumed::Related, Assumed::Invalid, Assumed::Untracked]
        .into_iter()
        .enumerate()
    {
        for mut packet in [fin(), web(), udp("10.0.0.5", 4000, "10.96.0.1", 53)] {
            let mut walk = Walk::new(rules.clone());
            walk.state.assume(assumed);
            let lines = FORWARDED.map(|hook| walk.hook(hook, &mut packet, &mut Forks::first()).blockers);
            let lines: Vec<usize> = lines.iter().flatten().map(|blocker| blocker.by.line).collect();
            assert_eq!(lines, [5 + place], "{assumed:?} {packet}");
        }
    }
}

/// `nf_conntrack_tcp_packet`: a SYN opens a flow anew that a FIN or its own side's reset closed.
#[test]
fn closed_flows_are_opened_anew() {
    let new = nft_v4(table("filter", &["-A FORWARD -m conntrack --ctstate NEW -j DROP"]));
    let to = |flags| tcp("10.0.0.5", 4000, "10.0.0.6", 80, flags);
    let from = |flags| tcp("10.0.0.6", 80, "10.0.0.5", 4000, flags);
    let opening = [to(0x02), from(0x12), to(0x10)];
    for (closing, is_new) in [
        (vec![to(0x11), from(0x11), to(0x10)], true),
        (vec![to(0x04)], true),
        (vec![from(0x14)], false),
        (vec![], false),
    ] {
        let mut walk = Walk::new(new.clone());
        for mut packet in opening.iter().cloned().chain(closing.clone()) {
            walk.forward(&mut packet);
        }
        assert_eq!(walk.forward(&mut to(0x02)).blockers.len(), usize::from(is_new), "{closing:?}");
    }
}

/// `nf_nat_oif_changed`: a masqueraded flow that leaves by another device is killed.
#[test]
fn masqueraded_flows_stay_with_their_device() {
    let mut walk = Walk::new(nft_v4(table("nat", &[MASQUERADE_ALL])));
    walk.forward(&mut web());
    let Tracking::Tracked { id, .. } = walk.state.tracking else { panic!("tracked") };
    walk.conntrack.set_masqueraded_for(id, skoop_model::IfIndex(9));
    assert_eq!(walk.forward(&mut web()).blockers.len(), 1);
    // Now it begins anew.
    assert_eq!(walk.forward(&mut web()).blockers, []);
}

/// `nf_ct_find_expectation`: a flow between hosts of which a helper reads another flow may be RELATED.
#[test]
fn helpers_may_expect_a_flow() {
    let related = nft_v4(table("filter", &["-A FORWARD -m conntrack --ctstate RELATED -j DROP"]));
    let control = ConntrackEntry {
        helper: Some("ftp".to_owned()),
        ..entry(
            Protocol::TCP,
            [("10.0.0.5", 4000), ("10.0.0.6", 21)],
            [("10.0.0.6", 21), ("10.0.0.5", 4000)],
            ConntrackStatus::SEEN_REPLY,
        )
    };
    for (mut packet, ways) in [(syn("10.0.0.6", 20, "10.0.0.5", 5000), 2), (syn("10.0.0.7", 20, "10.0.0.5", 5000), 1)] {
        let (found, _) = explore(9, |forks| {
            let mut walk = seeded(related.clone(), vec![control.clone()]);
            walk.hooks(&FORWARDED, &mut packet, forks).blockers.len()
        });
        assert_eq!(found.len(), ways);
    }
}

/// `sctp_conntracks`: chunks, where they are known.
#[test]
fn chunks_follow_the_state_machine() {
    let invalid = nft_v4(table("filter", &["-A FORWARD -m conntrack --ctstate INVALID -j DROP"]));
    let chunk = |back: bool, kind: u8| {
        let (sport, dport) = (4000.into(), 80.into());
        let mut packet =
            Packet::new(ip("10.0.0.5"), ip("10.0.0.6"), Protocol::SCTP, Transport::Sctp { sport, dport }, 60);
        if back {
            packet = packet.reply();
        }
        let sctp_chunks = Some(vec![SctpChunk { kind, flags: 0, length_bytes: None }]);
        Packet { details: Some(Box::new(Details { sctp_chunks, ..Details::default() })), ..packet }
    };
    for (packets, stopped) in [
        (vec![chunk(false, 1), chunk(true, 2), chunk(false, 10), chunk(true, 11)], vec![0; 4]),
        (vec![chunk(false, 11)], vec![1]),
        (vec![chunk(false, 0)], vec![1]),
        // "Verification tag check failed": the flow has none yet.
        (vec![chunk(false, 2)], vec![1]),
        (vec![chunk(false, 10)], vec![1]),
        (vec![chunk(false, 8)], vec![0]),
        (vec![chunk(false, 4), chunk(true, 5), chunk(true, 1)], vec![0; 3]),
        (vec![chunk(false, 4), chunk(true, 1)], vec![0, 1]),
    ] {
        let mut walk = Walk::new(invalid.clone());
        let found: Vec<usize> =
            packets.into_iter().map(|mut packet| walk.forward(&mut packet).blockers.len()).collect();
        assert_eq!(found, stopped);
    }
}

/// "skb->_nfct != 0" of `xt_ct_target`, net/netfilter/xt_CT.c: what tracking found invalid in OUTPUT may be told anew how to be tracked
/// when it is looped back.
#[test]
fn invalid_packets_take_a_template() {
    let rules = table("raw", &["-A PREROUTING -j NOTRACK"])
        + &table("filter", &["-A INPUT -m conntrack --ctstate INVALID -j DROP"]);
    let mut walk = Walk::new(nft_v4(rules));
    let mut packet = tcp("10.0.0.5", 4000, "10.0.0.5", 80, 0x03);
    let mut forks = Forks::first();
    walk.hook(Hook::Output, &mut packet, &mut forks);
    assert!(walk.hook(Hook::Prerouting, &mut packet, &mut forks).blockers.is_empty());
    assert_eq!(walk.state.tracking, Tracking::Untracked);
}

/// `nf_ct_tmpl_alloc`: between CT and tracking the packet seems to begin a connection of nobody.
#[test]
fn a_template_looks_like_a_new_connection() {
    for (test, matches) in [
        ("--ctstate NEW", true),
        ("--ctdir ORIGINAL", true),
        ("! --ctrepldst 10.0.0.0/8", true),
        ("--ctorigdst 10.96.0.1", false),
        ("--ctstate INVALID", false),
    ] {
        for (first, matches) in [("-A PREROUTING -j CT --zone 5", matches), ("", test == "--ctstate INVALID")] {
            let drop = format!("-A PREROUTING -m conntrack {test} -j DROP");
            let rules: Vec<&str> = [first, &drop].into_iter().filter(|rule| !rule.is_empty()).collect();
            let result = Walk::new(nft_v4(table("raw", &rules))).forward(&mut web());
            assert_eq!(result.blockers.len(), usize::from(matches), "{first} {test}");
        }
    }
}

/// A long question walks many flows: they are found as few are, and the first ones still.
#[test]
fn many_flows_are_found() {
    let established = nft_v4(table("filter", &["-A FORWARD -m conntrack --ctstate ESTABLISHED -j DROP"]));
    let mut walk = Walk::new(established);
    let flow = |port: u16| syn("10.0.0.5", port, "10.96.0.1", 443);
    for port in 1000..1200 {
        assert_eq!(walk.forward(&mut flow(port)).blockers, []);
    }
    for port in 1000..1200 {
        assert_eq!(walk.forward(&mut flow(port).reply()).blockers.len(), 1, "{port}");
    }
}

#[test]
fn echoes_keep_their_identifier() {
    let mut walk = Walk::new(nft_v4(table("nat", &[MASQUERADE_ALL])));
    let mut ping = icmp("10.0.0.5", "8.8.8.8", 8, 0);
    walk.forward(&mut ping);
    assert_eq!(ping.src, ip(MASQUERADE));
    assert!(matches!(ping.transport, Transport::Icmp { id: 7, .. }));
    let mut answer = icmp("8.8.8.8", MASQUERADE, 0, 0);
    walk.forward(&mut answer);
    assert_eq!(answer.dst, ip("10.0.0.5"));
}

/// The reference to the flow stays over the loopback device: PREROUTING does not ask the rules again.
#[test]
fn a_flow_over_loopback_is_translated_once() {
    let rules = table(
        "nat",
        &[
            "-A OUTPUT -p tcp -j DNAT --to-destination 127.0.0.1:8443",
            "-A PREROUTING -p tcp -j DNAT --to-destination 9.9.9.9",
        ],
    );
    let mut walk = Walk::new(nft_v4(rules));
    let mut packet = web();
    let hooks = [Hook::Output, Hook::Postrouting, Hook::Prerouting, Hook::Input];
    walk.hooks(&hooks, &mut packet, &mut Forks::first());
    assert_eq!((packet.dst, packet.dport()), (ip("127.0.0.1"), Some(8443.into())));
}

/// `tcp_conntracks`: an ACK is no answer to one's own SYN, and a reset instead of an answer ends the flow.
#[test]
fn segments_follow_the_state_machine() {
    let invalid = table("filter", &["-A FORWARD -m conntrack --ctstate INVALID -j DROP"]);
    let rules = nft_v4(invalid);
    let to_server = |flags| tcp("10.0.0.5", 4000, "10.0.0.6", 80, flags);
    let to_client = |flags| tcp("10.0.0.6", 80, "10.0.0.5", 4000, flags);
    let (syn, syn_ack, ack, fin, rst) = (0x02, 0x12, 0x10, 0x11, 0x14);
    for (packets, expected) in [
        (vec![to_server(syn), to_server(ack)], vec![false, true]),
        (vec![to_server(syn), to_server(syn), to_client(syn_ack), to_server(ack)], vec![false; 4]),
        (vec![to_server(syn), to_client(fin)], vec![false, true]),
        (vec![to_server(syn), to_client(ack)], vec![false, false]),
        (vec![to_server(syn), to_client(syn_ack), to_client(syn)], vec![false, false, true]),
        (vec![to_server(syn), to_client(rst), to_client(syn_ack)], vec![false, false, true]),
        (vec![to_server(ack), to_client(ack), to_server(fin), to_client(fin), to_server(ack)], vec![false; 5]),
    ] {
        let mut walk = Walk::new(rules.clone());
        let dropped: Vec<bool> =
            packets.iter().map(|packet| !walk.forward(&mut packet.clone()).blockers.is_empty()).collect();
        assert_eq!(dropped, expected, "{packets:?}");
    }
}

/// ASSURED: for TCP with the third packet of the handshake, for UDP at some time that is not known.
#[test]
fn flows_become_assured() {
    let rules = nft_v4(table("filter", &["-A FORWARD -m conntrack --ctstatus ASSURED -j DROP"]));
    let handshake = [web(), web().reply(), tcp("10.0.0.5", 4000, "10.96.0.1", 443, 0x10)];
    let query = udp("10.0.0.5", 4000, "10.96.0.10", 53);
    let queries = [query.clone(), query.reply(), query];
    for (packets, expected) in [(handshake, [0, 0, 1]), (queries, [0, 0, 1])] {
        let mut walk = Walk::new(rules.clone());
        let stopped = packets.map(|mut packet| walk.forward(&mut packet).blockers.len());
        assert_eq!(stopped, expected);
    }
}

/// The order of the two backends matters only where one changes what the other one heeds, and then it is unknown.
#[test]
fn the_order_of_the_backends_is_asked_for_where_it_matters() {
    use skoop_model::{Item, NetfilterDumps};
    let compile = |legacy: &str, nft: &str| {
        let dump = |rule: &str| Item::known(0, table("mangle", &[rule]));
        crate::Netfilter::compile(&NetfilterDumps { legacy_v4: dump(legacy), nft_v4: dump(nft), ..no_rules() })
    };
    let changes = "-A FORWARD -j MARK --set-mark 1";
    for (legacy, nft, ways) in [
        (changes, "-A FORWARD -j MARK --set-mark 2", 2),
        (changes, "-A FORWARD -p udp -j DROP", 1),
        (changes, "-A FORWARD -m mark --mark 1 -j DROP", 2),
        ("-A FORWARD -j LOG", changes, 1),
    ] {
        let rules = compile(legacy, nft);
        let (found, _) = crate::explore(9, |forks| {
            let mut packet = web();
            Walk::new(rules.clone()).hooks(&[Hook::Prerouting, Hook::Forward], &mut packet, forks);
            packet.mark.0
        });
        assert_eq!(found.len(), ways, "{legacy} {nft}");
    }
}
