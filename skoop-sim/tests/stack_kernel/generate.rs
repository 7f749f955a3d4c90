//! Random frames and settings of the router.

use std::net::IpAddr;

use skoop_model::{Details, Frame, MacAddr, Packet, Protocol, TcpFlags, Transport};

use super::lab::{host_mac, router_mac};

/// A small generator of numbers (xorshift), so that a seed tells everything.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("small") % limit
    }

    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        *of.get(self.below(of.len())).expect("it is below")
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Settings that a round may have; the first value of each is the usual one.
pub(crate) const SETTINGS: [(&str, &[&str]); 17] = [
    ("net.ipv4.conf.c0.forwarding", &["1", "1", "0"]),
    ("net.ipv6.conf.all.forwarding", &["1", "1", "0"]),
    ("net.ipv6.conf.c0.force_forwarding", &["0", "1"]),
    ("net.ipv4.conf.c0.route_localnet", &["0", "1"]),
    ("net.ipv4.conf.c0.rp_filter", &["0", "1", "2"]),
    ("net.ipv4.conf.c0.accept_local", &["0", "1"]),
    ("net.ipv4.conf.c0.bc_forwarding", &["0", "1"]),
    ("net.ipv4.conf.all.bc_forwarding", &["0", "1"]),
    ("net.ipv4.icmp_errors_use_inbound_ifaddr", &["0", "1"]),
    ("net.ipv4.fwmark_reflect", &["0", "1"]),
    ("net.ipv6.fwmark_reflect", &["0", "1"]),
    ("net.bridge.bridge-nf-call-iptables", &["1", "0"]),
    ("net.bridge.bridge-nf-call-ip6tables", &["1", "0"]),
    ("net.ipv6.conf.c0.disable_ipv6", &["0"]),
    ("net.ipv4.conf.c0.drop_unicast_in_l2_multicast", &["0", "0", "1"]),
    ("net.ipv6.conf.c0.drop_unicast_in_l2_multicast", &["0", "0", "1"]),
    ("net.ipv4.ip_default_ttl", &["64", "77"]),
];

const V4_SOURCES: [&str; 11] = [
    "127.0.0.1",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.5",
    "255.255.255.255",
    "10.66.0.5",
    "192.0.2.1",
    "240.1.1.1",
    "10.1.0.255",
    "10.2.0.1",
    "10.1.0.1",
];
const V4_DESTINATIONS: [&str; 22] = [
    "10.2.0.2",
    "10.2.0.2",
    "10.20.1.1",
    "10.96.0.1",
    "10.96.0.1",
    "10.96.0.1",
    "10.66.0.1",
    "10.67.0.1",
    "10.68.0.1",
    "10.71.0.1",
    "10.81.0.1",
    "10.82.0.1",
    "10.83.0.1",
    "192.0.2.9",
    "10.1.0.1",
    "10.2.0.1",
    "10.1.0.255",
    "10.2.0.255",
    "255.255.255.255",
    "127.0.0.1",
    "10.3.0.11",
    "10.3.0.12",
];
const V6_SOURCES: [&str; 8] =
    ["::1", "::", "ff02::5", "fd66::5", "2001:db8::5", "fe80::12", "::ffff:10.1.0.2", "fd01::1"];
const V6_DESTINATIONS: [&str; 17] = [
    "fd02::2",
    "fd02::2",
    "fd20::1",
    "fd96::1",
    "fd96::1",
    "fd66::1",
    "fd67::1",
    "fd68::1",
    "fd81::1",
    "fd82::1",
    "fd83::1",
    "2001:db8::9",
    "fd01::1",
    "fd02::1",
    "::1",
    "fd03::11",
    "fd03::12",
];

/// A frame that comes in by a device; `number` sets it apart from others.
pub(crate) fn frame(rng: &mut Rng, number: u16) -> (&'static str, Frame) {
    let device = rng.one(&["c0", "c0", "c0", "s0", "p1", "p1", "p2"]);
    let six = rng.chance(45);
    let own = match (device, six) {
        ("c0", false) => rng.one(&["10.1.0.2", "10.1.0.2", "10.1.0.50", "10.1.0.98", "10.1.0.99"]),
        ("c0", true) => rng.one(&["fd01::2", "fd01::2", "fd01::50", "fd01::99"]),
        ("s0", false) => "10.2.0.2",
        ("s0", true) => "fd02::2",
        ("p1", false) => "10.3.0.11",
        ("p1", true) => "fd03::11",
        (_, false) => "10.3.0.12",
        (_, true) => "fd03::12",
    };
    let odd = rng.chance(15);
    // `ip_error` answers the same address a few times only, and that limit belongs to the whole machine.
    let fresh = |net: u8| format!("10.{net}.{}.{}", number >> 8, number & 0xff);
    let fresh = match device {
        "c0" => fresh(11),
        "s0" => fresh(20),
        _ => fresh(13),
    };
    let dst = if six { rng.one(&V6_DESTINATIONS) } else { rng.one(&V4_DESTINATIONS) };
    let refused = ["10.66.", "10.67.", "10.68.", "10.8", "10.9", "192."].iter().any(|net| dst.starts_with(net));
    let dst = if odd && refused { "10.2.0.2" } else { dst };
    let src = match (odd, six) {
        (false, false) if refused || rng.chance(60) => fresh.as_str(),
        (false, _) => own,
        (true, false) => rng.one(&V4_SOURCES),
        (true, true) => rng.one(&V6_SOURCES),
    };
    let (src, dst): (IpAddr, IpAddr) = (src.parse().expect("address"), dst.parse().expect("address"));
    let mut packet = packet(rng, src, dst, number);
    packet.ttl = rng.one(&[64, 64, 64, 64, 1, 2, 255]);
    packet.tos = rng.one(&[0, 0, 0, 0x10, 0xb8, 0x1e]);
    packet.dont_fragment = six || rng.chance(70);
    if rng.chance(15) {
        packet.length_bytes = rng.one(&[1390, 1400, 1401, 1450, 1500]);
    }
    let to = match device {
        "p1" => rng.one(&[router_mac("br0"), router_mac("br0"), host_mac("p2"), router_mac("p1")]),
        "p2" => rng.one(&[router_mac("br0"), router_mac("br0"), host_mac("p1")]),
        device if rng.chance(92) => router_mac(device),
        _ => rng.one(&[MacAddr::BROADCAST, MacAddr([1, 0, 0x5e, 0, 0, 1]), MacAddr([2, 9, 9, 9, 9, 9])]),
    };
    (device, Frame { src_mac: host_mac(device), dst_mac: to, packet })
}

