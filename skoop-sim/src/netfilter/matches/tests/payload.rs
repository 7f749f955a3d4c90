//! Matches that read bytes: `u32`, `bpf`, `string`, `l2tp`.

use skoop_model::{Details, Encap, Frame, Packet, Vni};

use super::{Maybe, No, Tri, Yes, dns, judge, marked, v6, web, with};
use crate::netfilter::testkit::udp;

/// A request of 45 bytes: no options, "GET /".
fn request() -> Packet {
    let details =
        Details { tcp_options: Some(Vec::new().into()), payload: Some(b"GET /".to_vec().into()), ..Details::default() };
    with(Packet { length_bytes: 45, ..web() }, details)
}

fn vxlan(vni: u32) -> Packet {
    let mac = |text: &str| text.parse().expect("a MAC address");
    let frame = Frame { src_mac: mac("02:00:00:00:00:01"), dst_mac: mac("02:00:00:00:00:02"), packet: web() };
    Packet { encap: Some(Box::new(Encap { vni: Vni(vni), frame })), ..udp("10.0.0.5", 5, "10.0.0.6", 4789) }
}

/// `u32_match_it`, `net/netfilter/xt_u32.c`.
#[test]
fn u32_takes_numbers_from_the_packet() {
    for (expression, packet, expected) in [
        ("0x0&0xffff=0x3c", web(), Yes),
        ("0&0xFFFF=0:59,61", web(), No),
        ("6&0xFF=6", web(), Yes),
        ("6&0xFF=17", web(), No),
        ("0>>22&0x3C@0>>16=4000", web(), Yes),
        ("0>>22&0x3C@ 0 & 0xFFFF = 443 && 6&0xFF=6", web(), Yes),
        ("0>>22&0x3C@0&0xFFFF=443&&6&0xFF=17", web(), No),
        ("0x0>>0x16&0x3c@0xc>>0x8=0x1000", vxlan(0x1000), Yes),
        ("0x0>>0x16&0x3c@0xc>>0x8=0x1000", vxlan(0x1001), No),
        // The packet ends before.
        ("57=0", web(), No),
        ("4>>16=0", web(), Maybe),
        // Fragments: the known bits of the word.
        ("4&0x3FFF=0", web(), Yes),
        ("4&0x1FFF=1:8191", web(), No),
        ("12=0x0a000005", web(), Yes),
        // A jump of unknown length.
        ("4>>16@0=0", web(), Maybe),
        ("0>>26&0x3C@0<<16>>16=443", web(), No),
        ("8=0xfd000000", v6(web()), Yes),
    ] {
        assert_eq!(judge(&format!("-m u32 --u32 \"{expression}\""), &packet), expected, "{expression} on {packet}");
        assert_eq!(judge(&format!("-m u32 ! --u32 \"{expression}\""), &packet), !expected, "! {expression}");
    }
    assert_eq!(judge("-m u32 --u32 \"0&\"", &web()), Maybe);
}

/// `bpf_mt`, `net/netfilter/xt_bpf.c`; `net/core/filter.c`.
#[test]
fn bpf_programs_run_over_the_packet() {
    for (program, packet, expected) in [
        ("4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0", web(), Yes),
        ("4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0", dns(), No),
        // ldx 4*([0]&0xf); ldh [x+2]; jeq #443
        ("5,177 0 0 0,72 0 0 2,21 0 1 443,6 0 0 1,6 0 0 0", web(), Yes),
        ("5,177 0 0 0,72 0 0 2,21 0 1 443,6 0 0 1,6 0 0 0", dns(), No),
        // ld len; jge #60
        ("4,128 0 0 0,53 0 1 60,6 0 0 1,6 0 0 0", web(), Yes),
        // The identification is not known; a read behind the end gives 0.
        ("4,40 0 0 4,21 0 1 7,6 0 0 1,6 0 0 0", web(), Maybe),
        ("2,48 0 0 200,6 0 0 1", web(), No),
        // Arithmetic, memory, jset, return of A.
        ("6,0 0 0 6,2 0 0 3,96 0 0 3,4 0 0 1,69 1 0 8,22 0 0 0", web(), Yes),
        ("3,0 0 0 6,20 0 0 6,22 0 0 0", web(), No),
        ("3,0 0 0 6,52 0 0 0,22 0 0 0", web(), No),
        // ld mark
        ("4,32 0 0 4294963220,21 0 1 5,6 0 0 1,6 0 0 0", marked(5), Yes),
        ("4,32 0 0 4294963220,21 0 1 5,6 0 0 1,6 0 0 0", marked(6), No),
        // Not as many as it says.
        ("3,6 0 0 1", web(), Maybe),
    ] {
        assert_eq!(judge(&format!("-m bpf --bytecode \"{program}\""), &packet), expected, "{program} on {packet}");
    }
    assert_eq!(judge("-m bpf --object-pinned /sys/fs/bpf/x", &web()), Maybe);
}

