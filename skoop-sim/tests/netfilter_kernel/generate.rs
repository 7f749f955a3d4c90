//! Random rule sets and packets, by seed.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use skoop_model::{Packet, Port, Protocol, TcpFlags, Transport};

use super::lab::SENTINEL;
use super::wire;

/// `SplitMix64`: the same numbers for the same seed, everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).expect("small")).expect("small")
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        *choices.get(self.below(choices.len())).expect("below the length")
    }
}

/// Matches that need no particular protocol or hook.
const MATCHES: [&str; 44] = [
    "-s 10.1.1.0/30",
    "! -s 10.1.1.0/30",
    "-s 10.1.1.3/32",
    "-d 10.96.0.1/32",
    "! -d 10.96.0.0/24",
    "-d 10.2.1.2/32",
    "-d 10.0.0.2/255.0.0.255",
    "-p tcp",
    "! -p tcp",
    "-p udp",
    "-p icmp",
    "-p tcp -m tcp --dport 80",
    "-p tcp -m tcp ! --dport 80",
    "-p tcp -m tcp --sport 1024:30000",
    "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
    "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN",
    "-p udp -m udp --dport 53",
    "-p udp -m udp ! --dport 50:60",
    "-p tcp -m multiport --dports 80,443,8000:9000",
    "-p udp -m multiport ! --ports 53",
    "-p icmp -m icmp --icmp-type 8",
    "-p icmp -m icmp ! --icmp-type 8/0",
    "-m mark --mark 0x1/0x1",
    "-m mark ! --mark 0x4/0xc",
    "-m mark --mark 0x0",
    "-m connmark --mark 0x2/0x2",
    "-m connmark ! --mark 0x0",
    "-m conntrack --ctstate NEW",
    "-m conntrack --ctstate RELATED,ESTABLISHED",
    "-m conntrack ! --ctstate NEW",
    "-m conntrack --ctstate INVALID",
    "-m conntrack --ctstate UNTRACKED",
    "-m conntrack --ctstate DNAT",
    "-m conntrack --ctstate SNAT",
    "-m conntrack --ctdir REPLY",
    "-m conntrack --ctorigdst 10.96.0.0/16",
    "-m conntrack ! --ctstatus SEEN_REPLY",
    "-m addrtype --dst-type LOCAL",
    "-m addrtype ! --src-type LOCAL --dst-type UNICAST",
    "-m iprange ! --src-range 10.1.1.2-10.1.1.4",
    "-m length --length 0:40",
    "-m ttl --ttl-lt 64",
    "-m dscp ! --dscp 0x04",
    "-m tos --tos 0x10/0x10",
];

/// Matches on devices, with whether there is one to come in by and one to leave by.
const DEVICES: [(&str, bool, bool); 6] = [
    ("-i c0", true, false),
    ("! -i c0", true, false),
    ("-i c+", true, false),
    ("-o s0", false, true),
    ("! -o s+", false, true),
    ("-i s0 -o c0", true, true),
];

const MARKS: [&str; 9] = [
    "MARK --set-xmark 0x1/0x1",
    "MARK --set-xmark 0x4/0xff",
    "MARK --set-mark 0x3/0x2",
    "MARK --or-mark 0x8",
    "MARK --xor-mark 0x5",
    "MARK --and-mark 0xc",
    "CONNMARK --set-xmark 0x2/0x3",
    "CONNMARK --save-mark --nfmask 0xf --ctmask 0xff",
    "CONNMARK --restore-mark --nfmask 0xff --ctmask 0x7",
];

/// The rules of a node: text for each backend.
pub(crate) struct Rules {
    pub(crate) legacy: String,
    pub(crate) nft: String,
}

impl Rules {
    pub(crate) fn random(random: &mut Random) -> Self {
        match random.below(3) {
            0 => Self { legacy: tables(random), nft: String::new() },
            1 => Self { legacy: String::new(), nft: tables(random) },
            // Two nat tables at one hook: which one comes first hangs on who registered first.
            _ => Self { legacy: without_nat(&tables(random)), nft: tables(random) },
        }
    }
}

fn without_nat(text: &str) -> String {
    text.split_inclusive("COMMIT\n").filter(|table| !table.starts_with("*nat")).collect()
}

fn tables(random: &mut Random) -> String {
    let mut text = String::new();
    let hooks: [(&str, &[&str]); 4] = [
        ("raw", &["PREROUTING"]),
        ("mangle", &["PREROUTING", "INPUT", "FORWARD", "POSTROUTING"]),
        ("nat", &["PREROUTING", "INPUT", "POSTROUTING"]),
        ("filter", &["INPUT", "FORWARD"]),
    ];
    for (table, chains) in hooks {
        if random.one_in(3) {
            continue;
        }
        let _ = writeln!(text, "*{table}");
        for chain in chains {
            let policy = if table == "filter" && random.one_in(6) { "DROP" } else { "ACCEPT" };
            let _ = writeln!(text, ":{chain} {policy} [0:0]");
        }
        text += ":UA - [0:0]\n:UB - [0:0]\n";
        for chain in chains {
            // What marks the end of a test always passes.
            let _ = writeln!(text, "-A {chain} -s {SENTINEL}/32 -j ACCEPT\n-A {chain} -d {SENTINEL}/32 -j ACCEPT");
            if *chain == "POSTROUTING" {
                // The router's own errors too: what comes back tells rejected from dropped.
                text += "-A POSTROUTING -p icmp -m icmp --icmp-type 3 -j ACCEPT\n";
            }
            for _ in 0..random.below(5) {
                rule(random, table, chain, &mut text);
            }
        }
        for chain in ["UA", "UB"] {
            for _ in 0..=random.below(3) {
                rule(random, table, chain, &mut text);
            }
        }
        text += "COMMIT\n";
    }
    text
}

