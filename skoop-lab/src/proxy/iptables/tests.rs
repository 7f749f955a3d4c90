use skoop_model::{Endpoint, TrafficPolicy};

use super::super::fixtures::{endpoint, options, service, slice, three};
use super::*;

/// The lines about a chain, with hashes blotted out.
fn lines(rules: &str, chain: &str) -> Vec<String> {
    let blot = |line: &str| {
        let words = line.split(' ').map(|word| match word.rsplit_once('-') {
            Some((kind, hash)) if kind.starts_with("KUBE-") && hash.len() == 16 => format!("{kind}-#"),
            _ => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    rules.lines().filter(|line| line.starts_with(&format!("-A {chain}"))).map(blot).collect()
}

#[test]
fn endpoints_are_chosen_with_equal_chances() {
    let rules = kube_proxy_iptables(&[service()], &[three()], &options());
    let comment = |address: &str| format!("-m comment --comment \"default/web:http -> {address}:8080\"");
    assert_eq!(
        lines(&rules, "KUBE-SVC-"),
        [
            "-A KUBE-SVC-# -m comment --comment \"default/web:http cluster IP\" -m tcp -p tcp -d 10.96.0.20 --dport 80 ! -s 10.244.0.0/16 -j KUBE-MARK-MASQ".to_owned(),
            format!("-A KUBE-SVC-# {} -m statistic --mode random --probability 0.3333333333 -j KUBE-SEP-#", comment("10.244.1.2")),
            format!("-A KUBE-SVC-# {} -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-#", comment("10.244.2.2")),
            format!("-A KUBE-SVC-# {} -j KUBE-SEP-#", comment("10.244.3.2")),
        ]
    );
    assert_eq!(
        lines(&rules, "KUBE-SEP-").get(..2).unwrap(),
        [
            "-A KUBE-SEP-# -m comment --comment default/web:http -s 10.244.1.2 -j KUBE-MARK-MASQ",
            "-A KUBE-SEP-# -m comment --comment default/web:http -m tcp -p tcp -j DNAT --to-destination 10.244.1.2:8080",
        ]
    );
    assert_eq!(
        lines(&rules, "KUBE-NODEPORTS"),
        ["-A KUBE-NODEPORTS -m comment --comment default/web:http -m tcp -p tcp --dport 30080 -j KUBE-EXT-#"]
    );
    assert_eq!(lines(&rules, "KUBE-SERVICES").len(), 2);
    assert!(lines(&rules, "KUBE-SERVICES").last().unwrap().contains("must be the last rule in this chain"));
}

#[test]
fn a_service_without_endpoints_is_rejected_in_filter() {
    let rules = kube_proxy_iptables(&[service()], &[slice(Vec::new())], &options());
    assert!(rules.contains(
        "-A KUBE-SERVICES -m comment --comment \"default/web:http has no endpoints\" -m tcp -p tcp -d 10.96.0.20 --dport 80 -j REJECT\n"
    ));
    assert!(rules.contains(
        "-A KUBE-EXTERNAL-SERVICES -m comment --comment \"default/web:http has no endpoints\" -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 30080 -j REJECT\n"
    ));
    assert!(lines(&rules, "KUBE-S").iter().all(|line| !line.contains("DNAT")));
}

#[test]
fn endpoints_that_are_not_ready_are_left_out_unless_they_end_and_serve_alone() {
    let not_ready = Endpoint { ready: false, serving: false, ..endpoint("10.244.2.2", "node-2") };
    let ending = Endpoint { ready: false, terminating: true, ..endpoint("10.244.3.2", "node-3") };
    let targets = |endpoints: Vec<Endpoint>| -> Vec<String> {
        endpoints_of(&service(), service().ports.first().unwrap(), &[slice(endpoints)], &options())
            .all
            .into_iter()
            .map(|one| one.address)
            .collect()
    };
    assert_eq!(targets(vec![endpoint("10.244.1.2", "node-1"), not_ready.clone(), ending.clone()]), ["10.244.1.2"]);
    assert_eq!(targets(vec![not_ready.clone(), ending]), ["10.244.3.2"]);
    assert!(targets(vec![not_ready]).is_empty());
}

#[test]
fn local_policies_use_local_endpoints() {
    let external = Service { external_traffic_policy: TrafficPolicy::Local, ..service() };
    let rules = kube_proxy_iptables(std::slice::from_ref(&external), &[three()], &options());
    assert_eq!(lines(&rules, "KUBE-SVL-").len(), 1);
    assert!(lines(&rules, "KUBE-EXT-").last().unwrap().ends_with("-j KUBE-SVL-#"));
    let elsewhere = ProxyOptions { node: Some("node-9".to_owned()), ..options() };
    let rules = kube_proxy_iptables(&[external], &[three()], &elsewhere);
    assert!(lines(&rules, "KUBE-SVL-").is_empty());
    assert_eq!(lines(&rules, "KUBE-EXTERNAL-SERVICES").len(), 1);
    assert!(lines(&rules, "KUBE-EXTERNAL-SERVICES").first().unwrap().ends_with("--dport 30080 -j DROP"));
    let internal = Service { internal_traffic_policy: TrafficPolicy::Local, ..service() };
    let rules = kube_proxy_iptables(&[internal], &[three()], &elsewhere);
    assert!(rules.contains("default/web:http has no local endpoints\" -m tcp -p tcp -d 10.96.0.20 --dport 80 -j DROP"));
}

#[test]
fn affinity_and_source_ranges_have_their_chains() {
    let service = Service {
        client_ip_affinity_seconds: Some(10_800),
        load_balancer_ips: vec!["198.51.100.10".parse().unwrap()],
        source_ranges: vec!["203.0.113.0/24".parse().unwrap()],
        ..service()
    };
    let rules = kube_proxy_iptables(&[service], &[three()], &options());
    assert_eq!(
        lines(&rules, "KUBE-SVC-").iter().filter(|line| line.contains("--rcheck --seconds 10800 --reap")).count(),
        3
    );
    assert_eq!(
        lines(&rules, "KUBE-SEP-").iter().filter(|line| line.contains("--set -m tcp -p tcp -j DNAT")).count(),
        3
    );
    assert_eq!(lines(&rules, "KUBE-FW-").len(), 2);
    assert_eq!(lines(&rules, "KUBE-PROXY-FIREWALL").len(), 1);
}

#[test]
fn each_family_has_its_own_rules() {
    let six = ProxyOptions { family: Family::V6, pod_network: Some("fd00:244::/48".parse().unwrap()), ..options() };
    let rules = kube_proxy_iptables(&[service()], &[three(), slice(vec![endpoint("fd00:244::2", "node-1")])], &six);
    assert!(rules.contains("-j DNAT --to-destination [fd00:244::2]:8080"));
    assert!(rules.contains("-d fd00:96::20 --dport 80 ! -s fd00:244::/48"));
    assert!(!rules.contains("10.244."));
    assert!(!rules.contains("127.0.0.0/8"));
}
