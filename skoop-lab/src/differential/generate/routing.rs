//! Addresses, routes, rules and sysctls.

use super::super::case::Node;
use super::super::random::Random;
use super::Pool;

/// Values of sysctls, the usual one first and more than once.
const V4: [(&str, &[u8]); 9] = [
    ("rp_filter", &[0, 0, 0, 1, 2]),
    ("accept_local", &[0, 0, 0, 1]),
    ("route_localnet", &[0, 0, 0, 1]),
    ("src_valid_mark", &[0, 0, 1]),
    ("forwarding", &[1, 1, 1, 1, 1, 1, 1, 0]),
    ("accept_source_route", &[0]),
    ("log_martians", &[0]),
    ("send_redirects", &[0]),
    ("accept_redirects", &[0]),
];

pub(super) fn fill(random: &mut Random, pool: &Pool, node: &mut Node) {
    sysctls(random, pool, node);
    for six in [false, true] {
        let lines = addresses(random, pool, six);
        let lines = [lines, routes(random, pool, six), rules(random, pool, six)].concat();
        if six { node.ip6 = lines } else { node.ip = lines }
    }
}

fn sysctls(random: &mut Random, pool: &Pool, node: &mut Node) {
    let lines = &mut node.sysctls;
    let forward = u8::from(!random.one_in(25));
    // Writing this one resets the devices' own values: first of all.
    lines.push(format!("net/ipv4/ip_forward={}", 1 - forward));
    lines.push(format!("net/ipv4/ip_forward={forward}"));
    let forward6 = u8::from(!random.one_in(25));
    lines.push(format!("net/ipv6/conf/all/forwarding={forward6}"));
    lines.push("net/ipv4/icmp_ratelimit=0".to_owned());
    lines.push("net/ipv4/icmp_msgs_per_sec=1000000".to_owned());
    lines.push("net/ipv4/icmp_msgs_burst=1000000".to_owned());
    lines.push("net/ipv6/icmp/ratelimit=0".to_owned());
    for (name, values) in V4 {
        for device in ["all"].iter().chain(&pool.devices) {
            // What all devices have is what one of them cannot take back.
            let value =
                if *device == "all" && name != "forwarding" && !random.one_in(4) { 0 } else { *random.pick(values) };
            if name != "forwarding" || *device != "all" {
                lines.push(format!("net/ipv4/conf/{device}/{name}={value}"));
            }
        }
    }
    for (path, values) in [
        ("net/netfilter/nf_conntrack_tcp_loose", &[1_u8, 1, 1, 0][..]),
        ("net/netfilter/nf_conntrack_tcp_be_liberal", &[0, 0, 1]),
        ("net/ipv4/fwmark_reflect", &[0, 0, 1]),
        ("net/ipv4/icmp_echo_ignore_all", &[0, 0, 0, 0, 1]),
        ("net/ipv4/icmp_errors_use_inbound_ifaddr", &[0, 0, 0, 1]),
        ("net/bridge/bridge-nf-call-iptables", &[1, 1, 0]),
        ("net/bridge/bridge-nf-call-ip6tables", &[1, 1, 0]),
    ] {
        lines.push(format!("{path}={}", random.pick(values)));
    }
}

fn addresses(random: &mut Random, pool: &Pool, six: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (device, network) in pool.devices.iter().zip(&pool.networks) {
        let own = Pool::own(*network, six);
        if six {
            lines.push(format!("address add {own}/64 dev {device} nodad"));
        } else {
            lines.push(format!("address add {own}/24 dev {device}"));
        }
        if random.one_in(8) {
            let extra = if six {
                format!("fd77::{network}/128 dev {device} nodad")
            } else {
                format!("10.77.0.{network}/32 dev {device}")
            };
            lines.push(format!("address add {extra}"));
        }
    }
    lines
}

/// A gateway on a network, with its device.
fn gateway(random: &mut Random, pool: &Pool, six: bool) -> String {
    let place = random.below(pool.networks.len());
    let (network, device) =
        (pool.networks.get(place).copied().unwrap_or(1), pool.devices.get(place).copied().unwrap_or("e0"));
    let host = Pool::host(random, network, six);
    let onlink = if !six && random.one_in(6) { " onlink" } else { "" };
    format!("via {host} dev {device}{onlink}")
}

fn routes(random: &mut Random, pool: &Pool, six: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (device, network) in pool.devices.iter().zip(&pool.networks) {
        let (net, via) = if six {
            (format!("fd10:{network}::/64"), format!("fd00:{network}::2"))
        } else {
            (format!("172.16.{network}.0/24"), format!("10.{network}.0.2"))
        };
        if !random.one_in(10) {
            lines.push(format!("route replace {net} via {via} dev {device}"));
        }
    }
    if !random.one_in(4) {
        lines.push(format!("route replace default {}", gateway(random, pool, six)));
    }
    for _ in 0..random.below(5) {
        lines.push(route(random, pool, six, "main"));
    }
    for table in super::super::state::ROUTE_TABLES {
        for _ in 0..random.below(4) {
            lines.push(route(random, pool, six, table));
        }
        if random.one_in(3) {
            lines.push(format!("route replace default {} table {table}", gateway(random, pool, six)));
        }
    }
    lines
}

fn route(random: &mut Random, pool: &Pool, six: bool, table: &str) -> String {
    let prefix = pool.prefix(random, six);
    let metric = if random.one_in(4) { format!(" metric {}", 10 + random.below(3)) } else { String::new() };
    match random.below(10) {
        0 => format!(
            "route replace {} {prefix} table {table}{metric}",
            random.pick(&["blackhole", "unreachable", "prohibit"])
        ),
        1 if table != "main" => format!("route replace throw {prefix} table {table}{metric}"),
        2 if !six => {
            let place = random.below(pool.devices.len());
            format!(
                "route replace {prefix} dev {} scope link table {table}{metric}",
                pool.devices.get(place).copied().unwrap_or("e0")
            )
        }
        3 if !six => {
            let src = Pool::own(pool.network(random), six);
            format!("route replace {prefix} {} src {src} table {table}{metric}", gateway(random, pool, six))
        }
        _ => format!("route replace {prefix} {} table {table}{metric}", gateway(random, pool, six)),
    }
}

fn rules(random: &mut Random, pool: &Pool, six: bool) -> Vec<String> {
    let count = if random.one_in(2) { 0 } else { 1 + random.below(3) };
    let rule = |random: &mut Random| {
        let mut words = Vec::new();
        if random.one_in(6) {
            words.push("not".to_owned());
        }
        let selector = match random.below(6) {
            0 => format!("from {}", pool.prefix(random, six)),
            1 => format!("to {}", pool.prefix(random, six)),
            2 => format!("iif {}", random.pick(&pool.devices)),
            3 | 4 => format!("fwmark {}", random.pick(&["0x1", "0x1/0x1", "0x4/0xc", "0x2/0x3"])),
            _ if six => format!("from {}", pool.prefix(random, six)),
            _ => format!("ipproto {}", random.pick(&["tcp", "udp", "icmp"])),
        };
        words.push(selector);
        words.push(format!("pref {}", 1000 + random.below(50)));
        let action = match random.below(12) {
            0 => "prohibit",
            1 => "blackhole",
            2 => "unreachable",
            3 => "lookup main",
            4..=7 => "lookup 100",
            _ => "lookup 101",
        };
        words.push(action.to_owned());
        format!("rule add {}", words.join(" "))
    };
    let mut lines: Vec<String> = (0..count).map(|_| rule(random)).collect();
    lines.sort();
    lines.dedup();
    lines
}
