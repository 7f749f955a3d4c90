//! The kernel takes what the generator writes, any number of services, again and again.

use std::process::{Command, Stdio};

use skoop_lab::{ProxyOptions, kube_proxy_iptables, kube_proxy_nftables};
use skoop_model::{
    AddressType, Endpoint, EndpointPort, EndpointSlice, Family, ObjectKey, Port, Protocol, Service, ServicePort,
    ServiceType, TargetPort, TrafficPolicy,
};

/// A namespace that is deleted in the end.
struct Netns(String);

impl Netns {
    fn new(name: &str) -> Self {
        let name = format!("skt-lab-{}-{name}", std::process::id());
        assert!(Command::new("ip").args(["netns", "add", &name]).status().expect("ip").success());
        Self(name)
    }

    fn restore(&self, tool: &str, rules: &str) {
        self.load(&[tool, "--noflush"], rules);
    }

    fn load(&self, command: &[&str], rules: &str) {
        use std::io::Write;
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.0])
            .args(command)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ip");
        child.stdin.take().expect("a pipe").write_all(rules.as_bytes()).expect("rules");
        let output = child.wait_with_output().expect("an end");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn save(&self, tool: &str) -> String {
        let words = tool.split(' ');
        let output = Command::new("ip").args(["netns", "exec", &self.0]).args(words).output().expect("ip");
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn cluster(services: u16, endpoints: u16, family: Family) -> (Vec<Service>, Vec<EndpointSlice>) {
    let address = |network: u16, number: u16| match family {
        Family::V4 => format!("10.{network}.{}.{}", number >> 8, number & 255),
        Family::V6 => format!("fd00:{network}::{number:x}"),
    };
    let of = |number: u16| {
        let protocol = if number.is_multiple_of(2) { Protocol::TCP } else { Protocol::UDP };
        let key = ObjectKey::new("load", format!("svc-{number}"));
        let service = Service {
            key: key.clone(),
            kind: ServiceType::NodePort,
            cluster_ips: vec![address(96, number).parse().expect("an address")],
            external_ips: Vec::new(),
            load_balancer_ips: Vec::new(),
            external_name: None,
            ports: vec![ServicePort {
                name: String::new(),
                protocol,
                port: Port(80),
                target_port: TargetPort::Number(Port(80)),
                node_port: (number.is_multiple_of(10)).then_some(Port(30_000 + number)),
            }],
            selector: std::collections::BTreeMap::new(),
            client_ip_affinity_seconds: number.is_multiple_of(7).then_some(10_800),
            external_traffic_policy: TrafficPolicy::Cluster,
            internal_traffic_policy: TrafficPolicy::Cluster,
            source_ranges: Vec::new(),
            health_check_node_port: None,
            publish_not_ready: false,
        };
        let slice = EndpointSlice {
            key,
            service: Some(service.key.name.clone()),
            address_type: if family == Family::V4 { AddressType::Ipv4 } else { AddressType::Ipv6 },
            ports: vec![EndpointPort { name: String::new(), protocol, port: Some(Port(80)) }],
            endpoints: (0..if number.is_multiple_of(11) { 0 } else { endpoints })
                .map(|index| Endpoint {
                    addresses: vec![address(244, number * endpoints + index).parse().expect("an address")],
                    ready: true,
                    serving: true,
                    terminating: false,
                    node: None,
                    pod: None,
                })
                .collect(),
        };
        (service, slice)
    };
    (1..=services).map(of).unzip()
}

#[test]
#[ignore = "needs root: run by make test"]
fn the_kernel_takes_a_thousand_services_twice() {
    let netns = Netns::new("proxy");
    let (services, slices) = cluster(1_000, 5, Family::V4);
    let options = ProxyOptions { pod_network: "10.244.0.0/16".parse().ok(), ..ProxyOptions::default() };
    netns.restore("iptables-restore", &kube_proxy_iptables(&services, &slices, &options));
    let first = netns.save("iptables-save");
    assert_eq!(first.matches("-j DNAT").count(), (1_000 - 90) * 5);
    assert_eq!(first.matches("-j REJECT").count(), 90 + 9);
    // A second run rewrites its chains and adds nothing.
    let again = ProxyOptions { with_jumps: false, ..options };
    netns.restore("iptables-restore", &kube_proxy_iptables(&services, &slices, &again));
    let rules = |text: &str| text.lines().filter(|line| line.starts_with("-A")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rules(&first), rules(&netns.save("iptables-save")));
}

#[test]
#[ignore = "needs root: run by make test"]
fn the_kernel_takes_ipv6_too() {
    let netns = Netns::new("proxy6");
    let (services, slices) = cluster(20, 3, Family::V6);
    let options =
        ProxyOptions { family: Family::V6, pod_network: "fd00:244::/32".parse().ok(), ..ProxyOptions::default() };
    netns.restore("ip6tables-restore", &kube_proxy_iptables(&services, &slices, &options));
    assert_eq!(netns.save("ip6tables-save").matches("-j DNAT").count(), 19 * 3);
}

#[test]
#[ignore = "needs root: run by make test"]
fn the_kernel_takes_the_nftables_mode_twice() {
    for family in [Family::V4, Family::V6] {
        let netns = Netns::new("proxynft");
        let (services, slices) = cluster(500, 5, family);
        let (pods, node) = match family {
            Family::V4 => ("10.244.0.0/16", "192.0.2.1"),
            Family::V6 => ("fd00:244::/32", "2001:db8::1"),
        };
        let options = ProxyOptions {
            family,
            pod_network: pods.parse().ok(),
            node_addresses: vec![node.parse().expect("an address")],
            ..ProxyOptions::default()
        };
        let rules = kube_proxy_nftables(&services, &slices, &options);
        netns.load(&["nft", "-f", "-"], &rules);
        let first = netns.save("nft list ruleset");
        assert_eq!(first.matches(" dnat to ").count(), (500 - 45) * 5);
        assert_eq!(first.matches("goto reject-chain").count(), 45 + 4);
        netns.load(&["nft", "-f", "-"], &rules);
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&first), sorted(&netns.save("nft list ruleset")));
    }
}
