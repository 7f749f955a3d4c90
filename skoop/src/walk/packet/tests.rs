//! The short form and the JSON form.

use super::*;

fn text(text: &str) -> WalkPacket {
    text.parse().expect(text)
}

fn json(text: &str) -> WalkPacket {
    WalkPacket::from_json(text).expect(text).0
}

#[test]
fn both_forms_say_the_same() {
    for (short, long) in [
        (
            "eth0: tcp 10.0.0.1:4000 > 10.96.0.1:443 [syn ttl=64 mark=0x0]",
            r#"{"in":"eth0","src":"10.0.0.1","dst":"10.96.0.1","proto":"tcp","sport":4000,"dport":443,"tcp_flags":"syn","ttl":64,"mark":0}"#,
        ),
        (
            "udp [fd00::1]:53 > [fd00::2]:5353 [len=100 tos=0x10 uid=1000 gid=7 reply]",
            r#"{"in":null,"src":"fd00::1","dst":"fd00::2","proto":"udp","sport":53,"dport":5353,"length":100,"tos":16,"uid":1000,"gid":"7","reply":true}"#,
        ),
        (
            "v0: icmp 10.0.0.1 > 10.0.0.2 [type=3 code=1 id=3 nodf smac=02:00:00:00:00:01 dmac=02:00:00:00:00:02 related]",
            r#"{"in":"v0","src":"10.0.0.1","dst":"10.0.0.2","proto":"icmp","icmp_type":3,"icmp_code":1,"icmp_id":3,"df":false,"src_mac":"02:00:00:00:00:01","dst_mac":"02:00:00:00:00:02","state":"related"}"#,
        ),
        ("local: 47 > 10.0.0.2", r#"{"dst":"10.0.0.2","proto":47}"#),
        ("out: icmp6 fd00::1 > fd00::2", r#"{"src":"fd00::1","dst":"fd00::2","proto":"icmp6"}"#),
        (
            "eth0: tcp 10.1.0.1:1 > 10.1.0.2:2 [syn,ack vxlan=42,192.168.0.1,192.168.0.2:8472,02:00:00:00:00:01,02:00:00:00:00:02]",
            r#"{"in":"eth0","src":"10.1.0.1","dst":"10.1.0.2","proto":"tcp","sport":1,"dport":2,"tcp_flags":["SYN","ACK"],"encap":{"kind":"vxlan","vni":42,"src":"192.168.0.1","dst":"192.168.0.2","dport":8472,"inner_src_mac":"02:00:00:00:00:01","inner_dst_mac":"02:00:00:00:00:02"}}"#,
        ),
        (
            "sctp 10.0.0.1:5 > 10.0.0.2:6",
            r#"{"src":"10.0.0.1","dst":"10.0.0.2","proto":132,"sport":5,"dport":6,"mark":null}"#,
        ),
        (
            "tcp * > 10.0.0.2:6 [sport=7 flags=none]",
            r#"{"dst":"10.0.0.2","proto":"6","sport":7,"dport":6,"tcp_flags":0}"#,
        ),
    ] {
        let packet = text(short);
        assert_eq!(packet, json(long), "{short}");
        assert_eq!(text(&packet.to_string()), packet, "{packet}");
        assert_eq!(json(&serde_json::to_string(&packet).expect("JSON")), packet, "{packet}");
    }
}

#[test]
fn what_is_no_packet_is_told() {
    for (wrong, why) in [
        ("", "no `>`"),
        ("tcp 10.0.0.1:1 10.0.0.2:2", "no `>`"),
        ("tcp 10.0.0.1:1 > 10.0.0.2", "`dport` is missing"),
        ("tcp 10.0.0.1:1 > fd00::1", "different families"),
        ("eth0: tcp > 10.0.0.2:2", "needs `src`"),
        ("xyz 10.0.0.1 > 10.0.0.2", "no IP protocol"),
        ("tcp 10.0.0.1:1 > 10.0.0.2:99999", "no address with a port"),
        ("tcp 10.0.0.1:1 > 10.0.0.2:2 [tll=3]", "not understood"),
        ("tcp 10.0.0.1:1 > 10.0.0.2:2 [ttl=300]", "no number that fits"),
        ("tcp 10.0.0.1:1 > 10.0.0.2:2 [state=old]", "no value of `state`"),
        ("icmp fd00::1 > fd00::2", "icmp6"),
        ("tcp 10.0.0.1:1 > 10.0.0.2:2 ]", "without `[`"),
        ("tcp 10.0.0.1:1 more > 10.0.0.2:2", "stands where"),
    ] {
        let error = wrong.parse::<WalkPacket>().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(why), "`{wrong}`: {error}");
    }
    for wrong in
        ["{}", "[]", "{", r#"{"dst":"10.0.0.1","proto":"tcp","dport":70000}"#, r#"{"dst":"10.0.0.1","proto":300}"#]
    {
        assert!(WalkPacket::from_json(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn fields_that_are_not_known_are_named() {
    let (packet, passed_over) =
        WalkPacket::from_json(r#"{"name":"x","dst":"10.0.0.1","proto":"udp","dport":1,"expect":{}}"#)
            .expect("a packet");
    assert_eq!(packet.dport, Some(1));
    assert_eq!(passed_over, ["expect", "name"]);
}
