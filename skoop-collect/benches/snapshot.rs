//! Time of the snapshot of a host with 110 pods, each a namespace behind a veth on the host's bridge; and of one with many
//! connections.

#[path = "../tests/local/support.rs"]
mod support;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use divan::Bencher;
use skoop_collect::local::{Options, Others, Selection, collect};
use skoop_model::NodeName;
use support::Namespace;

const PODS: usize = 110;

fn main() {
    if !rustix::process::geteuid().is_root() {
        println!("snapshot: not run: it needs root to make namespaces");
        return;
    }
    divan::main();
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn node_with_110_pods(bencher: Bencher) {
    measure(bencher, &Options::default());
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn node_with_110_pods_one_thread(bencher: Bencher) {
    measure(bencher, &Options { max_threads: 1, ..Options::default() });
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn host_with_200_000_connections(bencher: Bencher) {
    let host = Namespace::new("flows");
    let mut flows = String::new();
    for flow in 0..200_000_u32 {
        let [_, a, b, c] = flow.to_be_bytes();
        writeln!(flows, "-I -p udp -s 10.{a}.{b}.{c} -d 10.200.0.1 --sport 4000 --dport 53 -t 3000").expect("text");
    }
    let file = std::env::temp_dir().join(format!("skoop-bench-{}", std::process::id()));
    std::fs::write(&file, flows).expect("a file");
    host.exec(&format!("conntrack --load-file {}", file.display()));
    std::fs::remove_file(&file).expect("removed");
    let selection = Selection { host: host.netns(), others: Others::None };
    bencher.bench_local(|| {
        let snapshot = collect(NodeName::from("node"), &selection, &Options::default()).expect("a snapshot");
        let table = snapshot.host().and_then(|host| host.conntrack.value());
        assert_eq!(table.map(|table| table.entries.len()), Some(200_000));
        snapshot
    });
}

fn measure(bencher: Bencher, options: &Options) {
    let node = Node::new();
    let selection = Selection { host: node.host.netns(), others: Others::ConnectedByVeth };
    bencher.bench_local(|| {
        let snapshot = collect(NodeName::from("node"), &selection, options).expect("a snapshot");
        assert_eq!(snapshot.namespaces.len(), PODS + 1);
        assert!(snapshot.namespaces.iter().all(|namespace| !namespace.is_partial()));
        snapshot
    });
}

/// A host with its pods.
struct Node {
    host: Namespace,
    _pods: Vec<Namespace>,
}

impl Node {
    fn new() -> Self {
        let host = Namespace::new("node");
        host.ip("link add cni0 type bridge");
        host.ip("addr add 10.244.0.1/24 dev cni0");
        host.ip("link set cni0 up");
        let pods: Vec<_> = (0..PODS).map(|pod| Namespace::new(&format!("pod{pod}"))).collect();
        let mut commands = String::new();
        for (pod, namespace) in pods.iter().enumerate() {
            let name = &namespace.name;
            writeln!(commands, "link add veth{pod} master cni0 up type veth peer name eth0 netns {name}")
                .expect("text");
        }
        batch(&host, &commands);
        for (pod, namespace) in pods.iter().enumerate() {
            let address = format!("addr add 10.244.0.{}/24 dev eth0\n", pod + 2);
            batch(namespace, &(address + "link set eth0 up\nroute add default via 10.244.0.1\n"));
        }
        host.exec("iptables-nft -t nat -A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE");
        Self { host, _pods: pods }
    }
}

fn batch(namespace: &Namespace, commands: &str) {
    let mut ip = Command::new("ip")
        .args(["-n", &namespace.name, "-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("iproute2");
    ip.stdin.take().expect("a pipe").write_all(commands.as_bytes()).expect("written");
    assert!(ip.wait().expect("an end").success());
}
