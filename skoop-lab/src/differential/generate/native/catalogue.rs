//! What rules of nftables ask and do. `<<net>>`, `<<port>>` and the like are filled in with what occurs.

/// Where something may stand.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Needs {
    Nothing,
    V4,
    V6,
    /// In chains on these hooks.
    Hooks(&'static [&'static str]),
    /// Anywhere but for the hooks of devices, where there is no flow and no route yet.
    Inet,
}

use Needs::{Hooks, Inet, Nothing, V4, V6};

impl Needs {
    pub fn fits(self, six: bool, hook: &str) -> bool {
        match self {
            Nothing => true,
            V4 => !six,
            V6 => six,
            Hooks(hooks) => hooks.contains(&hook),
            Inet => hook != "link",
        }
    }
}

const IN: &[&str] = &["prerouting", "input", "forward"];
const OUT: &[&str] = &["forward", "output", "postrouting"];
const LOCAL: &[&str] = &["output", "postrouting"];
const MIDDLE: &[&str] = &["input", "forward", "output"];

pub(in super::super) const MATCHES: &[(Needs, &str)] = &[
    (V4, "ip saddr <<net>>"),
    (V4, "ip daddr <<net>>"),
    (V4, "ip saddr != <<net>>"),
    (V4, "ip daddr != <<net>>"),
    (V4, "ip daddr { <<any>>, 10.99.0.1, 10.99.0.2 }"),
    (V4, "ip saddr . ip daddr { <<host>> . <<any>>, <<host>> . <<own>> }"),
    (V4, "ip daddr . tcp dport { <<any>> . <<port>>, <<own>> . <<port>> }"),
    (V4, "ip daddr 10.1.0.2-10.3.0.4"),
    (V4, "ip protocol tcp"),
    (V4, "ip protocol != udp"),
    (V4, "ip ttl < 64"),
    (V4, "ip ttl 64"),
    (V4, "ip length > 50"),
    (V4, "ip dscp 0x0a"),
    (V4, "ip dscp != 0x00"),
    (V4, "ip ecn 0"),
    (V4, "ip frag-off & 0x4000 != 0"),
    (V4, "icmp type echo-request"),
    (V4, "icmp type { echo-reply, destination-unreachable }"),
    (V4, "@nh,72,8 0x06"),
    (V4, "@nh,128,8 0x0a"),
    (V4, "ip saddr & 255.0.255.255 == 10.0.0.2"),
    (V6, "ip6 saddr <<net>>"),
    (V6, "ip6 daddr <<net>>"),
    (V6, "ip6 saddr != <<net>>"),
    (V6, "ip6 daddr != <<net>>"),
    (V6, "ip6 daddr { <<any>>, fd99::1, fd99::2 }"),
    (V6, "ip6 daddr . udp dport { <<any>> . <<port>>, <<own>> . <<port>> }"),
    (V6, "ip6 nexthdr tcp"),
    (V6, "ip6 hoplimit < 64"),
    (V6, "ip6 dscp 0x0a"),
    (V6, "icmpv6 type echo-request"),
    (V6, "icmpv6 type { echo-reply, destination-unreachable }"),
    (V6, "@nh,48,8 0x11"),
    (V6, "exthdr frag missing"),
    (Nothing, "meta l4proto tcp"),
    (Nothing, "meta l4proto { tcp, udp }"),
    (Nothing, "meta l4proto != icmp"),
    (Nothing, "meta l4proto sctp"),
    (Nothing, "meta l4proto { tcp, udp } th dport <<port>>"),
    (Nothing, "meta l4proto { tcp, udp } th dport { 53, 443, 8000-9000 }"),
    (Nothing, "meta l4proto tcp @th,16,16 80"),
    (Nothing, "tcp dport <<port>>"),
    (Nothing, "tcp dport != <<port>>"),
    (Nothing, "tcp dport 80-443"),
    (Nothing, "tcp sport 20000-20020"),
    (Nothing, "tcp flags syn"),
    (Nothing, "tcp flags & (fin|syn|rst|ack) == syn"),
    (Nothing, "tcp flags & (fin|syn|rst|ack) != syn"),
    (Nothing, "udp dport <<port>>"),
    (Nothing, "udp dport != 53"),
    (Nothing, "udp length > 20"),
    (Nothing, "sctp dport <<port>>"),
    (Nothing, "meta mark 0x1"),
    (Nothing, "meta mark & 0x3 == 0x1"),
    (Nothing, "meta mark != 0x0"),
    (Nothing, "meta length > 50"),
    (Nothing, "meta pkttype unicast"),
    (Inet, "meta nfproto ipv4"),
    (Inet, "ct state new"),
    (Inet, "ct state established,related"),
    (Inet, "ct state invalid"),
    (Inet, "ct state != new"),
    (Inet, "ct state untracked"),
    (Inet, "ct direction reply"),
    (Inet, "ct mark 0x1"),
    (Inet, "ct mark & 0x3 != 0"),
    (Inet, "ct status dnat"),
    (Inet, "ct status & seen-reply != 0"),
    (Inet, "ct original proto-dst <<port>>"),
    (Hooks(IN), "iifname \"<<dev>>\""),
    (Hooks(IN), "iifname != \"e*\""),
    (Hooks(IN), "iifname { \"e0\", \"<<dev>>\" }"),
    (Hooks(OUT), "oifname \"<<dev>>\""),
    (Hooks(OUT), "oifname \"e*\""),
    (Inet, "fib daddr type local"),
    (Inet, "fib daddr type != local"),
    (Inet, "fib saddr type local"),
    (Hooks(IN), "fib saddr . iif oif missing"),
    (Hooks(IN), "fib saddr . mark . iif oif exists"),
    (Hooks(LOCAL), "meta skuid 1000"),
    (Hooks(LOCAL), "meta skuid != 0"),
];

