//! Random nodes and flows, by seed.

use std::fmt::Write as _;

/// `SplitMix64`: the same numbers for the same seed, everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Seeds that follow each other must not give sequences that do.
        let mut random = Self(seed);
        Self(random.next() ^ random.next().rotate_left(32))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        let position = usize::try_from(self.below(choices.len() as u64)).expect("a small number");
        choices.get(position).copied().expect("below the length")
    }
}

/// Devices of a node: `v0` to `v3`, whose other ends `p0` to `p3` are in the same namespace.
const DEVICES: [&str; 4] = ["v0", "v1", "v2", "v3"];

/// A node, as commands.
pub(crate) struct Node {
    pub(crate) links: Vec<String>,
    pub(crate) commands: Vec<String>,
    pub(crate) sysctls: Vec<(String, i64)>,
}

/// One question.
pub(crate) struct FlowText {
    pub(crate) v6: bool,
    pub(crate) dst: String,
    pub(crate) src: Option<String>,
    pub(crate) iif: Option<&'static str>,
    pub(crate) oif: Option<&'static str>,
    pub(crate) mark: u32,
    pub(crate) tos: u8,
    pub(crate) uid: u32,
    /// Protocol by its word, with source and destination port.
    pub(crate) transport: Option<(&'static str, u16, u16)>,
}

impl FlowText {
    /// The words after `ip route get`.
    pub(crate) fn words(&self) -> String {
        let mut words = self.dst.clone();
        let mut push = |name: &str, value: &str| {
            let _ = write!(words, " {name} {value}");
        };
        if let Some(src) = &self.src {
            push("from", src);
        }
        if let Some(iif) = self.iif {
            push("iif", iif);
        }
        if let Some(oif) = self.oif {
            push("oif", oif);
        }
        if self.mark != 0 {
            push("mark", &self.mark.to_string());
        }
        if self.tos != 0 {
            push("tos", &format!("{:#x}", self.tos));
        }
        // Without a word on it the tool's question about an IPv6 packet that came in is of no user at all; a real one
        // is of user 0.
        if self.uid != 0 || (self.v6 && self.iif.is_some()) {
            push("uid", &self.uid.to_string());
        }
        if let Some((protocol, sport, dport)) = self.transport {
            push("ipproto", protocol);
            push("sport", &sport.to_string());
            push("dport", &dport.to_string());
        }
        words
    }
}

impl Node {
    /// Four devices that are up, and these commands.
    pub(crate) fn with_commands(commands: &[&str]) -> Self {
        let commands = commands.iter().map(|command| (*command).to_owned()).collect();
        Self { links: links(&mut Random::new(0), 0), commands, sysctls: Vec::new() }
    }

    pub(crate) fn random(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let random = &mut random;
        let links = links(random, 8);
        let mut commands = Vec::new();
        for v6 in [false, true] {
            addresses(random, v6, &mut commands);
            nexthops(random, v6, &mut commands);
            routes(random, v6, &mut commands);
            neighbours(random, v6, &mut commands);
            // A third of the nodes keep the rules that they were born with.
            if !random.one_in(3) {
                rules(random, v6, &mut commands);
            }
        }
        Self { links, commands, sysctls: sysctls(random) }
    }

