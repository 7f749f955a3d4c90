//! The simulator alone: one packet through one namespace, step by step. No cluster, no root, no async.
//!
//! `cargo run -p skoop-examples --bin walk-one-namespace`

use std::net::IpAddr;

use skoop::model::{
    Address, HostRole, IfIndex, Item, Link, LinkKind, MacAddr, NamespaceSnapshot, NetfilterDumps, NetnsId, NodeName,
    Packet, Port, Route, RoutingRule, RuleAction, Sysctls, TableId,
};
use skoop::sim::{Conntrack, Entry, Namespace, Resolution, Sender, Site, Surroundings, explore, walk};

fn main() -> anyhow::Result<()> {
    let namespace = Namespace::new(snapshot()?);
    let node = NodeName::from("my-host");
    let site = Site { node: &node, label: "host", namespace: &namespace };
    let packet = Packet::tcp_syn("192.0.2.10".parse()?, Port(40_000), "198.51.100.7".parse()?, Port(443));

    // A walk that depends on chance or on something unknown has several ways; `explore` takes them all.
    let (ways, _) = explore(64, |forks| {
        let entry = Entry::Local { packet: packet.clone(), choose_source: true, sender: Sender::default() };
        walk(site, entry, &mut Conntrack::default(), &QuietLink, forks, false)
    });
    for way in ways {
        println!("with probability {:.2}:", way.chance());
        for step in way.value.steps {
            println!(
                "  {:<11} {:<5} {}  [{}]",
                step.place.stage.name(),
                step.place.device,
                step.decision,
                step.by.text
            );
        }
        println!("  ends as {:?}", way.value.ending);
    }
    Ok(())
}

/// A link on which the gateway answers and nobody else.
struct QuietLink;

impl Surroundings for QuietLink {
    fn resolve(&self, _device: IfIndex, address: IpAddr) -> Resolution {
        if address == IpAddr::from([192, 0, 2, 1]) {
            Resolution::Answer(MacAddr([2, 0, 0, 0, 0, 1]))
        } else {
            Resolution::Nobody
        }
    }

    fn takes(&self, _port: IfIndex, _mac: MacAddr) -> bool {
        false
    }
}

/// A host with one NIC, a default route, and one rule that loses three packets in ten.
fn snapshot() -> anyhow::Result<NamespaceSnapshot> {
    let device = IfIndex(2);
    let mut snapshot = NamespaceSnapshot::new(NetnsId(1), HostRole::Host);
    snapshot.links = Item::known(
        0,
        vec![Link { mac: Some(MacAddr([2, 0, 0, 0, 0, 10])), ..Link::new(device, "eth0", LinkKind::Physical) }],
    );
    let address = Address::new(device, "192.0.2.10/24".parse()?);
    snapshot.addresses = Item::known(0, vec![address]);
    let on_link = Route::unicast("192.0.2.0/24".parse()?, None, device);
    let default = Route::unicast("0.0.0.0/0".parse()?, Some("192.0.2.1".parse()?), device);
    snapshot.routes = Item::known(0, vec![on_link, default]);
    snapshot.rules = Item::known(0, vec![rule(0, TableId::LOCAL), rule(32_766, TableId::MAIN)]);
    snapshot.neighbours = Item::known(0, Vec::new());
    snapshot.fdb = Item::known(0, Vec::new());
    snapshot.sysctls = Item::known(0, Sysctls::default());
    snapshot.sockets = Item::known(0, Vec::new());
    let rules = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                 -A OUTPUT -p tcp -m statistic --mode random --probability 0.3 -j DROP\nCOMMIT\n";
    let nothing = || Item::known(0, String::new());
    snapshot.netfilter = NetfilterDumps {
        legacy_v4: nothing(),
        legacy_v6: nothing(),
        nft_v4: Item::known(0, rules.to_owned()),
        nft_v6: nothing(),
        nft_json: nothing(),
        ipset: nothing(),
        ..NetfilterDumps::not_collected()
    };
    Ok(snapshot)
}

fn rule(priority: u32, table: TableId) -> RoutingRule {
    RoutingRule { priority, action: RuleAction::Lookup(table), ..RoutingRule::any(skoop::model::Family::V4) }
}
