use proptest::prelude::*;

use super::*;
use crate::local::netlink::attribute;

fn ip(src: [u8; 4], dst: [u8; 4]) -> Vec<u8> {
    attribute(CTA_TUPLE_IP, &[attribute(CTA_IP_V4_SRC, &src), attribute(CTA_IP_V4_DST, &dst)].concat())
}

fn transport(protocol: u8, rest: &[Vec<u8>]) -> Vec<u8> {
    attribute(CTA_TUPLE_PROTO, &[attribute(CTA_PROTO_NUM, &[protocol]), rest.concat()].concat())
}

fn ports_of(protocol: u8, sport: u16, dport: u16) -> Vec<u8> {
    transport(
        protocol,
        &[attribute(CTA_PROTO_SRC_PORT, &sport.to_be_bytes()), attribute(CTA_PROTO_DST_PORT, &dport.to_be_bytes())],
    )
}

fn payload(attributes: &[Vec<u8>]) -> Vec<u8> {
    [vec![0; HEADER], attributes.concat()].concat()
}

/// A TCP flow with the state of this number, and what else `rest` says.
fn tcp(state: u8, rest: &[Vec<u8>]) -> Vec<u8> {
    let reply = [ip([10, 0, 0, 9], [10, 0, 0, 1]), ports_of(6, 8080, 4000)].concat();
    payload(&[
        attribute(CTA_TUPLE_ORIG, &[ip([10, 0, 0, 1], [10, 96, 0, 1]), ports_of(6, 4000, 80)].concat()),
        attribute(CTA_TUPLE_REPLY, &reply),
        attribute(CTA_PROTOINFO, &attribute(CTA_PROTOINFO_TCP, &attribute(STATE, &[state]))),
        rest.concat(),
    ])
}

#[test]
fn a_translated_flow_has_both_tuples_and_its_state() {
    let entry = parse(&tcp(3, &[])).expect("an entry");
    assert_eq!((entry.protocol, entry.state.as_deref()), (Protocol::TCP, Some("ESTABLISHED")));
    assert_eq!((entry.original.dst.to_string().as_str(), entry.original.dport), ("10.96.0.1", Port(80)));
    assert_eq!((entry.reply.src.to_string().as_str(), entry.reply.sport), ("10.0.0.9", Port(8080)));
    assert_eq!((entry.zone, entry.timeout_s, entry.packets, entry.helper), (0, None, None, None));
}

#[test]
fn everything_that_hangs_on_a_flow_is_read() {
    let counters = |packets: u64, bytes: u64| {
        [attribute(CTA_COUNTERS_PACKETS, &packets.to_be_bytes()), attribute(CTA_COUNTERS_BYTES, &bytes.to_be_bytes())]
            .concat()
    };
    let mut bitmap = [0; 16];
    bitmap[..8].copy_from_slice(&5u64.to_ne_bytes());
    bitmap[8..].copy_from_slice(&1u64.to_ne_bytes());
    let entry = parse(&tcp(
        7,
        &[
            attribute(CTA_STATUS, &0x18eu32.to_be_bytes()),
            attribute(CTA_TIMEOUT, &119u32.to_be_bytes()),
            attribute(CTA_MARK, &0x4000u32.to_be_bytes()),
            attribute(CTA_ZONE, &9u16.to_be_bytes()),
            attribute(CTA_LABELS, &bitmap),
            attribute(CTA_HELP, &attribute(CTA_HELP_NAME, b"ftp\0")),
            attribute(CTA_COUNTERS_ORIG, &counters(3, 180)),
            attribute(CTA_COUNTERS_REPLY, &counters(2, 120)),
            // Of a kernel to come.
            attribute(99, &[1]),
        ],
    ))
    .expect("an entry");
    assert_eq!((entry.status, entry.timeout_s, entry.mark), (ConntrackStatus(0x18e), Some(119), Mark(0x4000)));
    assert_eq!((entry.zone, entry.labels, entry.helper.as_deref()), (9, 5 | 1 << 64, Some("ftp")));
    assert_eq!((entry.packets, entry.bytes), (Some([3, 2]), Some([180, 120])));
    assert_eq!(entry.state.as_deref(), Some("TIME_WAIT"));
}

#[test]
fn icmp_has_identifier_type_and_code_in_place_of_ports() {
    let echo = |kind: u8| {
        let rest = [attribute(4, &7u16.to_be_bytes()), attribute(5, &[kind]), attribute(6, &[1])];
        [ip([10, 0, 0, 1], [10, 0, 0, 2]), transport(1, &rest)].concat()
    };
    let entry = parse(&payload(&[attribute(CTA_TUPLE_ORIG, &echo(8)), attribute(CTA_TUPLE_REPLY, &echo(0))]));
    let entry = entry.expect("an entry");
    assert_eq!((entry.original.sport, entry.original.dport), (Port(7), Port(8 << 8 | 1)));
    assert_eq!((entry.reply.sport, entry.reply.dport), (Port(7), Port(1)));
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(parse(&payload(&[])).err(), Some("no addresses"));
    assert_eq!(parse(&tcp(200, &[])).err(), Some("an unknown state"));
    assert_eq!(parse(&tcp(3, &[attribute(CTA_MARK, &[1])])).err(), Some("a cut number"));
    let bare = ip([10, 0, 0, 1], [10, 0, 0, 2]);
    assert_eq!(parse(&payload(&[attribute(CTA_TUPLE_ORIG, &bare)])).err(), Some("no protocol"));
}

proptest! {
    #[test]
    fn any_payload_is_an_entry_or_an_error(payload: Vec<u8>) {
        let _ = parse(&payload);
    }

    #[test]
    fn any_attributes_are_an_entry_or_an_error(parts in proptest::collection::vec((0u16..30, any::<Vec<u8>>()), 0..8)) {
        let _ = parse(&tcp(1, &parts.iter().map(|(kind, value)| attribute(*kind, value)).collect::<Vec<_>>()));
    }
}
