//! Rule sets of iptables, of both backends and both families, and the sets that they ask.

mod catalogue;
mod sets;

use super::super::case::Node;
use super::super::random::Random;
use super::{PORTS, Pool};
use catalogue::{DEVICE_MATCHES, HOOK_MATCHES, MATCHES, Of, TARGETS};

/// Tables with the chains that are filled.
const TABLES: [(&str, &[&str]); 4] = [
    ("raw", &["PREROUTING", "OUTPUT"]),
    ("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
    ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
];

/// Chains of a table's own.
const USER: [&str; 3] = ["UA", "UB", "UC"];

pub(super) fn fill(random: &mut Random, pool: &Pool, node: &mut Node) {
    node.ipset = sets::lines(random, pool);
    for six in [false, true] {
        let (legacy, xnft) = match random.below(5) {
            0 => (Vec::new(), Vec::new()),
            1 => (tables(random, pool, six), Vec::new()),
            2 | 3 => (Vec::new(), tables(random, pool, six)),
            _ => (tables(random, pool, six), tables(random, pool, six)),
        };
        if six {
            (node.legacy6, node.xnft6) = (legacy, xnft);
        } else {
            (node.legacy, node.xnft) = (legacy, xnft);
        }
    }
}

fn tables(random: &mut Random, pool: &Pool, six: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (table, chains) in TABLES {
        if random.one_in(3) {
            continue;
        }
        lines.push(format!("*{table}"));
        for chain in chains {
            let policy = if table == "filter" && random.one_in(8) { "DROP" } else { "ACCEPT" };
            lines.push(format!(":{chain} {policy} [0:0]"));
        }
        lines.extend(USER.iter().map(|chain| format!(":{chain} - [0:0]")));
        for chain in chains.iter().copied().chain(USER) {
            let most = if USER.contains(&chain) { 4 } else { 7 };
            for _ in 0..random.below(most) {
                // It counts how often the rule behind it is asked.
                lines.push(format!("-A {chain} -m comment --comment asked"));
                lines.push(rule(random, pool, six, table, chain));
            }
        }
        lines.push("COMMIT".to_owned());
    }
    lines
}

fn rule(random: &mut Random, pool: &Pool, six: bool, table: &str, chain: &str) -> String {
    let mut words = format!("-A {chain}");
    let mut used: Vec<String> = Vec::new();
    let mut protocol = String::new();
    let add = |random: &mut Random, list: &[(Of, &str)], used: &mut Vec<String>, protocol: &mut String| {
        let Some(text) = choose(random, list, six, table, chain) else { return String::new() };
        let text = fill_in(random, pool, six, text);
        let key = key_of(&text);
        let asked = protocol_of(&text);
        if key.iter().any(|word| used.contains(word)) || !(protocol.is_empty() || asked.is_empty()) {
            return String::new();
        }
        used.extend(key);
        if !asked.is_empty() {
            *protocol = asked;
        }
        format!(" {text}")
    };
    if random.one_in(4) {
        words += &add(random, DEVICE_MATCHES, &mut used, &mut protocol);
    }
    if random.one_in(3) {
        words += &add(random, HOOK_MATCHES, &mut used, &mut protocol);
    }
    if !random.one_in(6) {
        words += &add(random, MATCHES, &mut used, &mut protocol);
    }
    if random.one_in(3) {
        words += &add(random, MATCHES, &mut used, &mut protocol);
    }
    let target = target(random, pool, six, table, chain, &protocol);
    format!("{words} {target}")
}

fn target(random: &mut Random, pool: &Pool, six: bool, table: &str, chain: &str, protocol: &str) -> String {
    let below: &[&str] = match chain {
        "UA" => &["UB", "UC"],
        "UB" => &["UC"],
        "UC" => &[],
        _ => &["UA", "UB", "UC"],
    };
    if !below.is_empty() && random.one_in(4) {
        return format!("{} {}", random.pick(&["-j", "-j", "-g"]), random.pick(below));
    }
    if random.one_in(7) {
        return "-j RETURN".to_owned();
    }
    for _ in 0..8 {
        let Some(text) = choose(random, TARGETS, six, table, chain) else { break };
        let needs = text.split_once(" @").map(|(_, needs)| needs);
        // A target that asks for its protocol itself stands in rules that ask for none.
        if needs == Some("") && !protocol.is_empty() {
            continue;
        }
        let text = text.split(" @").next().unwrap_or(text);
        let with_protocol = needs.is_none_or(|needs| needs.is_empty() || needs.split('|').any(|need| need == protocol));
        if with_protocol {
            return format!("-j {}", fill_in(random, pool, six, text));
        }
    }
    "-j ACCEPT".to_owned()
}

fn choose<'a>(random: &mut Random, list: &[(Of, &'a str)], six: bool, table: &str, chain: &str) -> Option<&'a str> {
    for _ in 0..30 {
        let (of, text) = *random.pick(list);
        if of.fits(six, table, chain) {
            return Some(text);
        }
    }
    None
}

/// What a match asks, so that a rule asks each thing once.
fn key_of(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split(' ').filter(|word| *word != "!").collect();
    let mut keys: Vec<String> = words
        .windows(2)
        .filter(|pair| pair.first() == Some(&"-m"))
        .filter_map(|pair| pair.get(1))
        .map(ToString::to_string)
        .collect();
    if keys.is_empty() {
        keys.extend(words.first().map(ToString::to_string));
    }
    keys
}

/// The one protocol that a match asks for; `!` and the protocol where it asks for others.
fn protocol_of(text: &str) -> String {
    let Some(at) = text.find("-p ") else { return String::new() };
    let name = text.get(at + 3..).unwrap_or_default().split(' ').next().unwrap_or_default();
    if text.starts_with("! -p") { format!("!{name}") } else { name.to_owned() }
}

/// Puts what occurs in place of `{words}`.
fn fill_in(random: &mut Random, pool: &Pool, six: bool, text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..6 {
        let Some((before, rest)) = text.split_once('{') else { break };
        let Some((word, after)) = rest.split_once('}') else { break };
        let value = match word {
            "net" => pool.prefix(random, six),
            "host" => {
                let network = pool.network(random);
                Pool::host(random, network, six).to_string()
            }
            "own" => Pool::own(pool.network(random), six).to_string(),
            "any" => pool.any(random, six).to_string(),
            "port" => random.pick(&PORTS).to_string(),
            "dev" => (*random.pick(&pool.devices)).to_owned(),
            "wire" => random.pick(pool.shape.wires()).name.to_owned(),
            "range" => {
                let network = pool.network(random);
                let [low, high] = [2, 5].map(|host| {
                    if six { super::super::shape::v6(network, host) } else { super::super::shape::v4(network, host) }
                });
                format!("{low}-{high}")
            }
            "mark" => (*random.pick(&["0x1/0x1", "0x4/0xc", "0x0", "0x2/0x2", "0x1", "0x5/0xff"])).to_owned(),
            "icmp" => if six { "ipv6-icmp" } else { "icmp" }.to_owned(),
            "6" => if six { "6" } else { "" }.to_owned(),
            "number" => random.below(8).to_string(),
            other => other.to_owned(),
        };
        text = format!("{before}{value}{after}");
    }
    text
}