pub(in super::super) const BRIDGE_MATCHES: &[(Needs, &str)] = &[
    (Nothing, "ether saddr 02:04:0a:09:00:02"),
    (Nothing, "ether daddr != 02:00:00:00:00:09"),
    (Nothing, "ether type ip"),
    (Nothing, "ether type ip6"),
    (Hooks(IN), "iifname \"<<wire>>\""),
    (Hooks(OUT), "oifname \"<<wire>>\""),
    (Hooks(&["prerouting", "input", "forward"]), "meta ibrname \"br0\""),
];

pub(in super::super) const ACTIONS: &[(Needs, &str)] = &[
    (Nothing, "accept"),
    (Nothing, "accept"),
    (Nothing, "drop"),
    (Nothing, "drop"),
    (Nothing, "return"),
    (Nothing, "continue"),
    (Hooks(MIDDLE), "reject"),
    (Hooks(MIDDLE), "reject with icmpx admin-prohibited"),
    (Hooks(MIDDLE), "meta l4proto tcp reject with tcp reset"),
    (Nothing, "meta mark set 0x1"),
    (Nothing, "meta mark set 0x4"),
    (Nothing, "meta mark set meta mark | 0x2"),
    (Nothing, "meta mark set meta mark & 0xfffffffc"),
    (Nothing, "meta mark set meta mark ^ 0x5"),
    (Nothing, "meta mark set tcp dport map { 80 : 0x1, 443 : 0x4 }"),
    (Nothing, "meta mark set numgen inc mod 1 offset 1"),
    (Inet, "ct mark set meta mark"),
    (Inet, "meta mark set ct mark"),
    (Inet, "ct mark set 0x1"),
    (V4, "ip ttl set 33"),
    (V4, "ip dscp set 0x04"),
    (V6, "ip6 hoplimit set 33"),
    (V6, "ip6 dscp set 0x04"),
    (Nothing, "tcp dport vmap { 80 : drop, 443 : accept, 53 : return }"),
    (Nothing, "meta l4proto vmap { tcp : accept, udp : drop, icmp : continue }"),
    (V4, "ip daddr vmap @v4"),
    (V6, "ip6 daddr vmap @v6"),
    (V4, "ip saddr @s4 drop"),
    (V4, "ip daddr @i4 accept"),
    (V4, "ip daddr != @i4 drop"),
    (V4, "ip daddr . th dport @c4 drop"),
    (V6, "ip6 saddr @s6 drop"),
    (V6, "ip6 daddr @i6 accept"),
    (V6, "ip6 daddr . th dport @c6 drop"),
    (Hooks(&["prerouting", "output"]), "notrack"),
    (Hooks(MIDDLE), "ct state vmap { established : accept, related : accept, invalid : drop }"),
    (Nothing, "numgen random mod 2 vmap { 0 : drop, 1 : accept }"),
    (Nothing, "limit rate 10000/second burst 10000 packets accept"),
    (Nothing, "log prefix \"seen\""),
];

pub(in super::super) const NAT_ACTIONS: &[(Needs, &str)] = &[
    (Hooks(&["prerouting", "output"]), "dnat to <<host>>"),
    (Hooks(&["prerouting", "output"]), "dnat to <<host>>"),
    (Hooks(&["prerouting", "output"]), "dnat to <<any>>"),
    (Hooks(&["prerouting", "output"]), "redirect"),
    (Hooks(&["prerouting", "output"]), "meta l4proto tcp redirect to :80"),
    (Hooks(&["postrouting"]), "masquerade"),
    (Hooks(&["postrouting"]), "masquerade fully-random"),
    (Hooks(&["postrouting"]), "snat to <<own>>"),
    (Hooks(&["postrouting"]), "snat to <<host>>"),
    (Nothing, "accept"),
    (Nothing, "return"),
    (Nothing, "meta mark set 0x1"),
];

pub(in super::super) const LINK_ACTIONS: &[(Needs, &str)] =
    &[(Nothing, "accept"), (Nothing, "drop"), (Nothing, "meta mark set 0x1"), (Nothing, "meta mark set 0x4")];