    pub(crate) fn flow(&self, random: &mut Random) -> FlowText {
        let v6 = random.one_in(2);
        let input = random.one_in(2);
        let src = (input || random.one_in(3)).then(|| source(random, v6, input, &self.commands)).flatten();
        // The tool's sockets are not bound: with a source IPv6 would only prefer the device.
        let bound = !input && random.one_in(5) && !(v6 && src.is_some());
        let transport = random.one_in(2).then(|| {
            let port = [22, 53, 80, 4000].map(|port: u16| port);
            let sport = *random.pick(&[&port[0], &port[1], &port[2], &port[3]]);
            let dport = *random.pick(&[&port[0], &port[1], &port[2], &port[3]]);
            (random.pick(&["tcp", "udp"]), sport, dport)
        });
        FlowText {
            v6,
            dst: destination(random, v6),
            iif: (input && src.is_some()).then(|| random.pick(&DEVICES)),
            src,
            oif: bound.then(|| random.pick(&DEVICES)),
            mark: if random.one_in(3) { u32::try_from(random.below(4)).expect("small") * 0x10 + 1 } else { 0 },
            tos: if !v6 && random.one_in(4) { *random.pick(&[&4, &8, &0x10]) } else { 0 },
            uid: if !input && random.one_in(4) { 1000 } else { 0 },
            transport,
        }
    }
}

fn links(random: &mut Random, down_one_in: u64) -> Vec<String> {
    let mut commands = vec!["link set lo up".to_owned()];
    for (index, device) in DEVICES.iter().enumerate() {
        commands.push(format!("link add {device} type veth peer name p{index}"));
        for end in [(*device).to_owned(), format!("p{index}")] {
            if down_one_in == 0 || !random.one_in(down_one_in) {
                commands.push(format!("link set {end} up"));
            }
        }
        if down_one_in > 0 && random.one_in(2) {
            commands.push(format!("link set {device} group {}", 1 + random.below(2)));
        }
    }
    commands
}

/// A host address of the small world that everything is drawn from, so that things meet.
fn host(random: &mut Random, v6: bool) -> String {
    let [net, subnet, host] = [4, 2, 6].map(|limit| random.below(limit));
    if v6 { format!("fd0{net}:{subnet}::{}", host + 1) } else { format!("10.{net}.{subnet}.{}", host + 1) }
}

fn destination(random: &mut Random, v6: bool) -> String {
    match random.below(12) {
        0 if v6 => "fe80::7".to_owned(),
        0 => "127.0.0.5".to_owned(),
        1 => if v6 { "2001:db8::1" } else { "192.0.2.1" }.to_owned(),
        2 => if v6 { "::1" } else { "10.1.0.255" }.to_owned(),
        _ => host(random, v6),
    }
}

/// A source: for what comes in any address, for what is sent mostly an own one, since the kernel takes no other.
fn source(random: &mut Random, v6: bool, input: bool, commands: &[String]) -> Option<String> {
    if input {
        let odd = if v6 { ["2001:db8::9", "fd00::1"] } else { ["192.0.2.9", "127.0.0.9"] };
        return Some(if random.one_in(8) { random.pick(&odd).to_owned() } else { host(random, v6) });
    }
    let own: Vec<&str> = commands
        .iter()
        .filter(|command| command.contains("address add") && command.contains(':') == v6)
        .filter_map(|command| command.split_whitespace().nth(if v6 { 3 } else { 2 })?.split('/').next())
        .collect();
    (!own.is_empty()).then(|| random.pick(&own).to_owned())
}

fn prefix(random: &mut Random, v6: bool) -> String {
    let host = host(random, v6);
    let length = if v6 { *random.pick(&[&16, &32, &64, &128]) } else { *random.pick(&[&8, &16, &24, &32]) };
    if random.one_in(6) {
        return "default".to_owned();
    }
    let mut net: ipnet::IpNet = format!("{host}/{length}").parse().expect("a prefix");
    net = net.trunc();
    net.to_string()
}

fn tool(v6: bool) -> &'static str {
    if v6 { "-6 " } else { "" }
}

