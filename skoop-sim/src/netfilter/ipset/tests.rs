//! Sets as `ipset save` prints them (`net/netfilter/ipset/`).

use skoop_model::{Details, Item, MacAddr, Mark, NetfilterDumps, Packet, Protocol};

use super::{Kind, Set, Sets};
use crate::netfilter::testkit::{Walk, icmp, ip, no_rules, stops, syn, table, udp};
use crate::netfilter::{Hook, Netfilter};
use crate::{Forks, Tri};
use Tri::{Maybe, No, Yes};

const SETS: &str = r#"create ip hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x1b8a1b3a
add ip 10.0.0.5
create ipr bitmap:ip range 10.0.0.0-10.0.0.255 timeout 0
add ipr 10.0.0.5 timeout 0
create net hash:net family inet hashsize 1024 maxelem 65536 timeout 0 comment
add net 10.96.0.0/16 timeout 12 comment "a nomatch \"quoted\""
add net 10.96.9.0/24 nomatch
create range hash:ip family inet
add range 10.0.0.3-10.0.0.9
create ipport hash:ip,port family inet counters
add ipport 10.96.0.1,tcp:443 packets 5 bytes 300
add ipport 10.96.0.10,udp:53 packets 0 bytes 0
add ipport 10.0.0.6,icmp:echo-request packets 0 bytes 0
add ipport 10.0.0.6,icmp:3/3
add ipport 10.0.0.9,vrrp:0
create triple hash:ip,port,ip family inet
add triple 10.96.0.1,tcp:443,10.0.0.5
create ipn hash:ip,port,net family inet
add ipn 10.96.0.1,tcp:400-500,10.0.0.0/8
create netport hash:net,port family inet
add netport 10.96.0.0/16,tcp:443
create npn hash:net,port,net family inet
add npn 10.0.0.0/8,tcp:443,10.96.0.0/12
add npn 10.0.0.0/24,tcp:443,10.96.0.0/12 nomatch
create pairs hash:net,net family inet
add pairs 10.0.0.0/8,10.96.0.0/12
create ports bitmap:port range 0-65535
add ports 443
add ports 5-6
create mask hash:ip family inet netmask 24
add mask 10.0.0.0
create bitm hash:ip family inet bitmask 255.0.0.255
add bitm 10.0.0.5
create mark hash:ip,mark family inet markmask 0x000000ff
add mark 10.0.0.5,0x00000007
create all list:set size 8
add all ports
add all ip
create ofnets list:set size 8
add ofnets net
create six hash:ip family inet6
add six fd00::5
create sixnets hash:net,net family inet6
add sixnets fd00::/16,fd00::/64
create sixport hash:ip,port family inet6
add sixport fd00::1,ipv6-icmp:echo-request
create iface hash:net,iface family inet
add iface 10.0.0.0/8,eth0
add iface 10.96.0.0/16,eth wildcard
add iface 10.0.0.5,eth0 nomatch
add iface 10.0.0.7,physdev:port0
add iface 10.0.0.8,eth9
create skb hash:ip family inet skbinfo forceadd
add skb 10.0.0.5 skbmark 0x1/0xff skbprio 1:10 skbqueue 3
create odd hash:ip,port family inet
add odd 10.9.9.9,tcp:what
create newer hash:ip,what family inet
"#;

fn web() -> Packet {
    syn("10.0.0.5", 4000, "10.96.0.1", 443)
}

fn judge(matches: &str, packet: &Packet) -> Tri {
    let filter = table("filter", &[&format!("-A FORWARD -m set {matches} -j DROP")]);
    let item = Item::known(0, filter);
    let dumps = NetfilterDumps { ipset: Item::known(0, SETS.to_owned()), ..no_rules() };
    let dumps = if packet.dst.is_ipv4() {
        NetfilterDumps { nft_v4: item, ..dumps }
    } else {
        NetfilterDumps { nft_v6: item, ..dumps }
    };
    stops(&Netfilter::compile(&dumps), packet, &crate::netfilter::testkit::FORWARDED)
}

fn marked(mark: u32) -> Packet {
    Packet { mark: Mark(mark), ..web() }
}

