//! The kernel judges the lab: healthy clusters work. That scenarios break what they say is judged in `scenarios.rs`.

use std::time::Instant;

use skoop_lab::{Ask, Lab, LabSpec, Place, Scenario};
use skoop_model::{Family, Protocol, Verdict};

fn lab() -> Lab {
    Lab::build(&LabSpec::default()).expect("a lab")
}

fn namespaces(id: &str) -> usize {
    let names = std::fs::read_dir("/run/netns")
        .expect("named namespaces")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(&format!("skoop-lab-{id}-"))).count()
}

#[test]
#[ignore = "needs root: run by make test"]
fn a_healthy_cluster_answers_every_kind_of_question_and_leaves_nothing() {
    let begun = Instant::now();
    let lab = lab();
    eprintln!("built in {:?}", begun.elapsed());
    let from_node = |node: &str| Ask { node: Some(node.to_owned()), ..Ask::tcp("outside", "svc/default/web") };
    let external = |from: &str| Ask { external: true, ..Ask::tcp(from, "svc/default/web") };
    let udp = |from: &str, to: &str| Ask { protocol: Protocol::UDP, ..Ask::tcp(from, to) };
    let icmp = |size: u32| Ask { icmp: true, size: Some(size), ..Ask::tcp("pod/default/client", "pod/default/server") };
    let asks = [
        Ask::tcp("pod/default/client", "pod/default/server"),
        Ask::tcp("pod/default/client-local", "pod/default/server"),
        Ask::tcp("pod/default/client", "svc/default/web"),
        Ask::tcp("pod/default/client-local", "svc/default/web"),
        Ask::tcp("pod/default/server", "svc/default/web"),
        Ask::tcp("node/node-1", "pod/default/server"),
        Ask::tcp("node/node-1", "svc/default/web"),
        Ask::tcp("pod/default/client", "outside"),
        from_node("node-1"),
        from_node("node-2"),
        external("outside"),
        external("pod/default/client"),
        udp("pod/default/client", "pod/default/server"),
        udp("pod/default/client", "svc/default/web"),
        icmp(0),
        icmp(1422),
    ];
    for ask in asks {
        let begun = Instant::now();
        let measured = lab.settle(&ask).expect("a measurement");
        assert_eq!(measured.verdict(), Verdict::Reachable, "{ask:?}: {measured}");
        eprintln!("{} -> {} in {:?}", ask.from, ask.to, begun.elapsed());
    }
    let too_big = lab.measure(&icmp(1423)).expect("a measurement");
    assert_eq!(too_big.to_string(), "0 of 40 answered (40 too big)");
    let id = lab.plan().id.clone();
    assert_eq!(namespaces(&id), 10);
    let begun = Instant::now();
    lab.tear_down().expect("down");
    eprintln!("torn down in {:?}", begun.elapsed());
    assert_eq!(namespaces(&id), 0);
}

#[test]
#[ignore = "needs root: run by make test"]
fn both_families_work_alone_and_together() {
    for families in [vec![Family::V6], vec![Family::V4, Family::V6], vec![Family::V6, Family::V4]] {
        let lab = Lab::build(&LabSpec { families: families.clone(), ..LabSpec::default() }).expect("a lab");
        for ask in [
            Ask::tcp("pod/default/client", "pod/default/server"),
            Ask::tcp("pod/default/client", "svc/default/web"),
            Ask::tcp("pod/default/server", "svc/default/web"),
            Ask::tcp("pod/default/client", "outside"),
            Ask { node: Some("node-1".to_owned()), ..Ask::tcp("outside", "svc/default/web") },
            Ask { external: true, ..Ask::tcp("outside", "svc/default/web") },
            Ask { icmp: true, size: Some(1382), ..Ask::tcp("pod/default/client", "pod/default/server") },
        ] {
            let measured = lab.settle(&ask).expect("a measurement");
            assert_eq!(measured.verdict(), Verdict::Reachable, "{families:?} {ask:?}: {measured}");
        }
    }
}

#[test]
#[ignore = "needs root: run by make test"]
fn a_dropped_lab_leaves_nothing_and_commands_run_in_their_place() {
    let lab = lab();
    let id = lab.plan().id.clone();
    let argv = ["ip", "-4", "-brief", "address", "show", "dev", "eth0"].map(str::to_owned);
    let shown = lab.run(&Place::Node("node-2".to_owned()), &argv).expect("ip");
    assert!(shown.contains("172.20.0.12/24"), "{shown}");
    let error = lab.run(&Place::Outside, &["ip".to_owned(), "nonsense".to_owned()]).expect_err("an error");
    assert!(format!("{error:#}").contains("nonsense"), "{error:#}");
    drop(lab);
    assert_eq!(namespaces(&id), 0);
}

#[test]
#[ignore = "needs root: run by make test"]
fn placeholders_and_patches_reach_the_kernel() {
    let lab = lab();
    let text = r#"
name = "test"
topology = "flannel-vxlan"
question = { from = "outside", to = "svc/default/web", node = "node-1" }
expect = { verdict = "reachable", first = [] }
[[break]]
in = "node/node-1"
run = ["iptables", "-A", "OUTPUT", "-m", "comment", "--comment", "{mac:node-1/cni0} {ip:node-1} {ip:default/server} {veth:default/server} {vtep:node-2} {podcidr:node-2} {gw:node-2} {ip:svc/default/web} {nodeport:svc/default/web} {lbip:svc/default/web} {ip:outside}"]
[[break]]
create = { apiVersion = "v1", kind = "Service", metadata = { name = "more", namespace = "default" }, spec = { clusterIP = "10.96.0.99", clusterIPs = ["10.96.0.99"], ports = [{ port = 80, protocol = "TCP" }] } }
sync = true
[[break]]
patch = { kind = "Service", name = "default/web", spec = { externalTrafficPolicy = "Local" } }
sync = true
[[heal]]
delete = { kind = "Service", name = "default/more" }
sync = true
"#;
    let scenario = Scenario::parse(text, "test").expect("a scenario");
    let save = || lab.run(&Place::Node("node-1".to_owned()), &["iptables-save".to_owned()]).expect("rules");
    lab.apply(&scenario.breaks).expect("to apply");
    let rules = save();
    for filled in [
        " 172.20.0.11 10.244.2.2 veth",
        " 10.244.2.0 10.244.2.0/24 10.244.2.1 10.96.71.20 30080 198.51.100.10 203.0.113.10",
    ] {
        assert!(rules.contains(filled), "{rules}");
    }
    assert!(rules.contains("default/more has no endpoints"), "{rules}");
    assert!(rules.contains(":KUBE-SVL-"), "{rules}");
    let measured = lab.settle(&scenario.question).expect("a measurement");
    assert_eq!(measured.verdict(), Verdict::Reachable, "node-1 has a local endpoint: {measured}");
    lab.apply(&scenario.heal).expect("to heal");
    assert!(!save().contains("default/more"));
}
