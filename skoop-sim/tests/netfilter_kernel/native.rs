//! The kernel judges native nftables: one rule at a time, and small rulesets of the shapes that are met in the field.

use skoop_sim::Namespace;

use super::generate::{self, Random};
use super::lab::Lab;
use super::{compare, flow};

/// Flows for each ruleset.
const FLOWS: u16 = 8;

/// What stands before `drop` in chain `forward` of an inet table with sets and maps.
const RULES: &[&str] = &[
    // nft_payload.c, nft_cmp.c, nft_range.c
    "ip saddr 10.1.1.2",
    "ip saddr != 10.1.1.2",
    "ip saddr 10.1.1.4/31",
    "ip daddr 10.96.0.0/16",
    "ip daddr != 10.96.0.0-10.96.0.255",
    "ip6 saddr ::/0",
    "tcp dport 80",
    "tcp dport != 80",
    "tcp dport 80-443",
    "tcp dport > 80",
    "tcp dport >= 443",
    "udp dport < 80",
    "udp dport <= 53",
    "udp sport 20000-20003",
    "th dport 53",
    "meta l4proto { tcp, udp } th dport 443",
    "tcp flags syn",
    "tcp flags != syn",
    "tcp flags & (syn | ack) == syn",
    "tcp flags & (fin | syn | rst | ack) != syn",
    "tcp flags { syn, ack }",
    "icmp type echo-request",
    "icmp type { echo-reply, timestamp-request }",
    "icmp type != echo-request",
    "icmp code 0",
    "ip ttl 64",
    "ip ttl < 64",
    "ip dscp cs1",
    "ip dscp != cs0",
    "ip dscp { cs1, 0x04 }",
    "ip version 4",
    "ip hdrlength 5",
    "ip length > 44",
    "ip protocol udp",
    "ip protocol { tcp, icmp }",
    "ip frag-off & 0x1fff == 0",
    "ip frag-off & 0x4000 != 0",
    "udp length > 10",
    "@nh,72,8 0x11",
    "@th,16,16 80",
    "@nh,128,16 0x0a60",
    "@nh,8,8 & 0xfc == 0x10",
    "ether saddr 02:00:00:00:00:02",
    "ether saddr != 02:00:00:00:00:02",
    "ether type ip",
    // nft_meta.c
    "iifname \"c0\"",
    "iifname != \"c0\"",
    "iifname \"c*\"",
    "oifname \"s0\"",
    "iif c0",
    "iif != c0",
    "iifname { \"c0\", \"x9\" }",
    "iifname . oifname { \"c0\" . \"s0\" }",
    "iifgroup 0",
    "iiftype ether",
    "meta iifkind \"veth\"",
    "meta nfproto ipv4",
    "meta nfproto ipv6",
    "meta protocol ip",
    "meta l4proto icmp",
    "meta l4proto != icmp",
    "meta length 36-40",
    "meta mark 0",
    "meta mark != 0",
    "meta pkttype unicast",
    "meta pkttype broadcast",
    "meta skuid 0",
    "meta skuid != 0",
    // nft_ct.c
    "ct state new",
    "ct state established,related",
    "ct state != established",
    "ct state { new, invalid }",
    "ct state invalid",
    "ct state vmap { invalid : drop, established : accept } ip saddr 10.1.1.2",
    "ct direction reply",
    "ct direction original",
    "ct mark 0",
    "ct status dnat",
    "ct status ! dnat",
    "ct status seen-reply",
    "ct status snat,dnat",
    "ct original ip saddr 10.1.1.2",
    "ct original ip daddr 10.96.0.1",
    "ct reply ip saddr 10.2.1.2",
    "meta l4proto tcp ct original proto-dst 80",
    "meta l4proto udp ct reply proto-src 53",
    "ct protocol udp",
    "ct l3proto ipv4",
    "ct zone 0",
    // nft_fib.c
    "fib saddr . iif oif exists",
    "fib saddr . iif oif missing",
    "fib saddr oif s0",
    "fib saddr oifname \"c0\"",
    "fib daddr type local",
    "fib daddr type unicast",
    "fib saddr type != unicast",
    "fib daddr . iif type local",
    // nft_lookup.c, sets
    "ip saddr { 10.1.1.2, 10.1.1.4 }",
    "ip saddr != { 10.1.1.2, 10.1.1.4 }",
    "ip saddr { 10.1.1.0-10.1.1.3, 10.9.0.0/16 }",
    "ip daddr @addresses",
    "ip daddr != @addresses",
    "ip daddr @networks",
    "ip daddr . tcp dport @services",
    "ip daddr . meta l4proto . th dport @triples",
    "ip saddr . udp dport @boxes",
    "tcp dport @empty",
    "tcp dport != @empty",
    "tcp dport { 80, 443 } ip saddr 10.1.1.2",
    "ip daddr . tcp dport { 10.96.0.1 . 80, 10.2.1.2 . 443 }",
    "ip saddr . ip daddr { 10.1.1.0/30 . 10.96.0.0/16 }",
    // nft_bitwise.c
    "meta mark & 0xff == 0",
    "ip saddr & 0.0.0.1 == 0.0.0.1",
    "ip daddr & 255.255.0.0 == 10.96.0.0",
    "tcp dport & 0x1 == 1",
    "meta mark set 0x10 meta mark & 0x30 == 0x10",
    "meta mark set meta mark | 0x4000 meta mark 0x4000",
    "meta mark set tcp dport map { 80 : 1, 443 : 2 } meta mark 2",
    "meta mark set ip saddr map @marks meta mark 5",
    "ct mark set 0x7 ct mark 7",
    "ct mark set meta mark",
    // others
    "counter",
    "limit rate 1000000/second",
    "quota over 100 mbytes",
    "quota until 100 mbytes",
    "jhash ip saddr mod 2 seed 0x1234 == 0",
    "jhash ip saddr . ip daddr mod 4 seed 0x1 != 2",
    "jhash ip saddr . tcp dport mod 4 seed 0x1 1",
    "tcp option maxseg exists",
    "tcp option maxseg missing",
    "tcp option timestamp missing",
    "ip option rr exists",
    "ip option lsrr missing",
    "meta ipsec missing",
    "exthdr hbh exists",
    "comment \"all of it\"",
];