fn rule(random: &mut Random, table: &str, chain: &str, text: &mut String) {
    let user = chain.starts_with('U');
    let mut matches = Vec::new();
    if !random.one_in(8) {
        matches.push(random.pick(&MATCHES));
    }
    if random.one_in(3) {
        let second = random.pick(&MATCHES);
        // One protocol to a rule.
        if matches.iter().all(|first| {
            !(first.contains("-p ") && second.contains("-p "))
                && first.split(' ').nth(usize::from(first.starts_with('!')))
                    != second.split(' ').nth(usize::from(second.starts_with('!')))
        }) {
            matches.push(second);
        }
    }
    let (has_in, has_out) = match chain {
        "PREROUTING" | "INPUT" => (true, false),
        "FORWARD" => (true, true),
        "POSTROUTING" => (false, true),
        _ => (false, false),
    };
    if random.one_in(4) {
        let (device, needs_in, needs_out) = random.pick(&DEVICES);
        if (!needs_in || has_in) && (!needs_out || has_out) {
            matches.push(device);
        }
    }
    let target = target(random, table, chain, user);
    let _ = writeln!(text, "-A {chain} {} {target}", matches.join(" "));
}

fn target(random: &mut Random, table: &str, chain: &str, user: bool) -> String {
    let next = if chain == "UA" { "UB" } else { "UA" };
    if chain != "UB" && random.one_in(4) {
        return format!("{} {next}", random.pick(&["-j", "-j", "-g"]));
    }
    if random.one_in(6) {
        return "-j RETURN".to_owned();
    }
    let special = match (table, chain) {
        ("filter", _) => {
            random.pick(&["DROP", "REJECT", "REJECT --reject-with icmp-host-prohibited", "ACCEPT", "ACCEPT"])
        }
        ("raw", _) => random.pick(&["NOTRACK", "DROP", "MARK --set-xmark 0x1/0x3", "ACCEPT"]),
        ("mangle", _) if random.one_in(5) => {
            random.pick(&["DROP", "ACCEPT", "TOS --set-tos 0x10/0x3f", "DSCP --set-dscp 0x04", "TTL --ttl-set 33"])
        }
        ("mangle", _) => random.pick(&MARKS),
        ("nat", "PREROUTING") => random.pick(&[
            "DNAT --to-destination 10.2.1.7",
            "DNAT --to-destination 10.2.1.2",
            "DNAT --to-destination 10.2.1.2-10.2.1.4",
            "NETMAP --to 10.2.1.0/24",
            "REDIRECT",
            "ACCEPT",
        ]),
        ("nat", "POSTROUTING") => random.pick(&[
            "MASQUERADE",
            "SNAT --to-source 10.2.0.1",
            "SNAT --to-source 10.1.1.0-10.1.1.4",
            "SNAT --to-source 10.1.0.1-10.1.0.2",
            "MASQUERADE --random-fully",
        ]),
        // User chains may be reached from any hook.
        _ => random.pick(&["ACCEPT", "MARK --set-xmark 0x1/0x1", "RETURN"]),
    };
    if table == "mangle" && special.is_empty() && user {
        return "-j RETURN".to_owned();
    }
    let statistic = if random.one_in(12) { "-m statistic --mode random --probability 0.50000000000 " } else { "" };
    format!("{statistic}-j {special}")
}

/// A packet from the client; `number` keeps flows apart.
pub(crate) fn packet(random: &mut Random, number: u16) -> Packet {
    let address = |octets: [u8; 4]| IpAddr::V4(Ipv4Addr::from(octets));
    let src = address([10, 1, 1, 2 + u8::try_from(random.below(6)).expect("small")]);
    let dst = address(random.pick(&[
        [10, 96, 0, 1],
        [10, 96, 0, 1],
        [10, 96, 1, 1],
        [10, 2, 1, 2],
        [10, 2, 1, 7],
        [10, 1, 0, 1],
        [10, 2, 0, 1],
    ]));
    let (sport, dport) = (Port(20_000 + number), Port(random.pick(&[53, 80, 443, 8080])));
    let (protocol, transport) = match random.below(5) {
        0 | 1 => {
            let flags = random.pick(&[0x02, 0x02, 0x02, 0x02, 0x10, 0x12, 0x04, 0x01, 0x00, 0x03, 0x18]);
            (Protocol::TCP, Transport::Tcp { sport, dport, flags: TcpFlags(flags) })
        }
        2 | 3 => (Protocol::UDP, Transport::Udp { sport, dport }),
        _ => (Protocol::ICMP, Transport::Icmp { kind: random.pick(&[8, 8, 8, 0, 13]), code: 0, id: number }),
    };
    let mut packet = Packet::new(src, dst, protocol, transport, 0);
    packet.ttl = random.pick(&[64, 64, 63, 128]);
    packet.tos = random.pick(&[0, 0, 0x10, 0x08]);
    packet.length_bytes = wire::length(&packet);
    packet
}
