use skoop_model::{EndpointSlice, TrafficPolicy};

use super::super::fixtures::{endpoint, options, service, slice, three};
use super::*;

/// Rules and elements without table and hashes.
fn lines(rules: &str, wanted: &str) -> Vec<String> {
    let blot = |word: &str| {
        let mut parts = word.splitn(3, '-');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(kind), Some(hash), Some(rest)) if hash.len() == 8 && rest.contains('/') => format!("{kind}-#-{rest}"),
            _ => word.to_owned(),
        }
    };
    let rules = rules
        .lines()
        .filter_map(|line| line.split_once(" kube-proxy "))
        .filter(|(add, _)| add.starts_with("add rule") || add.starts_with("add element") || add.starts_with("add set"));
    let rules = rules.map(|(_, rule)| rule.split(' ').map(blot).collect::<Vec<_>>().join(" "));
    rules.filter(|rule| rule.starts_with(wanted)).collect()
}

fn rules(service: Service, slices: &[EndpointSlice]) -> String {
    kube_proxy_nftables(&[service], slices, &options())
}

#[test]
fn a_service_is_an_element_that_leads_to_a_chain_of_equal_chances() {
    let rules = rules(service(), &[three()]);
    let endpoint = |address: &str| format!("endpoint-#-default/web/tcp/http__{address}/8080");
    assert_eq!(
        lines(&rules, "service-#-"),
        [
            "service-#-default/web/tcp/http ip daddr 10.96.0.20 ip saddr != 10.244.0.0/16 jump mark-for-masquerade"
                .to_owned(),
            format!(
                "service-#-default/web/tcp/http numgen random mod 3 vmap {{ 0 : goto {} , 1 : goto {} , 2 : goto {} }}",
                endpoint("10.244.1.2"),
                endpoint("10.244.2.2"),
                endpoint("10.244.3.2")
            ),
        ]
    );
    assert_eq!(
        lines(&rules, &endpoint("10.244.1.2")),
        [
            format!("{} ip saddr 10.244.1.2 jump mark-for-masquerade", endpoint("10.244.1.2")),
            format!("{} meta l4proto tcp dnat to 10.244.1.2:8080", endpoint("10.244.1.2")),
        ]
    );
    assert_eq!(lines(&rules, "cluster-ips { 10"), ["cluster-ips { 10.96.0.20 }"]);
    assert_eq!(
        lines(&rules, "service-ips"),
        ["service-ips { 10.96.0.20 . tcp . 80 : goto service-#-default/web/tcp/http }"]
    );
    assert_eq!(
        lines(&rules, "service-nodeports"),
        ["service-nodeports { tcp . 30080 : goto external-#-default/web/tcp/http }"]
    );
    assert_eq!(lines(&rules, "nodeport-ips { 192"), ["nodeport-ips { 192.0.2.1 }"]);
    assert!(lines(&rules, "no-endpoint").is_empty());
}

#[test]
fn without_endpoints_maps_say_reject() {
    let rules = rules(service(), &[slice(Vec::new())]);
    assert_eq!(
        lines(&rules, "no-endpoint-services"),
        ["no-endpoint-services { 10.96.0.20 . tcp . 80 comment \"default/web:http\" : goto reject-chain }"]
    );
    assert_eq!(
        lines(&rules, "no-endpoint-nodeports"),
        ["no-endpoint-nodeports { tcp . 30080 comment \"default/web:http\" : goto reject-chain }"]
    );
    assert_eq!(lines(&rules, "cluster-ips { 10"), ["cluster-ips { 10.96.0.20 }"]);
    assert!(lines(&rules, "service-ips").is_empty() && lines(&rules, "external-").is_empty());
}

