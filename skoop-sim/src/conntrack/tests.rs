//! Flows, NAT and replies, as `net/netfilter/nf_conntrack_core.c` and nf_nat_core.c have them.

use skoop_model::{Packet, Transport};

use crate::Forks;
use crate::netfilter::testkit::*;
use crate::netfilter::{Hook, NfEventKind};

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
    assert_eq!(state(&icmp("192.168.0.7", "10.0.0.5", 3, 1), &mut walk), related);
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

/// An ICMP error about a translated flow comes from the address that was asked (`nf_nat_icmp_reply_translation`).
#[test]
fn errors_are_translated_back() {
    let mut walk = Walk::new(nft_v4(table("nat", &[DNAT, MASQUERADE_ALL])));
    walk.forward(&mut web());
    let mut error = icmp("10.244.1.1", MASQUERADE, 11, 0);
    walk.forward(&mut error);
    assert_eq!((error.src, error.dst), (ip("10.96.0.1"), ip("10.0.0.5")));
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