fn addresses(random: &mut Random, v6: bool, commands: &mut Vec<String>) {
    for device in DEVICES {
        for _ in 0..random.below(3) {
            let length =
                if v6 { *random.pick(&[&32, &64, &64, &128]) } else { *random.pick(&[&16, &24, &24, &30, &32]) };
            let tail = if v6 { " nodad" } else { "" };
            let deprecated = if random.one_in(6) { " valid_lft 4000 preferred_lft 0" } else { "" };
            let scope = if !v6 && random.one_in(8) { " scope link" } else { "" };
            let host = host(random, v6);
            commands.push(format!("{}address add {host}/{length} dev {device}{scope}{deprecated}{tail}", tool(v6)));
        }
        if v6 && random.one_in(2) {
            commands.push(format!("-6 address add fe80::{}/64 dev {device} nodad", 1 + random.below(5)));
        }
    }
    if random.one_in(3) {
        let lo = if v6 { "-6 address add fd03:1::5/128 dev lo nodad" } else { "address add 10.3.1.5/32 dev lo" };
        commands.push(lo.to_owned());
    }
}

fn nexthops(random: &mut Random, v6: bool, commands: &mut Vec<String>) {
    let base = if v6 { 20 } else { 10 };
    for id in 0..2 {
        let (gateway, device) = (host(random, v6), random.pick(&DEVICES));
        commands.push(format!("{}nexthop add id {} via {gateway} dev {device} onlink", tool(v6), base + id));
    }
    commands.push(format!("nexthop add id {} group {}/{},2", base + 2, base, base + 1));
}

fn routes(random: &mut Random, v6: bool, commands: &mut Vec<String>) {
    for number in 0..4 + random.below(16) {
        let mut words = format!("{}route append ", tool(v6));
        let kind = match random.below(16) {
            0 => "blackhole",
            1 => "unreachable",
            2 => "prohibit",
            3 => "throw",
            4 if !v6 => "local",
            _ => "",
        };
        let _ = write!(words, "{kind} {}", prefix(random, v6));
        if v6 && kind.is_empty() && random.one_in(8) {
            let _ = write!(words, " from {}", prefix(random, v6));
        }
        match kind {
            "local" => words.push_str(" dev lo"),
            "" => hops(random, v6, &mut words),
            _ => {}
        }
        if random.one_in(2) {
            let _ = write!(words, " table {}", random.pick(&["100", "101", "102"]));
        }
        let with_source = kind.is_empty() && random.one_in(6);
        if with_source && v6 {
            // Of IPv6 routes that become one multipath route the kernel shows the source of the first one only.
            let _ = write!(words, " metric {}", 100 + number);
        } else if random.one_in(3) {
            let _ = write!(words, " metric {}", random.below(3) * 10);
        }
        if !v6 && random.one_in(8) {
            let _ = write!(words, " tos {:#x}", random.pick(&[&4_u8, &0x10]));
        }
        if with_source {
            let own = source(random, v6, false, commands);
            let _ = own.map(|own| write!(words, " src {own}"));
        }
        commands.push(words);
    }
}

fn hops(random: &mut Random, v6: bool, words: &mut String) {
    let _ = match random.below(8) {
        0 => write!(words, " dev {}", random.pick(&DEVICES)),
        1 => {
            let base = if v6 { 20 } else { 10 };
            write!(words, " nhid {}", base + random.below(3))
        }
        2 | 3 => (0..2 + random.below(2)).try_for_each(|_| {
            let (gateway, device, weight) = (host(random, v6), random.pick(&DEVICES), 1 + random.below(3));
            write!(words, " nexthop via {gateway} dev {device} weight {weight} onlink")
        }),
        _ => write!(words, " via {} dev {} onlink", host(random, v6), random.pick(&DEVICES)),
    };
}

fn neighbours(random: &mut Random, v6: bool, commands: &mut Vec<String>) {
    for _ in 0..random.below(12) {
        let (address, device) = (host(random, v6), random.pick(&DEVICES));
        let state = random.pick(&[
            "nud failed",
            "lladdr 02:00:00:00:00:01 nud permanent",
            "lladdr 02:00:00:00:00:02 nud stale",
        ]);
        commands.push(format!("{}neighbour replace {address} dev {device} {state}", tool(v6)));
    }
}

