//! What is there whatever the services.

use skoop_model::Family;

use super::super::ProxyOptions;
use super::Table;

/// Base chains, with type, hook and priority: `filter` before DNAT for source ranges, `filter` at its usual place for services without
/// endpoints, and NAT.
const BASE_CHAINS: [(&str, &str); 8] = [
    ("filter-prerouting-pre-dnat", "type filter hook prerouting priority -110"),
    ("filter-output-pre-dnat", "type filter hook output priority -110"),
    ("filter-input", "type filter hook input priority 0"),
    ("filter-forward", "type filter hook forward priority 0"),
    ("filter-output", "type filter hook output priority 0"),
    ("nat-prerouting", "type nat hook prerouting priority -100"),
    ("nat-output", "type nat hook output priority -100"),
    ("nat-postrouting", "type nat hook postrouting priority 100"),
];
const CHAINS: [&str; 7] = [
    "cluster-ips-check",
    "firewall-check",
    "mark-for-masquerade",
    "masquerading",
    "nodeport-endpoints-check",
    "service-endpoints-check",
    "services",
];
/// Jumps from base chains, in order.
const JUMPS: [(&str, &str); 12] = [
    ("filter-prerouting-pre-dnat", "ct state new jump firewall-check"),
    ("filter-output-pre-dnat", "ct state new jump firewall-check"),
    ("filter-input", "ct state new jump nodeport-endpoints-check"),
    ("filter-input", "ct state new jump service-endpoints-check"),
    ("filter-forward", "ct state new jump service-endpoints-check"),
    ("filter-forward", "ct state new jump cluster-ips-check"),
    ("filter-output", "ct state new jump service-endpoints-check"),
    ("filter-output", "ct state new jump cluster-ips-check"),
    ("nat-prerouting", "jump services"),
    ("nat-output", "jump services"),
    ("nat-postrouting", "jump masquerading"),
    ("reject-chain", "reject"),
];
/// The mark of what must be masqueraded, a bit of kube-proxy's own.
const MARK: &str = "0x4000";

/// Writes sets, maps, chains and the rules that look services up.
pub(super) fn write(table: &mut Table, options: &ProxyOptions) {
    let (ip, address) = (table.header(), table.address_type());
    table.set("set", "cluster-ips", &format!("type {address} ; comment \"Active ClusterIPs\""));
    table.set("set", "nodeport-ips", &format!("type {address} ; comment \"IPs that accept NodePort traffic\""));
    let by_address = [
        ("firewall-ips", "destinations that are subject to LoadBalancerSourceRanges"),
        ("no-endpoint-services", "vmap to drop or reject packets to services with no endpoints"),
        ("service-ips", "ClusterIP, ExternalIP and LoadBalancer IP traffic"),
    ];
    for (map, comment) in by_address {
        let key = format!("{address} . inet_proto . inet_service");
        table.set("map", map, &format!("type {key} : verdict ; comment \"{comment}\""));
    }
    let by_port = [
        ("no-endpoint-nodeports", "vmap to drop or reject packets to service nodeports with no endpoints"),
        ("service-nodeports", "NodePort traffic"),
    ];
    for (map, comment) in by_port {
        table.set("map", map, &format!("type inet_proto . inet_service : verdict ; comment \"{comment}\""));
    }
    for (chain, hook) in BASE_CHAINS {
        table.chain(chain, hook);
    }
    for chain in CHAINS {
        table.chain(chain, "");
    }
    table.chain("reject-chain", "comment \"helper for @no-endpoint-services / @no-endpoint-nodeports\"");
    for (chain, rule) in JUMPS {
        table.rule(chain, rule);
    }
    let service = format!("{ip} daddr . meta l4proto . th dport vmap");
    let node_port = format!("{ip} daddr @nodeport-ips meta l4proto . th dport vmap");
    table.rule("firewall-check", &format!("{service} @firewall-ips"));
    table.rule("service-endpoints-check", &format!("{service} @no-endpoint-services"));
    table.rule("nodeport-endpoints-check", &format!("{node_port} @no-endpoint-nodeports"));
    table.rule("services", &format!("{service} @service-ips"));
    table.rule("services", &format!("{node_port} @service-nodeports"));
    let comment = "comment \"Reject traffic to invalid ports of ClusterIPs\"";
    table.rule("cluster-ips-check", &format!("{ip} daddr @cluster-ips reject {comment}"));
    let comment = "comment \"Drop traffic to unallocated ClusterIPs\"";
    for network in options.service_networks.iter().filter(|network| Family::of(network.addr()) == options.family) {
        table.rule("cluster-ips-check", &format!("{ip} daddr {network} drop {comment}"));
    }
    table.rule("mark-for-masquerade", &format!("mark set mark or {MARK}"));
    table.rule("masquerading", &format!("mark and {MARK} == 0 return"));
    table.rule("masquerading", &format!("mark set mark xor {MARK}"));
    table.rule("masquerading", "masquerade fully-random");
    for address in &options.node_addresses {
        table.element("nodeport-ips", &address.to_string());
    }
}