const SETS: &str = "
    set addresses { type ipv4_addr; elements = { 10.96.0.1, 10.2.1.2 } }
    set networks { type ipv4_addr; flags interval; elements = { 10.96.0.0/24, 10.2.1.4-10.2.1.9 } }
    set services { type ipv4_addr . inet_service; elements = { 10.96.0.1 . 80, 10.96.1.1 . 443 } }
    set triples { type ipv4_addr . inet_proto . inet_service; elements = { 10.96.0.1 . udp . 53, 10.96.0.1 . tcp . 80, 10.2.1.2 . icmp . 0 } }
    set boxes { type ipv4_addr . inet_service; flags interval; elements = { 10.1.1.0/30 . 50-90, 10.1.1.4 . 443, 10.1.0.0/16 . 8080 } }
    set empty { type inet_service; }
    map marks { type ipv4_addr : mark; elements = { 10.1.1.2 : 5, 10.1.1.3 : 6 } }";

/// Whole rulesets.
const RULESETS: &[&str] = &[
    // Jumps, gotos, returns, policies.
    "table ip t { chain a { ip saddr 10.1.1.2 return; tcp dport 80 drop; }
       chain b { udp dport 53 goto a; meta l4proto icmp accept; }
       chain f { type filter hook forward priority filter; policy drop; jump a; jump b; ct state established accept; tcp dport { 80, 443 } accept; } }",
    // accept ends one base chain, drop all.
    "table inet one { chain f { type filter hook forward priority -5; policy accept; tcp dport 80 accept; } }
     table inet two { chain f { type filter hook forward priority 5; policy accept; tcp dport 80 drop; udp dport 53 reject; } }",
    // Verdict maps.
    "table inet t { chain web { tcp flags & syn == syn accept; drop; }
       chain f { type filter hook forward priority 0; tcp dport vmap { 80 : jump web, 443 : drop, 50-60 : accept }; ip saddr . meta l4proto vmap { 10.1.1.2 . udp : drop, 10.1.1.3 . icmp : drop }; udp dport 8080 reject with icmpx admin-prohibited; icmp type echo-request reject with icmp host-prohibited; tcp dport 8080 reject with tcp reset; } }",
    // kube-proxy in nftables mode.
    "table ip kube-proxy {
       map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.96.0.1 . tcp . 80 : goto service-web, 10.96.0.1 . udp . 53 : goto service-dns } }
       map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.96.1.1 . tcp . 443 : goto reject-chain, 10.96.1.1 . udp . 53 : drop } }
       set cluster-ips { type ipv4_addr; elements = { 10.96.0.1, 10.96.1.1 } }
       chain reject-chain { reject; }
       chain mark-for-masquerade { meta mark set meta mark or 0x4000; }
       chain masquerading { meta mark & 0x4000 == 0 return; meta mark set meta mark ^ 0x4000; masquerade fully-random; }
       chain endpoint-a { ip saddr 10.1.1.2 jump mark-for-masquerade; meta l4proto tcp dnat to 10.2.1.2:8080; }
       chain endpoint-b { ip saddr 10.1.1.3 jump mark-for-masquerade; meta l4proto tcp dnat to 10.2.1.7:8080; }
       chain service-web { ip saddr != 10.1.1.0/30 jump mark-for-masquerade; numgen random mod 2 vmap { 0 : goto endpoint-a, 1 : goto endpoint-b }; }
       chain service-dns { meta l4proto udp dnat to 10.2.1.2:53; }
       chain services { ip daddr . meta l4proto . th dport vmap @service-ips; fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap { tcp . 8080 : goto service-web }; }
       chain filter-forward { type filter hook forward priority -110; policy accept; ct state new jump no-endpoints; jump cluster-check; }
       chain no-endpoints { ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }
       chain cluster-check { ip daddr @cluster-ips reject; }
       chain nat-prerouting { type nat hook prerouting priority dstnat; policy accept; jump services; }
       chain nat-postrouting { type nat hook postrouting priority srcnat; policy accept; jump masquerading; } }",
    // NAT of all kinds.
    "table ip nat { map backends { type inet_service : ipv4_addr . inet_service; elements = { 80 : 10.2.1.2 . 8081, 443 : 10.2.1.7 . 8443 } }
       chain pre { type nat hook prerouting priority -100; ip daddr 10.96.0.1 dnat to tcp dport map @backends; ip daddr 10.96.0.1 udp dport 53 dnat to 10.2.1.2; ip daddr 10.96.1.1 dnat to 10.2.1.2-10.2.1.4; ip daddr 10.1.0.1 tcp dport 80 redirect to :8080; }
       chain post { type nat hook postrouting priority 100; ip saddr 10.1.1.2 masquerade; ip saddr 10.1.1.3 snat to 10.1.0.1; ip saddr 10.1.1.4 ip protocol tcp snat to 10.2.0.1:4000-4100; } }",
    "table inet nat { chain pre { type nat hook prerouting priority dstnat; ip daddr 10.96.0.0/16 dnat ip prefix to 10.2.1.0/24; tcp dport 443 dnat ip to 10.2.1.2:80; }
       chain post { type nat hook postrouting priority srcnat; oifname \"s0\" ip saddr 10.1.1.2-10.1.1.3 meta l4proto { tcp, udp } masquerade to :5000-5010; } }",
    // Two nat chains at one hook: the first one that decides wins.
    "table ip a { chain pre { type nat hook prerouting priority -101; ip daddr 10.96.0.1 tcp dport 80 dnat to 10.2.1.2; } }
     table ip b { chain pre { type nat hook prerouting priority -100; ip daddr 10.96.0.1 dnat to 10.2.1.7; } }",
    // raw, mangle, marks, zones.
    "table inet t { chain raw { type filter hook prerouting priority raw; tcp dport 80 notrack; udp dport 53 ct zone set 5; ip saddr 10.1.1.2 meta mark set 3; }
       chain f { type filter hook forward priority 0; ct state untracked drop; ct zone 5 drop; meta mark 3 drop; } }",
    "table ip t { chain pre { type filter hook prerouting priority mangle; ip dscp set cs2; ip ttl set 33; ct state new ct mark set 0x9; meta mark set ct mark; }
       chain f { type filter hook forward priority 0; meta mark != 9 drop; ip ttl != 32 drop; tcp dport 80 tcp dport set 81; tcp dport 443 drop; } }",
    // firewalld.
    "table inet firewalld { chain pre { type filter hook prerouting priority filter + 10; icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept; meta nfproto ipv6 fib saddr . mark . iif oif missing drop; }
       chain forw { type filter hook forward priority filter + 10; ct state { established, related } accept; ct status dnat accept; iifname \"lo\" accept; ct state invalid drop; ip6 daddr { ::/96, 2002:a00::/24 } reject with icmpv6 addr-unreachable; jump all_zones; reject with icmpx admin-prohibited; }
       chain all_zones { iifname \"c0\" goto public; goto other; }
       chain public { jump public_pre; jump public_allow; meta l4proto { icmp, ipv6-icmp } accept; }
       chain public_pre { }
       chain public_allow { tcp dport 80 accept; udp dport 53 ct state { new, untracked } accept; }
       chain other { accept; } }",
    // At the device.
    "table netdev t { chain i { type filter hook ingress device \"c0\" priority 0; ip saddr 10.1.1.2 drop; udp dport 53 drop; ether saddr 02:00:00:00:00:99 drop; meta iifname \"c0\" tcp dport 443 counter; } }",
    "table inet t { chain i { type filter hook ingress device \"c0\" priority 0; ip saddr 10.1.1.3 drop; tcp dport 80 drop; } }",
    // Sets that rules fill (nft_dynset.c).
    "table ip t { set seen { type inet_service; flags dynamic; }
       chain f { type filter hook forward priority 0; tcp dport @seen drop; tcp dport 80 add @seen { tcp sport }; tcp sport @seen reject; tcp sport 20002 delete @seen { tcp sport }; } }",
];

