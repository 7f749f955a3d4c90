//! Matches on headers that few packets have.

use skoop_model::{Bytes, Details, ExtensionHeader, Fragment, Packet, Protocol, SctpChunk, Transport};

use super::{Maybe, No, Tri, Yes, dns, judge, sctp, v6, web, with};
use crate::netfilter::testkit::{ip, udp};

fn check(cases: &[(&str, Packet, Tri)]) {
    for (matches, packet, expected) in cases {
        assert_eq!(judge(matches, packet), *expected, "{matches} on {packet}");
    }
}

fn other(protocol: u8, spi: Option<u32>) -> Packet {
    let packet = Packet::new(ip("10.0.0.5"), ip("10.0.0.6"), Protocol(protocol), Transport::Other, 100);
    with(packet, Details { spi, ..Details::default() })
}

fn extended(headers: &[(u8, &str)]) -> Packet {
    let header = |(protocol, text): &(u8, &str)| ExtensionHeader {
        protocol: Protocol(*protocol),
        bytes: Bytes::parse(text).expect("hexadecimal digits"),
    };
    with(v6(web()), Details { extensions: headers.iter().map(header).collect(), ..Details::default() })
}

fn piece(packet: Packet, offset_bytes: u32, more: bool) -> Packet {
    with(packet, Details { fragment: Some(Fragment { offset_bytes, more }), ip_id: Some(77), ..Details::default() })
}

/// xt_esp.c, ipt_ah.c, xt_ipcomp.c.
#[test]
fn security_parameters() {
    check(&[
        ("-p esp -m esp --espspi 500", other(50, Some(500)), Yes),
        ("-p esp -m esp ! --espspi 500", other(50, Some(500)), No),
        ("-p esp -m esp --espspi 100:200", other(50, Some(500)), No),
        ("-p esp -m esp --espspi 100:200", other(50, None), Maybe),
        ("-p esp -m esp", other(50, None), Yes),
        ("-m esp --espspi 1", web(), No),
        ("-p ah -m ah --ahspi 500", other(51, Some(500)), Yes),
        ("-p ah -m ah --ahspi 501", other(51, Some(500)), No),
        ("-p ah -m ah --ahspi 501", other(51, None), Maybe),
        ("-p 108 -m ipcomp --ipcompspi 18", other(108, Some(18)), Yes),
        ("-p 108 -m ipcomp --ipcompspi 19 --compres", other(108, Some(18)), No),
        ("-p 108 -m ipcomp --ipcompspi 19", other(108, None), Maybe),
    ]);
}

/// ip6t_ah.c, ip6t_hbh.c, ip6t_rt.c, ip6t_mh.c, ip6t_srh.c, ip6t_ipv6header.c.
#[test]
fn extension_headers() {
    let options = extended(&[(0, "0000050200000100"), (60, "0000010400000000")]);
    let address = "fd000000000000000000000000000009";
    let routing = extended(&[(43, &format!("0002000100000000{address}"))]);
    let segments = extended(&[(43, &format!("0004040101000005{address}fd00000000000000000000000000000a"))]);
    let secured = extended(&[(51, "000400000000abcd0000000100000000000000000000000000")]);
    let mobility = extended(&[(135, "0000050000000000")]);
    check(&[
        ("-m hbh --hbh-len 8", options.clone(), Yes),
        ("-m hbh ! --hbh-len 8", options.clone(), No),
        ("-m hbh --hbh-opts 5:2,1:0", options.clone(), Yes),
        ("-m hbh --hbh-opts 5:3", options.clone(), No),
        ("-m hbh --hbh-opts 1", options.clone(), No),
        ("-m hbh", v6(web()), No),
        ("-m dst --dst-len 8 --dst-opts 1:4", options.clone(), Yes),
        ("-m dst --dst-len 16", options.clone(), No),
        ("-m rt --rt-type 0 --rt-segsleft 1 --rt-len 24", routing.clone(), Yes),
        ("-m rt --rt-type 2", routing.clone(), No),
        ("-m rt ! --rt-type 2 ! --rt-segsleft 5:9", routing.clone(), Yes),
        ("-m rt --rt-type 0 --rt-0-res --rt-0-addrs fd00::9", routing.clone(), Yes),
        ("-m rt --rt-type 0 --rt-0-addrs fd00::8 --rt-0-not-strict", routing, No),
        ("-m rt", v6(web()), No),
        ("-m srh --srh-segs-left-eq 1 --srh-tag 5 --srh-next-hdr 6", segments.clone(), Yes),
        ("-m srh --srh-hdr-len-gt 4", segments.clone(), No),
        ("-m srh ! --srh-last-entry-lt 1", segments.clone(), Yes),
        ("-m srh --srh-nsid fd00::9 --srh-lsid fd00::/64", segments.clone(), Yes),
        ("-m srh --srh-psid fd00::/16", segments.clone(), No),
        ("-m srh", v6(web()), No),
        ("-m ah --ahspi 43981", secured.clone(), Yes),
        ("-m ah --ahspi 43981 ! --ahlen 24", secured.clone(), No),
        ("-m ah --ahspi 43981 --ahlen 24 --ahres", secured, Yes),
        ("-m mh --mh-type binding-update", mobility.clone(), Yes),
        ("-m mh --mh-type 6:7", mobility.clone(), No),
        ("-m mh ! --mh-type bu", mobility, No),
        ("-m ipv6header --header hop --soft", options.clone(), Yes),
        ("-m ipv6header --header hop,dst,prot", options.clone(), Yes),
        ("-m ipv6header ! --header hop,dst,prot", options.clone(), No),
        ("-m ipv6header --header hop", options.clone(), No),
        ("-m ipv6header ! --header frag --soft", options, Yes),
        ("-m ipv6header --header frag --soft", v6(web()), No),
    ]);
}