fn rules(random: &mut Random, v6: bool, commands: &mut Vec<String>) {
    for _ in 0..random.below(9) {
        let mut words = format!("{}rule add priority {}", tool(v6), 10 * random.below(8) + 10);
        if random.one_in(8) {
            words.push_str(" not");
        }
        let from = if random.one_in(2) { prefix(random, v6).replace("default", "all") } else { "all".to_owned() };
        let _ = write!(words, " from {from}");
        if random.one_in(3) {
            let _ = write!(words, " to {}", prefix(random, v6).replace("default", "all"));
        }
        if random.one_in(3) {
            let _ = write!(words, " fwmark {}", random.pick(&["0x1", "0x11/0xff", "0x20/0x20", "0x0/0x10"]));
        }
        if random.one_in(5) {
            let _ = write!(words, " iif {}", random.pick(&["lo", "v0", "v1", "v2", "nowhere"]));
        }
        if random.one_in(8) {
            let _ = write!(words, " oif {}", random.pick(&DEVICES));
        }
        if !v6 && random.one_in(8) {
            let _ = write!(words, " tos {}", random.pick(&["0x4", "0x10"]));
        }
        if random.one_in(8) {
            let _ = write!(words, " uidrange {}", random.pick(&["0-0", "1000-2000", "1-4294967294"]));
        }
        if random.one_in(5) {
            let _ = write!(words, " ipproto {}", random.pick(&["tcp", "udp"]));
        }
        if random.one_in(6) {
            let _ = write!(words, " dport {}", random.pick(&["53", "22-80"]));
        }
        if random.one_in(8) {
            let _ = write!(words, " sport {}", random.pick(&["22", "4000-5000"]));
        }
        let _ = match random.below(12) {
            0 => write!(words, " goto {}", 10 * random.below(8) + 20),
            1 => write!(words, " nop"),
            2 => write!(words, " {}", random.pick(&["blackhole", "unreachable", "prohibit"])),
            _ => write!(words, " table {}", random.pick(&["100", "101", "102", "main", "local", "999"])),
        };
        if random.one_in(4) && words.contains(" table ") {
            let _ = write!(
                words,
                " {}",
                random.pick(&["suppress_prefixlength 0", "suppress_prefixlength 16", "suppress_ifgroup 1"])
            );
        }
        commands.push(words);
    }
    let tool = tool(v6);
    match random.below(8) {
        0 => {
            commands.extend([format!("{tool}rule add priority 200 table local"), format!("{tool}rule del priority 0")]);
        }
        1 => commands.push(format!("{tool}rule del priority 32766")),
        2 if random.one_in(4) => commands.push(format!("{tool}rule flush")),
        _ => {}
    }
}

fn sysctls(random: &mut Random) -> Vec<(String, i64)> {
    let mut values = Vec::new();
    for device in DEVICES.into_iter().chain(["all"]) {
        for (name, limit) in
            [("rp_filter", 3), ("accept_local", 2), ("src_valid_mark", 2), ("route_localnet", 2), ("send_redirects", 2)]
        {
            if random.one_in(3) {
                values.push((format!("net.ipv4.conf.{device}.{name}"), small(random, limit)));
            }
        }
        if device != "all" {
            values.push((format!("net.ipv4.conf.{device}.forwarding"), i64::from(!random.one_in(8))));
            values.push((format!("net.ipv4.conf.{device}.ignore_routes_with_linkdown"), small(random, 2)));
            values.push((format!("net.ipv6.conf.{device}.ignore_routes_with_linkdown"), small(random, 2)));
        }
    }
    values.push(("net.ipv4.fib_multipath_hash_policy".to_owned(), small(random, 2)));
    values.push(("net.ipv6.fib_multipath_hash_policy".to_owned(), small(random, 2)));
    values.push(("net.ipv4.fib_multipath_use_neigh".to_owned(), small(random, 2)));
    values.push(("net.ipv6.conf.all.forwarding".to_owned(), small(random, 2)));
    values
}

fn small(random: &mut Random, limit: u64) -> i64 {
    i64::try_from(random.below(limit)).expect("small")
}
