//! Reading `nft -j list ruleset` of kube-proxy's nftables mode: 3 500 services are 35 000 rules.
//!
//! The figure is the compiler's whole work on the dump, of which the reader is a part.

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::Ipv4Addr;

use divan::Bencher;
use divan::counter::BytesCount;
use skoop_model::{Item, NetfilterDumps};
use skoop_sim::Netfilter;

const ENDPOINTS: u32 = 4;

fn main() {
    divan::main();
}

fn service_address(service: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 96, 0, 1).to_bits() + service)
}

fn endpoint_address(service: u32, endpoint: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 128, 0, 1).to_bits() + service * ENDPOINTS + endpoint)
}

/// Names and dumps of one service, as kube-proxy names them.
fn service_chain(service: u32) -> String {
    format!("service-{service:08X}-namespace-{}/service-{service}/tcp/http", service % 100)
}

fn endpoint_chain(service: u32, endpoint: u32) -> String {
    format!(
        "endpoint-{service:08X}-namespace-{}/service-{service}/tcp/http__{}/8080",
        service % 100,
        endpoint_address(service, endpoint)
    )
}

/// `nft -j list ruleset` of a node with this many services.
fn json(services: u32) -> String {
    let mut out = r#"{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}, {"table": {"family": "ip", "name": "kube-proxy", "handle": 1}}"#.to_owned();
    out += r#", {"map": {"family": "ip", "name": "service-ips", "table": "kube-proxy", "type": ["ipv4_addr", "inet_proto", "inet_service"], "handle": 9, "map": "verdict", "elem": ["#;
    for service in 0..services {
        let (separator, chain) = (if service == 0 { "" } else { ", " }, service_chain(service));
        let _ = write!(
            out,
            r#"{separator}[{{"elem": {{"val": {{"concat": ["{}", "tcp", 80]}}, "comment": "namespace-{}/service-{service}:http"}}}}, {{"goto": {{"target": "{chain}"}}}}]"#,
            service_address(service),
            service % 100,
        );
    }
    out += "]}}";
    for name in ["services", "mark-for-masquerade"] {
        let _ =
            write!(out, r#", {{"chain": {{"family": "ip", "table": "kube-proxy", "name": "{name}", "handle": 3}}}}"#);
    }
    out += r#", {"chain": {"family": "ip", "table": "kube-proxy", "name": "nat-prerouting", "handle": 4, "type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept"}}"#;
    for service in 0..services {
        let chains = (0..ENDPOINTS).map(|endpoint| endpoint_chain(service, endpoint)).chain([service_chain(service)]);
        for (at, chain) in chains.enumerate() {
            let handle = 100 + service * 5 + u32::try_from(at).unwrap_or_default();
            let _ = write!(
                out,
                r#", {{"chain": {{"family": "ip", "table": "kube-proxy", "name": "{chain}", "handle": {handle}}}}}"#
            );
        }
    }
    let mut handle = 100_000;
    let mut rule = |out: &mut String, chain: &str, expr: &str| {
        handle += 1;
        let _ = write!(
            out,
            r#", {{"rule": {{"family": "ip", "table": "kube-proxy", "chain": "{chain}", "handle": {handle}, "expr": [{expr}]}}}}"#
        );
    };
    rule(
        &mut out,
        "mark-for-masquerade",
        r#"{"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"|": [{"meta": {"key": "mark"}}, 16384]}}}"#,
    );
    rule(&mut out, "nat-prerouting", r#"{"jump": {"target": "services"}}"#);
    rule(
        &mut out,
        "services",
        r#"{"vmap": {"key": {"concat": [{"payload": {"protocol": "ip", "field": "daddr"}}, {"meta": {"key": "l4proto"}}, {"payload": {"protocol": "th", "field": "dport"}}]}, "data": "@service-ips"}}"#,
    );
    for service in 0..services {
        service_rules(&mut out, service, &mut rule);
    }
    out += "]}\n";
    out
}

fn service_rules(out: &mut String, service: u32, rule: &mut impl FnMut(&mut String, &str, &str)) {
    for endpoint in 0..ENDPOINTS {
        let (chain, address) = (endpoint_chain(service, endpoint), endpoint_address(service, endpoint));
        rule(
            out,
            &chain,
            &format!(
                r#"{{"match": {{"op": "==", "left": {{"payload": {{"protocol": "ip", "field": "saddr"}}}}, "right": "{address}"}}}}, {{"jump": {{"target": "mark-for-masquerade"}}}}"#
            ),
        );
        rule(
            out,
            &chain,
            &format!(
                r#"{{"match": {{"op": "==", "left": {{"meta": {{"key": "l4proto"}}}}, "right": "tcp"}}}}, {{"dnat": {{"addr": "{address}", "port": 8080}}}}"#
            ),
        );
    }
    let chain = service_chain(service);
    rule(
        out,
        &chain,
        &format!(
            r#"{{"match": {{"op": "==", "left": {{"payload": {{"protocol": "ip", "field": "daddr"}}}}, "right": "{}"}}}}, {{"match": {{"op": "==", "left": {{"payload": {{"protocol": "tcp", "field": "dport"}}}}, "right": 80}}}}, {{"match": {{"op": "!=", "left": {{"payload": {{"protocol": "ip", "field": "saddr"}}}}, "right": {{"prefix": {{"addr": "10.128.0.0", "len": 9}}}}}}}}, {{"jump": {{"target": "mark-for-masquerade"}}}}"#,
            service_address(service)
        ),
    );
    let mut elements = Vec::new();
    for endpoint in 0..ENDPOINTS {
        elements.push(format!(r#"[{endpoint}, {{"goto": {{"target": "{}"}}}}]"#, endpoint_chain(service, endpoint)));
    }
    rule(
        out,
        &chain,
        &format!(
            r#"{{"vmap": {{"key": {{"numgen": {{"mode": "random", "mod": {ENDPOINTS}, "offset": 0}}}}, "data": {{"set": [{}]}}}}}}"#,
            elements.join(", ")
        ),
    );
}

/// From the dump to the compiled rules.
#[divan::bench(args = [350, 3_500, 10_000])]
fn compile_json(bencher: Bencher<'_, '_>, services: u32) {
    let dump = json(services);
    let bytes = dump.len();
    let dumps = NetfilterDumps { nft_json: Item::known(0, dump), ..NetfilterDumps::not_collected() };
    bencher.counter(BytesCount::new(bytes)).bench_local(|| Netfilter::compile(black_box(&dumps)));
}