/// `string_mt`, `net/netfilter/xt_string.c`; `skb_find_text`, `net/core/skbuff.c`.
#[test]
fn text_is_found_where_bytes_are_known() {
    for (options, packet, expected) in [
        ("--string GET --algo bm", request(), Yes),
        ("! --string GET --algo bm", request(), No),
        ("--string POST --algo kmp --from 40", request(), No),
        ("--string get --algo bm --from 40", request(), No),
        // The sequence number may read like that.
        ("--string POST --algo kmp", request(), Maybe),
        ("--string get --algo bm --icase", request(), Yes),
        ("--hex-string \"|47 45|T\" --algo bm", request(), Yes),
        ("--string GET --algo bm --from 40 --to 43", request(), Yes),
        ("--string GET --algo bm --from 40 --to 42", request(), No),
        ("--string GET --algo bm --from 41", request(), No),
        ("--string GET --algo bm --from 38 --to 39", request(), No),
        // Headers are searched too.
        ("--hex-string \"|0a000005|\" --algo bm", request(), Yes),
        // More follows than is known.
        ("--string POST --algo bm", Packet { length_bytes: 60, ..request() }, Maybe),
        ("--string GET --algo bm", web(), Maybe),
        ("--string GET --algo bm --to 10", web(), No),
    ] {
        assert_eq!(judge(&format!("-m string {options}"), &packet), expected, "{options}");
    }
}

/// `net/netfilter/xt_l2tp.c`.
#[test]
fn l2tp_over_udp_and_over_ip() {
    let carrying = |packet: Packet, bytes: &[u8]| {
        with(packet, Details { payload: Some(bytes.to_vec().into()), ..Details::default() })
    };
    let over_udp = |bytes: &[u8]| carrying(udp("10.0.0.5", 1701, "10.0.0.6", 1701), bytes);
    let mut plain = udp("10.0.0.5", 1, "10.0.0.6", 2);
    (plain.protocol, plain.transport) = (skoop_model::Protocol(115), skoop_model::Transport::Other);
    let cases: [(&str, Packet, Tri); 8] = [
        ("--tid 7 --sid 9", over_udp(&[0x00, 0x02, 0, 7, 0, 9]), Yes),
        ("--tid 7 --sid 8", over_udp(&[0x00, 0x02, 0, 7, 0, 9]), No),
        ("--pversion 2 --type control", over_udp(&[0xc0, 0x02, 0, 12, 0, 7, 0, 0]), Yes),
        ("--pversion 3 --type data --sid 5", over_udp(&[0x00, 0x03, 0, 0, 0, 0, 0, 5]), Yes),
        ("--sid 5", dns(), Maybe),
        ("--sid 5", carrying(plain.clone(), &[0, 0, 0, 5]), Yes),
        ("--sid 6", carrying(plain, &[0, 0, 0, 5]), No),
        ("--sid 5", web(), No),
    ];
    for (options, packet, expected) in cases {
        assert_eq!(judge(&format!("-m l2tp {options}"), &packet), expected, "{options} on {packet}");
    }
}