fn v6(packet: Packet) -> Packet {
    Packet { src: ip("fd00::5"), dst: ip("fd00::1"), ..packet }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one line a case")]
fn every_type_is_looked_up_as_the_kernel_does() {
    for (matches, packet, expected) in [
        // ip_set_hash_ip.c, ip_set_bitmap_ip.c
        ("--match-set ip src", web(), Yes),
        ("--match-set ip dst", web(), No),
        ("! --match-set ip src", web(), No),
        // The type has no `nomatch`: the option changes nothing.
        ("--match-set ip src --return-nomatch", web(), Yes),
        ("--match-set ipr src", web(), Yes),
        ("--match-set ipr dst", web(), No),
        ("--match-set range src", web(), Yes),
        ("--match-set range src", syn("10.0.0.10", 1, "10.0.0.6", 2), No),
        ("--match-set mask src", syn("10.0.0.77", 1, "10.0.0.6", 2), Yes),
        ("--match-set mask src", syn("10.0.1.77", 1, "10.0.0.6", 2), No),
        ("--match-set bitm src", syn("10.7.7.5", 1, "10.0.0.6", 2), Yes),
        ("--match-set bitm src", syn("10.7.7.6", 1, "10.0.0.6", 2), No),
        ("--match-set skb src", web(), Yes),
        ("--match-set six src", web(), No),
        ("--match-set six src", v6(web()), Yes),
        ("--match-set six dst", v6(web()), No),
        // ip_set_hash_net.c
        ("--match-set net dst", web(), Yes),
        ("--match-set net dst", syn("10.0.0.5", 1, "10.96.9.9", 2), No),
        ("--match-set net dst --return-nomatch", syn("10.0.0.5", 1, "10.96.9.9", 2), Yes),
        ("--match-set net dst --return-nomatch", web(), No),
        // ip_set_hash_ipport.c, ip_set_getport.c
        ("--match-set ipport dst,dst", web(), Yes),
        ("--match-set ipport dst,src", web(), No),
        ("--match-set ipport dst,dst", udp("10.0.0.5", 4001, "10.96.0.10", 53), Yes),
        ("--match-set ipport dst,dst", udp("10.0.0.5", 1, "10.96.0.1", 443), No),
        ("--match-set ipport dst,dst", icmp("10.0.0.5", "10.0.0.6", 8, 0), Yes),
        ("--match-set ipport dst,src", icmp("10.0.0.5", "10.0.0.6", 3, 3), Yes),
        ("--match-set ipport dst,dst", icmp("10.0.0.5", "10.0.0.6", 3, 1), No),
        ("--match-set ipport dst,dst", vrrp(), Yes),
        ("--match-set ipport dst", web(), No),
        ("--match-set sixport dst,dst", v6(icmp("fd00::5", "fd00::1", 128, 0)), Yes),
        // Counters
        ("--match-set ipport dst,dst --packets-gt 3", web(), Maybe),
        ("--match-set ipport dst,src --packets-gt 3", web(), No),
        ("--match-set ip src --bytes-lt 3", web(), Yes),
        ("--match-set ip src ! --update-counters", web(), Yes),
        // ip_set_hash_ipportip.c, ip_set_hash_ipportnet.c, ip_set_hash_netport.c, ip_set_hash_netportnet.c, ip_set_hash_netnet.c
        ("--match-set triple dst,dst,src", web(), Yes),
        ("--match-set triple src,dst,dst", web(), No),
        ("--match-set ipn dst,dst,src", web(), Yes),
        ("--match-set ipn dst,src,src", web(), No),
        ("--match-set netport dst,dst", web(), Yes),
        ("--match-set netport src,dst", web(), No),
        ("--match-set npn src,dst,dst", syn("10.1.0.5", 1, "10.96.0.1", 443), Yes),
        ("--match-set npn src,dst,dst", web(), No),
        ("--match-set pairs src,dst", web(), Yes),
        ("--match-set pairs dst,src", web(), No),
        ("--match-set sixnets src,dst", v6(web()), Yes),
        // ip_set_bitmap_port.c: TCP and UDP only
        ("--match-set ports dst", web(), Yes),
        ("--match-set ports src", web(), No),
        ("--match-set ports src", udp("10.0.0.5", 6, "10.0.0.6", 2), Yes),
        ("--match-set ports dst", icmp("10.0.0.5", "10.0.0.6", 8, 0), No),
        // ip_set_hash_ipmark.c
        ("--match-set mark src,src", marked(0xff07), Yes),
        ("--match-set mark src,src", marked(0x8), No),
        // ip_set_list_set.c
        ("--match-set all src", udp("10.0.0.5", 4001, "10.96.0.10", 53), Yes),
        ("--match-set all dst", udp("10.0.0.5", 4001, "10.96.0.10", 53), No),
        ("--match-set ofnets dst --return-nomatch", syn("10.0.0.5", 1, "10.96.9.9", 2), Yes),
        // ip_set_hash_netiface.c
        ("--match-set iface src,src", syn("10.0.0.9", 1, "10.96.0.1", 2), Yes),
        ("--match-set iface src,src", syn("10.0.0.8", 1, "10.96.0.1", 2), No),
        ("--match-set iface src,src", web(), No),
        ("--match-set iface src,src --return-nomatch", web(), Yes),
        ("--match-set iface src,dst", syn("10.0.0.9", 1, "10.96.0.1", 2), No),
        ("--match-set iface dst,dst", web(), Yes),
        // What was not seen or not read
        ("--match-set odd dst,dst", web(), Maybe),
        ("--match-set newer src,src", web(), Maybe),
        ("--match-set absent src", web(), Maybe),
        ("--match-set absent src --packets-lt x", web(), Maybe),
    ] {
        assert_eq!(judge(matches, &packet), expected, "{matches} on {packet}");
    }
}

fn vrrp() -> Packet {
    Packet::new(ip("10.0.0.5"), ip("10.0.0.9"), Protocol(112), skoop_model::Transport::Other, 60)
}

/// ip_set_hash_mac.c, ip_set_hash_ipmac.c, ip_set_bitmap_ipmac.c.
#[test]
fn mac_addresses() {
    let sets = "create mac hash:mac\nadd mac 02:00:00:00:00:01\n\
        create ipmac hash:ip,mac family inet\nadd ipmac 10.0.0.5,02:00:00:00:00:01\n\
        create bit bitmap:ip,mac range 10.0.0.0/24\nadd bit 10.0.0.5,02:00:00:00:00:01\nadd bit 10.0.0.6\n";
    let mac: MacAddr = "02:00:00:00:00:01".parse().expect("a MAC address");
    let other: MacAddr = "02:00:00:00:00:02".parse().expect("a MAC address");
    for (matches, src_mac, dst_mac, expected) in [
        ("--match-set mac src", Some(mac), None, Yes),
        ("--match-set mac src", Some(other), None, No),
        ("--match-set mac src", None, None, Maybe),
        ("--match-set mac dst", Some(mac), Some(mac), Yes),
        ("--match-set mac dst", Some(mac), Some(other), No),
        ("--match-set ipmac src,src", Some(mac), None, Yes),
        ("--match-set ipmac src,src", Some(other), None, No),
        ("--match-set ipmac dst,src", Some(mac), None, No),
        ("--match-set bit src,src", Some(mac), None, Yes),
        ("--match-set bit src,src", Some(other), None, No),
        ("--match-set bit dst,src", Some(other), None, No),
        ("--match-set bit src,src", None, None, Maybe),
    ] {
        let raw = table("raw", &[&format!("-A PREROUTING -m set {matches} -j DROP")]);
        let dumps =
            NetfilterDumps { nft_v4: Item::known(0, raw), ipset: Item::known(0, sets.to_owned()), ..no_rules() };
        let netfilter = Netfilter::compile(&dumps);
        let (ways, _) = crate::explore(4, |forks: &mut Forks| {
            let mut walk = Walk::new(netfilter.clone());
            if let Some(mac) = src_mac {
                walk.state.set_source_mac(mac);
            }
            let mut packet = web();
            packet.details = Some(Box::new(Details { dst_mac, ..Details::default() }));
            !walk.hook(Hook::Prerouting, &mut packet, forks).blockers.is_empty()
        });
        let found = if ways.len() > 1 { Maybe } else { ways.iter().all(|way| way.value).into() };
        assert_eq!(found, expected, "{matches} {src_mac:?} {dst_mac:?}");
    }
}

/// Large sets are read in one go and found by hash.
#[test]
fn large_sets() {
    let mut text = String::from("create big hash:ip family inet\n");
    for number in 0..50_000_u32 {
        text.extend(["add big ", &std::net::Ipv4Addr::from_bits(0x0a00_0000 + number * 2).to_string(), "\n"]);
    }
    let sets = Sets::read(&Item::known(0, text), &mut Vec::new());
    let Some(Set { kind: Kind::Table(table), .. }) = sets.0.get("big") else { panic!("a table") };
    assert_eq!(table.len(), 50_000);
}

/// Ranges do not make a small dump a large set.
#[test]
fn ranges_have_a_limit() {
    let text = "create ports bitmap:port range 0-65535\n".to_owned() + &"add ports 0-65535\n".repeat(3000);
    let sets = Sets::read(&Item::known(0, text), &mut Vec::new());
    let Some(Set { kind: Kind::Table(table), .. }) = sets.0.get("ports") else { panic!("a table") };
    assert_eq!(table.len(), 65_536);
}