/// Lets the packets pass that mark the end of a flow: a rule in front of every base chain.
fn with_markers(ruleset: &str) -> String {
    let mut parts = ruleset.split("priority ");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (priority, rest) = part.split_once("; ").expect("a priority ends");
        let (policy, rest) = match rest.split_once("; ") {
            Some((policy, rest)) if policy.starts_with("policy") => (format!(" {policy};"), rest),
            _ => (String::new(), rest),
        };
        all += &format!("priority {priority};{policy} udp dport 9 accept; {rest}");
    }
    all
}

#[test]
#[ignore = "needs root: run by make test"]
fn native_rules_fare_as_in_the_kernel() {
    let mut lab = Lab::build("n");
    let mut wrong = Vec::new();
    let only = std::env::var("SKOOP_ONLY").unwrap_or_default();
    let single = RULES.iter().map(|rule| {
        let verdict = if rule.contains("comment") { format!("drop {rule}") } else { format!("{rule} drop") };
        format!("table inet t {{ {SETS}\n chain f {{ type filter hook forward priority filter; policy accept; {verdict}; }} }}")
    });
    let whole = RULESETS.iter().map(|ruleset| (*ruleset).to_owned());
    for (seed, ruleset) in (0..).zip(single.chain(whole)).filter(|(_, ruleset)| ruleset.contains(&only)) {
        lab.load_native(&with_markers(&ruleset));
        let namespace = Namespace::new(lab.snapshot());
        let random = &mut Random::new(seed);
        for problem in namespace.netfilter().problems() {
            wrong.push(format!("{ruleset}: {problem:?}"));
        }
        for number in 0..FLOWS {
            let sent = flow(&mut lab, &generate::packet(random, number));
            if let Some(difference) = compare(&namespace, &sent) {
                wrong.push(format!("{difference}\n{ruleset}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
