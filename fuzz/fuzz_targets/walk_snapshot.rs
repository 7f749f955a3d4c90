//! A namespace of the examples, spoiled: lines are left out, doubled, moved to another file or have words of their own or of another
//! line put into them; then packets of any kind are walked through it.
#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use skoop::collect::dump::Files;
use skoop::sim::Namespace;
use skoop::walk::{Ground, WalkPacket};

macro_rules! files {
    ($example:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../examples/walk/", $example, "/", $name)))),*]
    };
}

/// Name and text of each file.
type Dump = &'static [(&'static str, &'static str)];

const EXAMPLES: [Dump; 3] = [
    files!("flannel-node": "bridge-fdb.json" "conntrack.txt" "ip-addr.json" "ip-link.json" "ip-neigh.json" "ip-route.json" "ip-rule.json"
        "ip6-route.json" "ip6-rule.json" "iptables-save.txt" "ipset-save.txt" "nft.txt" "ss.txt" "sysctl.txt"),
    files!("two-backends": "bridge-fdb.json" "conntrack.txt" "ip-addr.json" "ip-link.json" "ip-neigh.json" "ip-route.json" "ip-rule.json"
        "ip6-route.json" "ip6-rule.json" "iptables-save.txt" "iptables-legacy-save.txt" "ip6tables-save.txt" "ipset-save.txt" "ss.txt"
        "sysctl.txt"),
    files!("native-nft": "bridge-fdb.json" "conntrack.txt" "ip-addr.json" "ip-link.json" "ip-neigh.json" "ip-route.json" "ip-rule.json"
        "nft.json" "ss.txt" "sysctl.txt"),
];

/// Words that change what a line means.
const WORDS: &[&str] = &[
    "!",
    "-j",
    "DROP",
    "ACCEPT",
    "RETURN",
    "-g",
    "-m",
    "statistic",
    "--mode",
    "random",
    "nth",
    "--every",
    "0",
    "1",
    "-1",
    "65536",
    "4294967296",
    "10.244.1.2",
    "10.96.0.10",
    "0.0.0.0/0",
    "::/0",
    "fd00::1",
    "224.0.0.1",
    "255.255.255.255",
    "127.0.0.1",
    "::1",
    "lo",
    "eth0",
    "cni0",
    "flannel.1",
    "veth1",
    "lan",
    "wan",
    "MARK",
    "--set-xmark",
    "0x4000/0x4000",
    "MASQUERADE",
    "DNAT",
    "--to-destination",
    "REJECT",
    "TPROXY",
    "--on-port",
    "SNAT",
    "--to-source",
    "NETMAP",
    "--to",
    "CT",
    "--zone",
    "--notrack",
    "TTL",
    "--ttl-set",
    "TEE",
    "--gateway",
    "SYNPROXY",
    "established",
    "dnat",
    "counter",
    "vmap",
    "map",
    "{",
    "}",
    "@",
    "drop",
    "jump",
    "goto",
    "queue",
    "reject",
    "masquerade",
    "fib",
    "daddr",
    "saddr",
    "type",
    "local",
    "oif",
    "numgen",
    "jhash",
    "mod",
    "ct",
    "state",
    "meta",
    "mark",
    "set",
    "tcp",
    "udp",
    "icmp",
    "dport",
    "null",
    "true",
    "[]",
    "table",
    "chain",
    "hook",
    "prerouting",
    "bridge",
    "netdev",
    "ingress",
    "priority",
    "policy",
    "blackhole",
    "unreachable",
];

