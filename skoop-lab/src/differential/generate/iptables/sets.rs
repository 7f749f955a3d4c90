//! Sets of every type that this kernel has.

use super::super::super::random::Random;
use super::super::{PORTS, Pool};

/// Types of both families: name, type.
const KINDS: [(&str, &str); 8] = [
    ("ip", "hash:ip"),
    ("net", "hash:net"),
    ("ipport", "hash:ip,port"),
    ("netport", "hash:net,port"),
    ("ipportip", "hash:ip,port,ip"),
    ("ipportnet", "hash:ip,port,net"),
    ("netiface", "hash:net,iface"),
    ("grow", "hash:ip"),
];

pub(super) fn lines(random: &mut Random, pool: &Pool) -> Vec<String> {
    let mut lines = Vec::new();
    for six in [false, true] {
        let (suffix, family) = if six { ("6", "inet6") } else { ("", "inet") };
        for (name, kind) in KINDS {
            let timeout = if random.one_in(5) { " timeout 3600" } else { "" };
            lines.push(format!("create {name}{suffix} {kind} family {family}{timeout}"));
            for _ in 0..2 + random.below(6) {
                lines.push(format!("-exist add {name}{suffix} {}", element(random, pool, six, name)));
            }
        }
        lines.push(format!("create list{suffix} list:set"));
        lines.push(format!("add list{suffix} ip{suffix}"));
        lines.push(format!("add list{suffix} net{suffix}"));
    }
    lines.push("create bport bitmap:port range 0-65535".to_owned());
    for _ in 0..2 {
        lines.push(format!("-exist add bport {}", random.pick(&PORTS)));
    }
    lines.push("create bip bitmap:ip range 10.1.0.0/24".to_owned());
    for _ in 0..3 {
        lines.push(format!("-exist add bip {}", Pool::host(random, 1, false)));
    }
    lines
}

fn element(random: &mut Random, pool: &Pool, six: bool, name: &str) -> String {
    let port = |random: &mut Random| format!("{}:{}", random.pick(&["tcp", "udp", "sctp"]), random.pick(&PORTS));
    let first = pool.any(random, six);
    let net = |random: &mut Random| {
        let nomatch = if random.one_in(4) { " nomatch" } else { "" };
        (pool.prefix(random, six), nomatch)
    };
    match name {
        "net" => {
            let (net, nomatch) = net(random);
            format!("{net}{nomatch}")
        }
        "ipport" => format!("{first},{}", port(random)),
        "netport" => {
            let (net, nomatch) = net(random);
            format!("{net},{}{nomatch}", port(random))
        }
        "ipportip" => format!("{first},{},{}", port(random), pool.any(random, six)),
        "ipportnet" => {
            let port = port(random);
            let (net, nomatch) = net(random);
            format!("{first},{port},{net}{nomatch}")
        }
        "netiface" => {
            let (net, nomatch) = net(random);
            format!("{net},{}{nomatch}", random.pick(&pool.devices))
        }
        _ => first.to_string(),
    }
}
