//! Rule sets of nftables, of every family.

mod catalogue;

use super::super::case::Node;
use super::super::random::Random;
use super::{PORTS, Pool};
use catalogue::{ACTIONS, BRIDGE_MATCHES, LINK_ACTIONS, MATCHES, NAT_ACTIONS, Needs};

/// Chains on hooks: name, hook, and priorities to choose from.
const HOOKS: [(&str, &[&str]); 5] = [
    ("prerouting", &["-300", "-150", "-110", "0", "-450"]),
    ("input", &["0", "10", "-10", "50"]),
    ("forward", &["0", "10", "-1", "-150"]),
    ("output", &["-300", "0", "-150", "10"]),
    ("postrouting", &["0", "150", "-150", "90"]),
];

pub(super) fn fill(random: &mut Random, pool: &Pool, node: &mut Node) {
    if random.one_in(3) {
        return;
    }
    for number in 0..=random.below(2) {
        let family = *random.pick(&["inet", "inet", "inet", "ip", "ip", "ip6", "ip6"]);
        node.native.extend(table(random, pool, family, number));
    }
    if random.one_in(4) {
        node.native.extend(link_table(random, pool));
    }
    if pool.devices.contains(&"br0") && random.one_in(2) {
        node.native.extend(bridge_table(random, pool));
    }
    node.native = node.native.iter().flat_map(|text| text.split('\n')).map(str::to_owned).collect();
}

fn table(random: &mut Random, pool: &Pool, family: &str, number: usize) -> Vec<String> {
    let mut lines = vec![format!("table {family} n{number} {{")];
    lines.extend(sets(random, pool, family));
    let hooks: Vec<_> = HOOKS.iter().filter(|_| random.one_in(2)).collect();
    let nat = random.one_in(2);
    for name in ["UC", "UB", "UA"] {
        lines.push(format!("\tchain {name} {{"));
        for _ in 0..random.below(4) {
            lines.push(rule(random, pool, family, "user", name));
        }
        lines.push("\t}".to_owned());
    }
    for (place, (hook, priorities)) in hooks.into_iter().enumerate() {
        lines.push(format!("\tchain f{place} {{"));
        let policy = if random.one_in(10) { "drop" } else { "accept" };
        lines.push(format!("\t\ttype filter hook {hook} priority {}; policy {policy};", random.pick(priorities)));
        for _ in 0..=random.below(6) {
            lines.push(rule(random, pool, family, hook, "f"));
        }
        lines.push("\t}".to_owned());
    }
    if nat {
        for (hook, priorities) in
            [("prerouting", ["-100", "-110"]), ("output", ["-100", "-90"]), ("postrouting", ["100", "110"])]
        {
            lines.push(format!("\tchain n{hook} {{"));
            lines.push(format!("\t\ttype nat hook {hook} priority {}; policy accept;", random.pick(&priorities)));
            for _ in 0..=random.below(4) {
                lines.push(nat_rule(random, pool, family, hook));
            }
            lines.push("\t}".to_owned());
        }
    }
    lines.push("}".to_owned());
    lines
}

fn sets(random: &mut Random, pool: &Pool, family: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for six in [false, true] {
        if (family == "ip" && six) || (family == "ip6" && !six) {
            continue;
        }
        let (suffix, kind) = if six { ("6", "ipv6_addr") } else { ("4", "ipv4_addr") };
        let list = |random: &mut Random, one: &dyn Fn(&mut Random) -> String| {
            let items: Vec<String> = (0..2 + random.below(3)).map(|_| one(random)).collect();
            items.join(", ")
        };
        let hosts = list(random, &|random| pool.any(random, six).to_string());
        lines.push(format!("\tset s{suffix} {{\n\t\ttype {kind}; elements = {{ {hosts} }}\n\t}}"));
        let nets = list(random, &|random| pool.prefix(random, six));
        lines.push(format!(
            "\tset i{suffix} {{\n\t\ttype {kind}; flags interval; auto-merge; elements = {{ {nets} }}\n\t}}"
        ));
        let pairs = list(random, &|random| format!("{} . {}", pool.any(random, six), random.pick(&PORTS)));
        lines.push(format!("\tset c{suffix} {{\n\t\ttype {kind} . inet_service; elements = {{ {pairs} }}\n\t}}"));
        let first = pool.any(random, six);
        let second = if six { "fd99::7" } else { "10.99.0.7" };
        lines.push(format!(
            "\tmap v{suffix} {{\n\t\ttype {kind} : verdict; elements = {{ {first} : drop, {second} : accept }}\n\t}}"
        ));
    }
    lines
}

