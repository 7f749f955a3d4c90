//! No false alarm: on healthy clusters of every family and of both modes of kube-proxy, every kind of question is answered by packets and by the library alike.

use skoop_lab::{Ask, Diagnose, Lab, LabSpec, Skoop};
use skoop_model::{Family, Protocol, Severity, Verdict};

fn asks() -> Vec<Ask> {
    let udp = |from: &str, to: &str| Ask { protocol: Protocol::UDP, ..Ask::tcp(from, to) };
    let icmp = |from: &str, to: &str, size: u32| Ask { icmp: true, size: Some(size), ..Ask::tcp(from, to) };
    let node_port = |from: &str, node: &str| Ask { node: Some(node.to_owned()), ..Ask::tcp(from, "svc/default/web") };
    let external = |from: &str| Ask { external: true, ..Ask::tcp(from, "svc/default/web") };
    vec![
        Ask::tcp("pod/default/client", "pod/default/server"),
        Ask::tcp("pod/default/client-local", "pod/default/server"),
        Ask::tcp("pod/default/client", "svc/default/web"),
        Ask::tcp("pod/default/client-local", "svc/default/web"),
        // One of its endpoints is the pod itself.
        Ask::tcp("pod/default/server", "svc/default/web"),
        Ask::tcp("node/node-1", "pod/default/server"),
        Ask::tcp("node/node-1", "pod/default/server-3"),
        Ask::tcp("node/node-1", "svc/default/web"),
        Ask::tcp("pod/default/client", "outside"),
        Ask::tcp("node/node-1", "outside"),
        node_port("outside", "node-1"),
        node_port("outside", "node-2"),
        node_port("pod/default/client", "node-1"),
        node_port("pod/default/client", "node-2"),
        external("outside"),
        external("pod/default/client"),
        udp("pod/default/client", "pod/default/server"),
        udp("pod/default/client", "svc/default/web"),
        udp("outside", "svc/default/web"),
        icmp("pod/default/client", "pod/default/server", 8),
        icmp("pod/default/client", "pod/default/server", 1382),
        icmp("pod/default/client", "node/node-1", 8),
        icmp("pod/default/client", "node/node-2", 8),
        icmp("node/node-1", "node/node-2", 1000),
        icmp("pod/default/client", "outside", 8),
    ]
}

#[test]
#[ignore = "needs root: run by make test"]
fn healthy_clusters_are_never_accused() {
    let mut wrong = Vec::new();
    let families = [vec![Family::V4], vec![Family::V6], vec![Family::V4, Family::V6]];
    for (proxy, families) in
        ["iptables", "nftables"].iter().flat_map(|proxy| families.iter().map(move |all| (proxy, all)))
    {
        let spec = LabSpec { families: families.clone(), proxy: (*proxy).to_owned(), ..LabSpec::default() };
        let lab = Lab::build(&spec).expect("a lab");
        // Again, as after a change: nothing that is needed goes.
        lab.sync_proxies().expect("rules");
        let source = lab.source().expect("a source");
        for mut ask in asks() {
            // A service has no cluster address for those outside: they come by a node.
            if ask.from == "outside" && ask.node.is_none() {
                ask.external = true;
            }
            let what = format!("{proxy} {families:?} {ask:?}");
            let measured = lab.settle(&ask).expect("a measurement");
            let report = match lab.question(&ask).and_then(|question| Skoop.diagnose(&source, question)) {
                Ok(report) => report,
                Err(error) => {
                    wrong.push(format!("{what}: {error:#}"));
                    continue;
                }
            };
            let warnings = report.warnings.iter().filter(|finding| finding.severity != Severity::Info);
            let codes: Vec<&str> = report.causes.iter().chain(warnings).map(|finding| finding.code.as_str()).collect();
            if measured.verdict() != report.verdict || report.verdict != Verdict::Reachable || !codes.is_empty() {
                wrong.push(format!(
                    "{what}: packets {measured}, verdict {}, {codes:?}, {:?}",
                    report.verdict, report.unseen
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
