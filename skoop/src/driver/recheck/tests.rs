//! A host whose way out is there, or is not, from one reading to the next.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use skoop_collect::dump::Files;
use skoop_model::{ClusterSnapshot, End, Item, KubeNode, NodeSnapshot, Question, Reason, Unavailable};

use super::*;
use crate::driver::{Silent, diagnose};

/// Answers for the node, the next one each time; the last one again and again.
struct Readings {
    left: Mutex<Vec<Supplied>>,
    live: bool,
}

#[async_trait]
impl Source for Readings {
    async fn fetch(&self, want: &Want) -> Supplied {
        let Want::Node(_) = want else { return Supplied::Cluster(Box::new(cluster())) };
        let mut left = self.left.lock().expect("no panic before");
        if left.len() > 1 { left.remove(0) } else { left.first().cloned().expect("one is left") }
    }

    fn changes(&self) -> bool {
        self.live
    }
}

fn cluster() -> ClusterSnapshot {
    let node = KubeNode {
        name: NodeName::from("a"),
        addresses: vec!["192.0.2.1".parse().expect("a literal")],
        pod_cidrs: vec![],
        ready: Some(true),
        labels: BTreeMap::new(),
        provider_id: None,
    };
    ClusterSnapshot { nodes: Item::known(0, vec![node]), ..ClusterSnapshot::new("test", 0) }
}

/// The node, with these routes beside those of its link.
fn node(routes: &str) -> Supplied {
    let mut files = Files::default();
    let flags = r#""flags":["UP","LOWER_UP"],"mtu":1500,"operstate":"UP""#;
    files.insert(
        "ip-link.json",
        format!(
            r#"[{{"ifindex":1,"ifname":"lo","link_type":"loopback",{flags}}},
                {{"ifindex":2,"ifname":"eth0","link_type":"ether","address":"02:00:00:00:00:01",{flags}}}]"#
        ),
    );
    let address = r#"[{"ifindex":2,"ifname":"eth0","addr_info":[{"family":"inet","local":"192.0.2.1","prefixlen":24,"scope":"global"}]}]"#;
    files.insert("ip-addr.json", address.to_owned());
    let local = r#"{"type":"local","dst":"192.0.2.1","dev":"eth0","table":"local","protocol":"kernel","scope":"host","flags":[]}"#;
    let own =
        r#"{"dst":"192.0.2.0/24","dev":"eth0","protocol":"kernel","scope":"link","prefsrc":"192.0.2.1","flags":[]}"#;
    files.insert("ip-route.json", format!("[{own},{local}{routes}]"));
    files.insert(
        "ip-neigh.json",
        r#"[{"dst":"192.0.2.254","dev":"eth0","lladdr":"02:00:00:00:00:fe","state":["PERMANENT"]}]"#.to_owned(),
    );
    for empty in ["iptables-save.txt", "iptables-legacy-save.txt", "nft.txt", "ipset-save.txt", "conntrack.txt"] {
        files.insert(empty, String::new());
    }
    let rules = r#"[{"priority":0,"src":"all","table":"local"},{"priority":32766,"src":"all","table":"main"}]"#;
    files.insert("ip-rule.json", rules.to_owned());
    files.insert("sysctl.txt", "net.ipv4.ip_forward = 0\n".to_owned());
    let mut node = NodeSnapshot::new(NodeName::from("a"), 0);
    node.namespaces.push(files.load().snapshot);
    Supplied::Node(Box::new(node))
}

fn closed() -> Supplied {
    node("")
}

fn open() -> Supplied {
    node(r#",{"dst":"default","gateway":"192.0.2.254","dev":"eth0","flags":[]}"#)
}

async fn answered(left: Vec<Supplied>, live: bool) -> Report {
    let source = Readings { left: Mutex::new(left), live };
    let outside = End::Address("198.51.100.1".parse().expect("a literal"));
    let question = Question { reply: false, ..Question::tcp(End::Node(NodeName::from("a")), outside, None) };
    diagnose(&source, question, &Silent).await.expect("the question can be answered")
}

fn codes(findings: &[Finding]) -> Vec<(&str, bool)> {
    findings.iter().map(|finding| (finding.code.as_str(), finding.changing)).collect()
}

#[tokio::test]
async fn what_is_still_there_is_the_cause() {
    let report = answered(vec![closed()], true).await;
    assert_eq!(report.verdict, Verdict::Unreachable, "{:?}", report.unseen);
    assert_eq!(codes(&report.causes), [("ROUTE-NO-ROUTE", false)]);
}

#[tokio::test]
async fn what_is_gone_when_read_again_is_changing() {
    let report = answered(vec![closed(), open()], true).await;
    assert_ne!(report.verdict, Verdict::Unreachable);
    assert_eq!((codes(&report.causes), codes(&report.warnings)), (vec![], vec![("ROUTE-NO-ROUTE", true)]));
    assert!(report.warnings.iter().all(|finding| finding.severity == Severity::Warning));
}

#[tokio::test]
async fn what_cannot_change_is_read_once() {
    let report = answered(vec![closed(), open()], false).await;
    assert_eq!(report.verdict, Verdict::Unreachable, "{:?}", report.unseen);
}

#[tokio::test]
async fn a_second_reading_that_fails_takes_nothing_away() {
    let gone = Supplied::Unavailable(Unavailable::new(Reason::Timeout, "no answer"));
    let report = answered(vec![closed(), gone], true).await;
    assert_eq!(codes(&report.causes), [("ROUTE-NO-ROUTE", false)]);
    assert!(report.unseen.iter().any(|unseen| unseen.what == "node a, a second time" && !unseen.matters));
}