/// `ip_packet_match`; ip6t_frag.c; `tcp_mt` and others on what is no first fragment.
#[test]
fn fragments() {
    let parted = Packet { fragment_bytes: Some(1500), length_bytes: 3000, ..dns() };
    check(&[
        ("-f", piece(dns(), 1480, false), Yes),
        ("! -f", piece(dns(), 1480, false), No),
        ("-f", piece(dns(), 0, true), No),
        // Connection tracking put them together.
        ("-f", parted.clone(), No),
        ("! -f", parted, Yes),
        ("-p udp -m udp --dport 53", piece(dns(), 0, true), Yes),
        ("-p udp -m udp --sport 0:65535", piece(dns(), 1480, false), No),
        ("-m frag --fragid 77 --fragfirst --fragmore", v6(piece(dns(), 0, true)), Yes),
        ("-m frag ! --fragid 77", v6(piece(dns(), 0, true)), No),
        ("-m frag --fraglast", v6(piece(dns(), 0, true)), No),
        ("-m frag --fragid 1", v6(dns()), No),
        ("-m ipv6header --header frag --soft", v6(piece(dns(), 0, true)), Yes),
    ]);
}

/// xt_dccp.c, xt_sctp.c, udp_mt on UDP-Lite.
#[test]
fn transports() {
    let transport = Transport::Dccp { sport: 5.into(), dport: 80.into(), kind: 0 };
    let dccp = Packet::new(ip("10.0.0.5"), ip("10.0.0.6"), Protocol(33), transport, 60);
    let lite = Packet { protocol: Protocol(136), ..udp("10.0.0.5", 1, "10.0.0.6", 53) };
    let chunk = |kind, flags| SctpChunk { kind, flags, length_bytes: None };
    let chunks = |all: Vec<SctpChunk>| with(sctp(), Details { sctp_chunks: Some(all), ..Details::default() });
    let data = chunks(vec![chunk(0, 3), chunk(3, 0)]);
    check(&[
        ("-p dccp -m dccp --sport 5 --dport 80 --dccp-types REQUEST,RESPONSE", dccp.clone(), Yes),
        ("-p dccp -m dccp ! --dccp-types REQUEST", dccp.clone(), No),
        ("-p dccp -m dccp ! --dport 80", dccp.clone(), No),
        ("-p dccp -m dccp --dccp-option 3", dccp.clone(), Maybe),
        ("-p dccp -m multiport --dports 80,81", dccp, Yes),
        ("-p udplite -m udp --dport 53", lite, Yes),
        ("-p sctp -m sctp --chunk-types any DATA,INIT", data.clone(), Yes),
        ("-p sctp -m sctp --chunk-types any INIT", data.clone(), No),
        ("-p sctp -m sctp ! --chunk-types any INIT", data.clone(), Yes),
        ("-p sctp -m sctp --chunk-types any DATA:uBE", data.clone(), Yes),
        ("-p sctp -m sctp --chunk-types any DATA:U", data.clone(), No),
        ("-p sctp -m sctp --chunk-types all DATA,SACK", data.clone(), Yes),
        ("-p sctp -m sctp --chunk-types all DATA,INIT", data.clone(), No),
        ("-p sctp -m sctp --chunk-types only DATA", data.clone(), No),
        ("-p sctp -m sctp --chunk-types only DATA,SACK", data, Yes),
    ]);
}

/// `tcp_find_option`, xt_tcpudp.c; xt_tcpmss.c.
#[test]
fn options_of_tcp() {
    let with_options = |text: &str| {
        let options = Bytes::parse(text).expect("hexadecimal digits");
        with(web(), Details { tcp_options: Some(options), ..Details::default() })
    };
    let mss = with_options("020405b401030307");
    check(&[
        ("-p tcp -m tcp --tcp-option 2", mss.clone(), Yes),
        ("-p tcp -m tcp --tcp-option 3", mss.clone(), Yes),
        ("-p tcp -m tcp ! --tcp-option 3", mss.clone(), No),
        ("-p tcp -m tcp --tcp-option 8", mss.clone(), No),
        ("-p tcp -m tcp --tcp-option 8", with_options(""), No),
        ("-p tcp -m tcpmss --mss 1460", mss.clone(), Yes),
        ("-p tcp -m tcpmss --mss 1:1400", mss.clone(), No),
        ("-p tcp -m tcpmss ! --mss 1:1400", mss, Yes),
        ("-p tcp -m tcpmss --mss 1:1400", with_options(""), No),
        ("-p tcp -m tcpmss ! --mss 1:1400", with_options("01010101"), Yes),
        ("-p tcp -m tcpmss --mss 1:1400", web(), Maybe),
    ]);
}