fn text<'t>(raw: &mut Unstructured<'_>, words: &[&'t str]) -> Result<&'t str> {
    if raw.ratio(3, 4)? { raw.choose(WORDS).copied() } else { raw.choose(words).copied() }
}

/// Puts another word in the place of one in a line.
fn reword(raw: &mut Unstructured<'_>, line: &str, other: &str) -> Result<String> {
    let others: Vec<&str> = other.split([' ', ',', ':']).filter(|word| !word.is_empty()).collect();
    let mut words: Vec<&str> = line.split(' ').collect();
    let at = raw.choose_index(words.len())?;
    let word = if others.is_empty() { "" } else { text(raw, &others)? };
    match raw.int_in_range(0..=2)? {
        0 => words[at] = word,
        1 => words.insert(at, word),
        _ => drop(words.remove(at)),
    }
    Ok(words.join(" "))
}

fn spoil(raw: &mut Unstructured<'_>, dump: Dump) -> Result<Vec<(&'static str, Vec<String>)>> {
    let mut files: Vec<(&str, Vec<String>)> =
        dump.iter().map(|(name, text)| (*name, text.lines().map(str::to_owned).collect())).collect();
    for _ in 0..raw.int_in_range(0..=12)? {
        let file = raw.choose_index(files.len())?;
        let other = raw.choose_index(files.len())?;
        if files[file].1.is_empty() || files[other].1.is_empty() {
            continue;
        }
        let at = raw.choose_index(files[file].1.len())?;
        let from = raw.choose_index(files[other].1.len())?;
        match raw.int_in_range(0..=9)? {
            0 => drop(files[file].1.remove(at)),
            1 => {
                let line = files[other].1[from].clone();
                files[file].1.insert(at, line);
            }
            2 => drop(files.remove(file)),
            3 => files[file].1.swap(at, 0),
            _ => {
                let line = reword(raw, &files[file].1[at], &files[other].1[from])?;
                files[file].1[at] = line;
            }
        }
    }
    Ok(files)
}

fn packet(raw: &mut Unstructured<'_>) -> Result<String> {
    const ADDRESSES: &[&str] = &[
        "10.244.1.2",
        "10.244.1.3",
        "10.244.2.2",
        "10.96.0.10",
        "192.168.0.1",
        "10.1.0.5",
        "10.2.0.1",
        "203.0.113.5",
        "198.51.100.9",
        "127.0.0.1",
        "255.255.255.255",
        "224.0.0.1",
        "0.0.0.0",
        "fd00::1",
        "fe80::1",
        "ff02::1",
        "::1",
        "::",
    ];
    const DEVICES: &[&str] = &["", "eth0: ", "cni0: ", "flannel.1: ", "veth1: ", "lan: ", "wan: ", "lo: ", "local: "];
    const OPTIONS: &[&str] = &[
        "reply",
        "ttl=1",
        "ttl=0",
        "mark=0x4000",
        "len=1500",
        "len=65535",
        "nodf",
        "df",
        "tos=4",
        "syn",
        "ack",
        "syn,ack",
        "established",
        "related",
        "invalid",
        "untracked",
        "new",
        "uid=0",
        "gid=7",
        "type=3",
        "code=4",
        "id=9",
        "dmac=ff:ff:ff:ff:ff:ff",
        "vxlan=1,192.168.0.2,192.168.0.1:8472",
        "smac=02:00:00:00:00:01",
    ];
    let (device, protocol) =
        (raw.choose(DEVICES)?, raw.choose(&["tcp", "udp", "icmp", "icmp6", "sctp", "47", "58", "1", "0"])?);
    let (src, dst) = (raw.choose(ADDRESSES)?, raw.choose(ADDRESSES)?);
    let mut ends =
        [*src, *dst].map(|address| if address.contains(':') { format!("[{address}]") } else { address.to_owned() });
    if matches!(*protocol, "tcp" | "udp" | "sctp") {
        for end in &mut ends {
            let port = raw.choose(&[0, 22, 53, 80, 443, 8005, 8080, 8472, 30080, 40000])?;
            *end = format!("{end}:{port}");
        }
    }
    let mut options = Vec::new();
    for _ in 0..raw.int_in_range(0..=4)? {
        options.push(*raw.choose(OPTIONS)?);
    }
    Ok(format!("{device}{protocol} {} > {} [{}]", ends[0], ends[1], options.join(" ")))
}

fn walk(raw: &mut Unstructured<'_>) -> Result<()> {
    let dump = *raw.choose(&EXAMPLES)?;
    let asked = [packet(raw)?, packet(raw)?];
    let mut files = Files::default();
    for (name, lines) in spoil(raw, dump)? {
        files.insert(name, lines.join("\n"));
    }
    let dumped = files.load();
    let ground = dumped
        .half_seen
        .into_iter()
        .fold(Ground::new(Namespace::new(dumped.snapshot)), |ground, half| ground.blind_to(half.family, half.text));
    for packet in asked {
        if let Ok(packet) = packet.parse::<WalkPacket>() {
            let _ = serde_json::to_string(&ground.walk(&packet)).expect("a result is JSON");
        }
    }
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    // Too few bytes are no fault.
    let _ = walk(&mut Unstructured::new(bytes));
});
