//! Reports as the engine writes them, made by hand.

use skoop::model::{
    Branch, End, Evidence, Finding, Fix, Intent, IntentVerdict, Mark, NodeName, ObjectKey, Packet, Port, Question,
    ReplySummary, Report, ResolvedEnd, ResolvedQuestion, Severity, Share, SnapshotInfo, Stage, Step, Unseen, Verdict,
};

use crate::walks::{
    CLIENT, NODE_1, NODE_2, Walk, address, blocked_at_tunnel, from_client, over_tunnel, syn, to_server,
};

fn end(name: &str, address_text: &str, port: Option<u16>, node: Option<&str>) -> ResolvedEnd {
    ResolvedEnd {
        name: name.to_owned(),
        address: Some(address(address_text)),
        port: port.map(Port),
        node: node.map(NodeName::from),
    }
}

fn snapshots(nodes: &[&str]) -> Vec<SnapshotInfo> {
    let at_ms = 1_772_366_400_000_u64;
    let info = |of: &str, after_ms| SnapshotInfo {
        of: of.to_owned(),
        taken_at_ms: at_ms + after_ms,
        took_ms: 40,
        partial: vec![],
    };
    let nodes = nodes.iter().map(|node| info(node, 120));
    std::iter::once(info("cluster", 0)).chain(nodes).collect()
}

fn finding(code: &str, node: &str, namespace: &str, evidence: (&str, &str), message: &str, fix: Fix) -> Finding {
    Finding {
        code: code.to_owned(),
        severity: Severity::Critical,
        conditional: false,
        reply: false,
        changing: false,
        node: node.to_owned(),
        namespace: namespace.to_owned(),
        evidence: Evidence::new(evidence.0, evidence.1),
        message: message.to_owned(),
        fix,
        docs: format!("https://skoop.dev/findings/{code}"),
    }
}

fn fix(text: &str, commands: &[&[&str]]) -> Fix {
    let commands = commands.iter().map(|argv| argv.iter().map(|&part| part.to_owned()).collect()).collect();
    Fix { text: text.to_owned(), commands }
}

fn report(question: Question, source: ResolvedEnd, destination: ResolvedEnd, verdict: Verdict) -> Report {
    Report {
        schema: 1,
        question: ResolvedQuestion { asked: question, source: Some(source), destination: Some(destination) },
        verdict,
        share: None,
        horizon: None,
        causes: vec![],
        symptoms: vec![],
        warnings: vec![],
        branches: vec![],
        reply: ReplySummary { walked: true, verdict: None },
        intent: Intent {
            verdict: IntentVerdict::Allowed,
            agrees: Some(verdict == Verdict::Reachable),
            reasons: vec![],
        },
        unseen: vec![],
        snapshots: snapshots(&[NODE_1, NODE_2]),
        version: "0.1.0".to_owned(),
    }
}

fn pod(name: &str) -> End {
    End::Pod(ObjectKey::new("default", name))
}

fn reachable_branch(steps: Vec<Step>, server: &str) -> Branch {
    let back = Walk::new(Packet::tcp_syn(address(server), Port(80), address("10.244.1.2"), Port(40_000)))
        .at(NODE_2, "pod/default/server")
        .step(Stage::Socket, "", "SYN and ACK", ("socket", "tcp LISTEN 0.0.0.0:80"))
        .step(Stage::Routing, "eth0", "default by way of 10.244.2.1", ("route", "default via 10.244.2.1 dev eth0"))
        .at(NODE_2, "host")
        .step(
            Stage::Routing,
            "flannel.1",
            "10.244.1.0/24 by way of 10.244.1.0",
            ("route", "10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink"),
        )
        .at(NODE_1, CLIENT)
        .step(Stage::Delivery, "", "the waiting socket", ("socket", "tcp 10.244.1.2:40000"))
        .done();
    Branch {
        probability: Some(Share(1.0)),
        verdict: Verdict::Reachable,
        choices: vec![],
        steps,
        reply_steps: back,
        codes: vec![],
    }
}

/// The two ends are healthy.
pub fn healthy() -> Report {
    let question = Question::tcp(pod("client"), pod("server"), Some(Port(80)));
    let mut report = report(
        question,
        end(CLIENT, "10.244.1.2", None, Some(NODE_1)),
        end("pod/default/server", "10.244.2.2", Some(80), Some(NODE_2)),
        Verdict::Reachable,
    );
    report.share = Some(Share(1.0));
    report.reply.verdict = Some(Verdict::Reachable);
    let steps = to_server(over_tunnel(from_client(syn("10.244.2.2")), "192.168.0.2"), "pod/default/server").done();
    report.branches = vec![reachable_branch(steps, "10.244.2.2")];
    report
}

/// An FDB entry of a VXLAN device is gone.
pub fn fdb_missing() -> Report {
    let mut report = healthy();
    report.verdict = Verdict::Unreachable;
    report.share = Some(Share(0.0));
    report.reply.verdict = None;
    report.intent.agrees = Some(false);
    report.intent.reasons = vec!["no network policy selects pod/default/client or pod/default/server".to_owned()];
    report.causes = vec![finding(
        "TUNNEL-FDB-MISSING",
        NODE_1,
        "host",
        (
            "fdb",
            "5e:0a:00:00:02:01 dev flannel.1 dst 192.168.0.2   (missing; `bridge fdb show dev flannel.1` has 1 other entry)",
        ),
        "flannel.1 has no forwarding entry for 5e:0a:00:00:02:01, the VTEP of node-2: VXLAN does not know which host to send \
         the frame to, and drops it.",
        fix(
            "Put the entry back. It concerns all pod traffic from node-1 to node-2; flanneld writes the same entry when it \
             is restarted.",
            &[&[
                "bridge",
                "fdb",
                "append",
                "5e:0a:00:00:02:01",
                "dev",
                "flannel.1",
                "dst",
                "192.168.0.2",
                "self",
                "permanent",
            ]],
        ),
    )];
    let steps = blocked_at_tunnel();
    report.branches = vec![Branch {
        probability: Some(Share(1.0)),
        verdict: Verdict::Unreachable,
        choices: vec![],
        steps,
        reply_steps: vec![],
        codes: vec!["TUNNEL-FDB-MISSING".to_owned()],
    }];
    report.unseen = vec![Unseen {
        what: "ipset of node-2".to_owned(),
        why: "unsupported: ipset: the kernel lacks ip_set".to_owned(),
        matters: false,
    }];
    report
}