fn rule(random: &mut Random, pool: &Pool, family: &str, hook: &str, chain: &str) -> String {
    // One counter says how often the rule is asked, the other how often it matches.
    let mut words = vec!["\t\tcounter".to_owned()];
    let six = match family {
        "ip" => false,
        "ip6" => true,
        _ => random.one_in(2),
    };
    let mut asked = false;
    for _ in 0..=random.below(2) {
        // Two protocols exclude each other; the family is asked where there are two.
        let fits = |text: &str| !(asked && is_of_protocol(text)) && (family == "inet" || !text.contains("nfproto"));
        if let Some(text) = choose(random, MATCHES, six, hook).filter(|text| fits(text)) {
            asked |= is_of_protocol(text);
            words.push(fill_in(random, pool, six, text));
        }
    }
    words.push("counter".to_owned());
    let below: &[&str] = match chain {
        "UA" => &["UB", "UC"],
        "UB" => &["UC"],
        "UC" => &[],
        _ => &["UA", "UB", "UC"],
    };
    if !below.is_empty() && random.one_in(4) {
        words.push(format!("{} {}", random.pick(&["jump", "jump", "goto"]), random.pick(below)));
    } else if let Some(text) = choose(random, ACTIONS, six, hook).filter(|text| !(asked && is_of_protocol(text))) {
        words.push(fill_in(random, pool, six, text));
    }
    words.join(" ")
}

/// Whether it says which protocol the packet is of.
fn is_of_protocol(text: &str) -> bool {
    ["tcp ", "udp ", "sctp ", "icmp", "l4proto", "ip protocol", "nexthdr", "nfproto", "th dport"]
        .iter()
        .any(|word| text.contains(word))
}

fn nat_rule(random: &mut Random, pool: &Pool, family: &str, hook: &str) -> String {
    let six = family == "ip6" || (family == "inet" && random.one_in(2));
    let mut words = vec!["\t\tcounter".to_owned()];
    let fits = |text: &&str| family == "inet" || !text.contains("nfproto");
    if let Some(text) = choose(random, MATCHES, six, hook).filter(fits) {
        words.push(fill_in(random, pool, six, text));
    }
    words.push("counter".to_owned());
    if let Some(text) = choose(random, NAT_ACTIONS, six, hook) {
        let text = fill_in(random, pool, six, text);
        // Only tables of both families say which.
        let typed = if six { "nat ip6 to" } else { "nat ip to" };
        words.push(if family == "inet" { text.replace("nat to", typed) } else { text });
    }
    words.join(" ")
}

fn link_table(random: &mut Random, pool: &Pool) -> Vec<String> {
    let mut lines = vec!["table netdev l0 {".to_owned()];
    for (place, hook) in ["ingress", "egress"].iter().enumerate() {
        let device = random.pick(pool.shape.wires()).name;
        lines.push(format!("\tchain l{place} {{"));
        lines.push(format!("\t\ttype filter hook {hook} device \"{device}\" priority 0; policy accept;"));
        lines.push("\t\tether type arp accept".to_owned());
        for _ in 0..random.below(3) {
            let six = random.one_in(2);
            let mut words = vec!["\t\tcounter".to_owned()];
            if let Some(text) = choose(random, MATCHES, six, "link") {
                words.push(fill_in(random, pool, six, text));
            }
            words.push("counter".to_owned());
            words.extend(choose(random, LINK_ACTIONS, six, "link").map(str::to_owned));
            lines.push(words.join(" "));
        }
        lines.push("\t}".to_owned());
    }
    lines.push("}".to_owned());
    lines
}

fn bridge_table(random: &mut Random, pool: &Pool) -> Vec<String> {
    let mut lines = vec!["table bridge b0 {".to_owned()];
    for hook in ["prerouting", "input", "forward", "output", "postrouting"] {
        lines.push(format!("\tchain b{hook} {{"));
        lines.push(format!(
            "\t\ttype filter hook {hook} priority {}; policy accept;",
            random.pick(&["0", "-200", "-300", "10"])
        ));
        lines.push("\t\tether type arp accept".to_owned());
        for _ in 0..random.below(3) {
            let six = random.one_in(2);
            let text = if random.one_in(2) {
                choose(random, BRIDGE_MATCHES, six, hook)
            } else {
                choose(random, MATCHES, six, "link")
            };
            let mut words = vec!["\t\tcounter".to_owned()];
            words.extend(text.map(|text| fill_in(random, pool, six, text)));
            words.push("counter".to_owned());
            words.extend(choose(random, LINK_ACTIONS, six, "link").map(str::to_owned));
            lines.push(words.join(" "));
        }
        lines.push("\t}".to_owned());
    }
    lines.push("}".to_owned());
    lines
}

fn choose<'a>(random: &mut Random, list: &[(Needs, &'a str)], six: bool, hook: &str) -> Option<&'a str> {
    for _ in 0..30 {
        let (needs, text) = *random.pick(list);
        if needs.fits(six, hook) {
            return Some(text);
        }
    }
    None
}

/// Puts what occurs in place of `<words>`.
fn fill_in(random: &mut Random, pool: &Pool, six: bool, text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..6 {
        let Some((before, rest)) = text.split_once("<<") else { break };
        let Some((word, after)) = rest.split_once(">>") else { break };
        let network = pool.network(random);
        let value = match word {
            "net" => pool.prefix(random, six),
            "host" => Pool::host(random, network, six).to_string(),
            "own" => Pool::own(network, six).to_string(),
            "any" => pool.any(random, six).to_string(),
            "port" => random.pick(&PORTS).to_string(),
            "dev" => (*random.pick(&pool.devices)).to_owned(),
            "wire" => random.pick(pool.shape.wires()).name.to_owned(),
            other => other.to_owned(),
        };
        text = format!("{before}{value}{after}");
    }
    text
}