fn packet(rng: &mut Rng, src: IpAddr, dst: IpAddr, number: u16) -> Packet {
    let header = if dst.is_ipv4() { 20 } else { 40 };
    let sport = (10_000 + number % 50_000).into();
    let dport = rng.one(&[80_u16, 81, 82, 83, 84, 85, 7001, 7002, 7003, 7004, 7005, 7011, 7012, 9000]).into();
    match rng.below(12) {
        0..=4 => {
            let syn = TcpFlags::SYN;
            let flags = rng.one(&[syn, syn, syn, syn, TcpFlags::ACK, TcpFlags::RST]);
            Packet::new(src, dst, Protocol::TCP, Transport::Tcp { sport, dport, flags }, header + 20 + 8)
        }
        5..=8 => Packet::udp(src, sport, dst, dport, header + 8 + 12),
        9 => Packet::echo_request(src, dst, number, header + 8 + 16),
        10 => {
            // An error about a packet that nobody sent.
            let kind = if dst.is_ipv4() { rng.one(&[3, 11, 15, 42]) } else { rng.one(&[1, 3, 200]) };
            let cited = Packet::udp(dst, dport, src, sport, header + 8);
            let transport = Transport::Icmp { kind, code: 0, id: 0 };
            let protocol = Protocol::icmp(skoop_model::Family::of(dst));
            let mut packet = Packet::new(src, dst, protocol, transport, header + 8 + header + 8);
            packet.details = Some(Box::new(Details { cited: Some(cited), ..Details::default() }));
            packet
        }
        _ => Packet::new(src, dst, Protocol(rng.one(&[200, 99])), Transport::Other, header + 24),
    }
}

/// Rules of both families: `{net}` and `{host}` differ.
pub(crate) fn rules(six: bool) -> String {
    let (service, one, unreachable, near, odd, no_rst) = if six {
        ("fd96::1", "[fd02::2]", "fd66::1", "fd01::1", "fd01::50", "fd01::99")
    } else {
        ("10.96.0.1", "10.2.0.2", "10.66.0.1", "10.1.0.1", "10.1.0.50", "10.1.0.99")
    };
    let bridged = if six { "[fd03::12]" } else { "10.3.0.12" };
    let near_port = if six { format!("[{near}]") } else { near.to_owned() };
    let icmp = if six { "ipv6-icmp" } else { "icmp" };
    let with = |v4: &'static str, v6: &'static str| if six { v6 } else { v4 };
    let (host, admin) =
        (with("icmp-host-prohibited", "icmp6-addr-unreachable"), with("icmp-admin-prohibited", "icmp6-adm-prohibited"));
    format!(
        "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s {odd} -j MARK --set-mark 7\nCOMMIT\n\
         *nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
         -A PREROUTING -d {service} -p tcp --dport 80 -j DNAT --to-destination {one}:7001\n\
         -A PREROUTING -d {service} -p tcp --dport 81 -j DNAT --to-destination {one}:7002\n\
         -A PREROUTING -d {service} -p tcp --dport 82 -j DNAT --to-destination {unreachable}\n\
         -A PREROUTING -d {service} -p tcp --dport 83 -j DNAT --to-destination {one}:8080\n\
         -A PREROUTING -d {service} -p udp --dport 80:83 -j DNAT --to-destination {one}:7001\n\
         -A PREROUTING -d {service} -p udp --dport 84 -j DNAT --to-destination {near_port}:9\n\
         -A PREROUTING -d {service} -p tcp --dport 85 -j DNAT --to-destination {near_port}:85\n\
         -A PREROUTING -d {service} -p tcp --dport 7005 -j DNAT --to-destination {bridged}:7001\n\
         -A PREROUTING -d {service} -p tcp --dport 7011 -j DNAT --to-destination {bridged}:7002\n\
         -A PREROUTING -d {service} -p tcp --dport 9000 -j DNAT --to-destination {bridged}:9000\n\
         -A POSTROUTING -s {odd} -j MASQUERADE\nCOMMIT\n\
         *filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         -A INPUT -p tcp --dport 7012 -j REJECT --reject-with tcp-reset\n\
         -A INPUT -p tcp --dport 7011 -j REJECT\n-A INPUT -p udp --dport 7011 -j REJECT\n\
         -A FORWARD -p tcp --dport 7002 -j REJECT --reject-with tcp-reset\n\
         -A FORWARD -p tcp --dport 7001 -j REJECT\n-A FORWARD -p udp --dport 7001 -j REJECT\n\
         -A FORWARD -p tcp --dport 7003 -j REJECT --reject-with {host}\n\
         -A FORWARD -p udp --dport 7004 -j REJECT --reject-with {admin}\n\
         -A FORWARD -p {icmp} -d {unreachable} -j REJECT\n\
         -A OUTPUT -d {no_rst} -p tcp -j DROP\n-A OUTPUT -d {no_rst} -p {icmp} -j DROP\nCOMMIT\n"
    )
}