fn dnat(walk: Walk, endpoint: &'static str, probability: &str) -> Walk {
    let rule = format!("-A KUBE-SVC-WEB -m statistic --mode random --probability {probability} -j KUBE-SEP-{endpoint}");
    walk.change(
        Stage::Prerouting,
        "",
        &format!("endpoint {endpoint}:80 of svc/default/web"),
        ("iptables", &rule),
        |packet| {
            let mut packet = packet.clone();
            packet.dst = address(endpoint);
            packet.mark = Mark(0);
            packet
        },
    )
}

/// A service with one dead backend of three.
pub fn one_of_three_dead() -> Report {
    let question = Question::tcp(pod("client"), End::Service(ObjectKey::new("default", "web")), None);
    let mut report = report(
        question,
        end(CLIENT, "10.244.1.2", None, Some(NODE_1)),
        end("svc/default/web", "10.96.0.10", Some(80), None),
        Verdict::Degraded,
    );
    report.share = Some(Share(2.0 / 3.0));
    report.reply.verdict = Some(Verdict::Reachable);
    report.intent.reasons = vec!["svc/default/web has 3 ready endpoints".to_owned()];
    report.causes = vec![finding(
        "SOCKET-NO-LISTENER",
        NODE_2,
        "pod/default/server-2",
        ("socket", "ss -ltn in pod/default/server-2: nothing on port 80\ntcp LISTEN 127.0.0.1:9090"),
        "Nothing in pod/default/server-2 listens on TCP port 80, so its kernel answers with a reset.",
        fix(
            "Start the server in the pod, or let its readiness probe take it out of the service.",
            &[&["kubectl", "-n", "default", "delete", "pod", "server-2"]],
        ),
    )];
    report.warnings = vec![Finding {
        severity: Severity::Warning,
        ..finding(
            "NODE-NOT-READY",
            NODE_2,
            "",
            ("object", "node/node-2 Ready=False"),
            "node-2 is not ready; the path does not suffer from it.",
            Fix::default(),
        )
    }];
    let way = |endpoint: &'static str, pod: &'static str| {
        let walk = over_tunnel(dnat(from_client(syn("10.96.0.10")), endpoint, "0.33333333349"), "192.168.0.2");
        let mut branch = reachable_branch(to_server(walk, pod).done(), endpoint);
        branch.probability = Some(Share(1.0 / 3.0));
        branch.choices = vec![format!("endpoint {endpoint}:80 ({pod})")];
        branch
    };
    let mut dead = way("10.244.2.3", "pod/default/server-2");
    dead.verdict = Verdict::Unreachable;
    dead.codes = vec!["SOCKET-NO-LISTENER".to_owned()];
    dead.reply_steps = vec![];
    if let Some(last) = dead.steps.last_mut() {
        last.blocked = true;
        last.after = None;
        last.decision = String::from("nothing listens on TCP port 80: answered with a reset");
        last.by = Evidence::new("socket", "tcp LISTEN 127.0.0.1:9090");
    }
    report.branches = vec![way("10.244.2.2", "pod/default/server"), dead, way("10.244.2.4", "pod/default/server-3")];
    report
}

/// Several causes, one on the way back, one unknown that matters; names that attack the terminal.
pub fn hostile() -> Report {
    let mut report = fdb_missing();
    report.verdict = Verdict::Undetermined;
    report.share = None;
    report.question.asked.from = pod("\u{1b}]0;owned\u{7}<script>alert(1)");
    if let Some(cause) = report.causes.first_mut() {
        cause.evidence.text =
            String::from("-A X -m comment --comment \"\u{1b}[2J\u{202e}</pre><img src=x onerror=alert(1)>\" -j DROP");
        cause.fix.commands.push(vec![
            "iptables".to_owned(),
            "-D".to_owned(),
            "X; reboot\n".to_owned(),
            "it's".to_owned(),
        ]);
    }
    report.causes.push(Finding {
        conditional: true,
        reply: true,
        ..finding(
            "ROUTE-NO-ROUTE",
            NODE_2,
            "pod/default/server",
            ("missing", "no route to 10.244.1.2"),
            "The server has no way back.",
            fix("", &[&["ip", "route", "add", "default", "via", "10.244.2.1"]]),
        )
    });
    report.symptoms = vec![finding(
        "SOCKET-NO-LISTENER",
        NODE_2,
        "pod/default/server",
        ("socket", ""),
        "\u{9b}31mred",
        Fix::default(),
    )];
    report.unseen.push(Unseen {
        what: "rule `-A FORWARD -m \u{1b}[5mbpf --object-pinned /x -j DROP`".to_owned(),
        why: "the match `bpf` is not understood".to_owned(),
        matters: true,
    });
    for branch in &mut report.branches {
        for step in &mut branch.steps {
            step.place.device = format!("{}\u{1b}[1m\"><script>", step.place.device);
        }
    }
    report
}
