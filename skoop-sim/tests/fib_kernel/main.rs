//! The kernel judges route lookups: random routing state in a namespace, and `ip route get` beside [`Fib::lookup`].
//!
//! State enters through the collector, so that it is judged too.

mod generate;
mod judge;
mod lab;

use generate::{Node, Random};
use lab::Lab;

/// Nodes compared, one for each seed from 0; `SKOOP_SEEDS` in the environment asks for another number.
const NODES: u64 = 110;
/// Flows for each node.
const FLOWS: usize = 60;

#[test]
#[ignore = "needs root: run by make test"]
fn lookups_are_the_kernels() {
    let mut asked = 0;
    let mut wrong = Vec::new();
    let nodes = std::env::var("SKOOP_SEEDS").map_or(NODES, |text| text.parse().expect("a number"));
    for seed in 0..nodes {
        let node = Node::random(seed);
        let lab = Lab::build(&format!("r{seed}"), &node);
        let flows: Vec<_> = {
            let mut random = Random::new(seed ^ 0xf10a);
            (0..FLOWS).map(|_| node.flow(&mut random)).collect()
        };
        let (count, differences) = judge::compare(&lab, &flows);
        asked += count;
        if !differences.is_empty() {
            println!("seed {seed}: {:?}\n{}", node.sysctls, lab.describe());
        }
        wrong.extend(differences.into_iter().map(|difference| format!("seed {seed}: {difference}")));
    }
    assert!(asked > 2000, "only {asked} lookups were compared");
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
#[ignore = "needs root: run by make test"]
fn the_share_of_a_next_hop_is_its_weight() {
    let node = Node::with_commands(&[
        "address add 10.0.0.1/24 dev v0",
        "address add 10.1.0.1/24 dev v1",
        "route add 172.16.0.0/16 nexthop via 10.0.0.2 weight 3 nexthop via 10.1.0.2 weight 1",
    ]);
    let lab = Lab::build("weights", &node);
    lab.sysctl(&[("net.ipv4.fib_multipath_hash_policy", 1)]);
    let share = judge::share_of_first_hop(&lab, "10.0.0.2", 400);
    assert!((0.65..0.85).contains(&share), "{share}");
}