#[test]
fn local_policies_use_local_endpoints() {
    let external = Service { external_traffic_policy: TrafficPolicy::Local, ..service() };
    let text = rules(external.clone(), &[three()]);
    let chain = "external-#-default/web/tcp/http";
    assert_eq!(
        lines(&text, chain),
        [
            format!(
                "{chain} ip saddr 10.244.0.0/16 goto service-#-default/web/tcp/http comment \"short-circuit pod traffic\""
            ),
            format!("{chain} fib saddr type local jump mark-for-masquerade comment \"masquerade local traffic\""),
            format!(
                "{chain} fib saddr type local goto service-#-default/web/tcp/http comment \"short-circuit local traffic\""
            ),
            format!("{chain} goto local-#-default/web/tcp/http"),
        ]
    );
    assert_eq!(lines(&text, "local-#-").len(), 1);
    let elsewhere = slice(vec![endpoint("10.244.2.2", "node-2")]);
    let text = rules(external, std::slice::from_ref(&elsewhere));
    assert_eq!(lines(&text, chain).len(), 3, "pods and the node itself are served still");
    assert_eq!(
        lines(&text, "no-endpoint-nodeports"),
        ["no-endpoint-nodeports { tcp . 30080 comment \"default/web:http\" : drop }"]
    );
    let internal = Service { internal_traffic_policy: TrafficPolicy::Local, ..service() };
    let text = rules(internal, &[elsewhere]);
    assert_eq!(
        lines(&text, "no-endpoint-services"),
        ["no-endpoint-services { 10.96.0.20 . tcp . 80 comment \"default/web:http\" : drop }"]
    );
    assert!(lines(&text, "service-ips").is_empty());
}

#[test]
fn affinity_and_source_ranges_have_their_sets_and_chains() {
    let service = Service {
        client_ip_affinity_seconds: Some(10_800),
        load_balancer_ips: vec!["198.51.100.10".parse().unwrap()],
        source_ranges: vec!["203.0.113.0/24".parse().unwrap(), "192.0.2.0/24".parse().unwrap()],
        ..service()
    };
    let rules = rules(service, &[three()]);
    assert_eq!(
        lines(&rules, "affinity-").first().unwrap(),
        "affinity-#-default/web/tcp/http__10.244.1.2/8080 { type ipv4_addr ; flags dynamic,timeout ; timeout 10800s ; }"
    );
    assert!(lines(&rules, "service-#-").get(1).unwrap().contains("ip saddr @affinity-#-"));
    assert!(lines(&rules, "endpoint-#-").get(1).unwrap().contains(" update @affinity-#-"));
    assert!(!rules.contains("flush set ip kube-proxy affinity"), "what packets put there stays");
    assert_eq!(
        lines(&rules, "firewall-#-"),
        ["firewall-#-default/web/tcp/http ip saddr != { 203.0.113.0/24, 192.0.2.0/24, 198.51.100.10 } drop"],
        "the ranges hold the node, whose traffic may come from the balancer's address"
    );
    assert_eq!(
        lines(&rules, "firewall-ips"),
        ["firewall-ips { 198.51.100.10 . tcp . 80 : goto firewall-#-default/web/tcp/http }"]
    );
}

#[test]
fn each_family_has_its_own_table() {
    let six = ProxyOptions { family: Family::V6, pod_network: Some("fd00:244::/48".parse().unwrap()), ..options() };
    let rules = kube_proxy_nftables(&[service()], &[three(), slice(vec![endpoint("fd00:244::2", "node-1")])], &six);
    assert!(rules.contains("meta l4proto tcp dnat to [fd00:244::2]:8080"));
    assert!(rules.contains("__fd00.244..2/8080"));
    assert!(rules.contains("ip6 daddr fd00:96::20 ip6 saddr != fd00:244::/48"));
    assert!(!rules.contains("10.244.") && !rules.contains("add table ip kube-proxy"));
}

#[test]
fn what_services_no_longer_need_is_removed() {
    let present = r#"{"nftables": [{"metainfo": {}}, {"chain": {"name": "services"}}, {"chain": {"name": "service-A-x/y/tcp/"}},
        {"chain": {"name": "endpoint-B-x/y/tcp/__1.2.3.4/80"}}, {"set": {"name": "affinity-B-x/y/tcp/__1.2.3.4/80"}},
        {"map": {"name": "service-ips"}}]}"#;
    let rules = "add chain ip kube-proxy service-A-x/y/tcp/\nadd rule ip kube-proxy services accept\n";
    let removal = remove_stale(present, rules, "ip").unwrap();
    let stale =
        ["chain ip kube-proxy endpoint-B-x/y/tcp/__1.2.3.4/80", "set ip kube-proxy affinity-B-x/y/tcp/__1.2.3.4/80"];
    let expected = ["flush", "delete"].map(|verb| stale.map(|name| format!("{verb} {name}\n")).concat()).concat();
    assert_eq!(removal, expected);
    assert_eq!(remove_stale("{}", rules, "ip").unwrap(), "");
}
