//! Tables as kube-proxy writes them: of one shape, of any size. With 3 500 services of 4 endpoints they hold 49 007 rules.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use skoop_model::{Item, NetfilterDumps};

/// Endpoints of each service.
const ENDPOINTS: u32 = 4;

pub(crate) fn service_address(service: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 96, 0, 1).to_bits() + service)
}

pub(crate) fn endpoint_address(service: u32, endpoint: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 128, 0, 1).to_bits() + service * ENDPOINTS + endpoint)
}

/// `iptables-save` of a node with this many services, in the shape that kube-proxy writes.
fn kube_proxy(services: u32) -> String {
    let mut head =
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
        :KUBE-MARK-MASQ - [0:0]\n:KUBE-NODEPORTS - [0:0]\n:KUBE-POSTROUTING - [0:0]\n:KUBE-SERVICES - [0:0]\n"
            .to_owned();
    let mut rules = "-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
        -A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
        -A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING\n\
        -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n\
        -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n\
        -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0\n\
        -A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully\n"
        .to_owned();
    let mut table = String::new();
    for service in 0..services {
        let address = service_address(service);
        let comment = format!("--comment \"bench/service-{service}:http cluster IP\"");
        let _ = writeln!(head, ":KUBE-SVC-{service:016X} - [0:0]");
        let _ = writeln!(
            table,
            "-A KUBE-SERVICES -d {address}/32 -p tcp -m comment {comment} -m tcp --dport 80 -j KUBE-SVC-{service:016X}"
        );
        let _ = writeln!(
            rules,
            "-A KUBE-SVC-{service:016X} ! -s 10.128.0.0/9 -d {address}/32 -p tcp -m comment {comment} -m tcp --dport 80 -j KUBE-MARK-MASQ"
        );
        for endpoint in 0..ENDPOINTS {
            let to = endpoint_address(service, endpoint);
            let chain = service * ENDPOINTS + endpoint;
            let _ = writeln!(head, ":KUBE-SEP-{chain:016X} - [0:0]");
            let left = ENDPOINTS - endpoint;
            let chance = match left {
                1 => String::new(),
                left => format!(" -m statistic --mode random --probability {:.11}", 1.0 / f64::from(left)),
            };
            let comment = format!("--comment \"bench/service-{service}:http -> {to}:8080\"");
            let _ = writeln!(rules, "-A KUBE-SVC-{service:016X} -m comment {comment}{chance} -j KUBE-SEP-{chain:016X}");
            let comment = format!("--comment \"bench/service-{service}:http\"");
            let _ = writeln!(rules, "-A KUBE-SEP-{chain:016X} -s {to}/32 -m comment {comment} -j KUBE-MARK-MASQ");
            let _ = writeln!(
                rules,
                "-A KUBE-SEP-{chain:016X} -p tcp -m comment {comment} -m tcp -j DNAT --to-destination {to}:8080"
            );
        }
    }
    table += "-A KUBE-SERVICES -m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in this chain\" \
        -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\n";
    head + &rules + &table + "COMMIT\n"
}

pub(crate) fn dumps(services: u32) -> NetfilterDumps {
    let empty = || Item::known(0, String::new());
    NetfilterDumps {
        legacy_v4: empty(),
        legacy_v6: empty(),
        nft_v4: Item::known(0, kube_proxy(services)),
        nft_v6: empty(),
        nft_json: empty(),
        ipset: empty(),
        ..NetfilterDumps::not_collected()
    }
}

/// What kube-proxy writes where a service gets one endpoint in place of those it had.
#[expect(clippy::allow_attributes, reason = "used by some of the benches that share this")]
#[allow(dead_code, reason = "not all benches change tables")]
pub(crate) fn new_endpoint(service: u32, to: Ipv4Addr) -> String {
    let (address, chain) = (service_address(service), service * ENDPOINTS);
    let comment = format!("--comment \"bench/service-{service}:http\"");
    let mut text = format!("*nat\n:KUBE-SVC-{service:016X} - [0:0]\n");
    for endpoint in 0..ENDPOINTS {
        let _ = writeln!(text, ":KUBE-SEP-{:016X} - [0:0]", chain + endpoint);
    }
    let _ = write!(
        text,
        "-A KUBE-SVC-{service:016X} ! -s 10.128.0.0/9 -d {address}/32 -p tcp -m comment {comment} -m tcp --dport 80 -j KUBE-MARK-MASQ\n\
         -A KUBE-SVC-{service:016X} -m comment {comment} -j KUBE-SEP-{chain:016X}\n\
         -A KUBE-SEP-{chain:016X} -s {to}/32 -m comment {comment} -j KUBE-MARK-MASQ\n\
         -A KUBE-SEP-{chain:016X} -p tcp -m comment {comment} -m tcp -j DNAT --to-destination {to}:8080\nCOMMIT\n"
    );
    text
}

/// The chain of all services, written again as it is.
#[expect(clippy::allow_attributes, reason = "used by some of the benches that share this")]
#[allow(dead_code, reason = "not all benches change tables")]
pub(crate) fn services_chain(services: u32) -> String {
    let all = kube_proxy(services);
    let lines = all.lines().filter(|line| line.starts_with("-A KUBE-SERVICES "));
    let mut text = "*nat\n:KUBE-SERVICES - [0:0]\n".to_owned();
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text + "COMMIT\n"
}
