//! The kernel judges netfilter: random rules in a router namespace, real packets through it, and [`walk`] beside them.
//!
//! State enters through the collector, so that it is judged too. A flow is three packets: the first, the answer where it
//! arrived, and one more.

#[path = "../support/command.rs"]
mod command;
mod generate;
mod lab;
mod native;
mod wire;

use std::net::IpAddr;

use generate::{Random, Rules};
use lab::{Lab, Seen};
use skoop_model::{Frame, IfIndex, MacAddr, NodeName, Packet, Port, TcpFlags, Transport};
use skoop_sim::{
    Conntrack, Ending, Entry, Namespace, NfVerdict, RejectWith, Resolution, Site, Stop, Surroundings, explore, walk,
};

/// Rule sets compared, one for each seed from 0; `SKOOP_SEEDS` in the environment asks for another number.
const RULE_SETS: u64 = 150;
/// Flows for each rule set.
const FLOWS: u16 = 12;
/// Ways walked at most for one flow.
const WAYS: usize = 256;

/// Everybody answers, with one address.
struct Everybody;

impl Surroundings for Everybody {
    fn resolve(&self, _device: IfIndex, _address: IpAddr) -> Resolution {
        Resolution::Answer(MacAddr([2, 0, 0, 0, 0, 9]))
    }

    fn takes(&self, _port: IfIndex, _mac: MacAddr) -> bool {
        true
    }
}

/// What becomes of a packet, as far as both the kernel and the simulator show it.
#[derive(Debug, Clone, PartialEq)]
enum Fate {
    /// It left by the other side; the source port is none where it is up to chance.
    Forwarded { packet: Packet, random_port: bool },
    /// Neither arrived nor answered.
    Gone,
    /// Answered with an ICMP error or a reset.
    Rejected { kind: u8, code: u8 },
    /// The router itself took it; whether and how it answers is not followed.
    Delivered,
    /// The simulator cannot say.
    Unknown(String),
}

/// A flow as the kernel took it: what was sent, from which side, and what became of it.
struct Sent {
    packet: Packet,
    forward: bool,
    fate: Fate,
}

#[test]
#[ignore = "needs root: run by make test"]
fn packets_fare_as_in_the_kernel() {
    let mut lab = Lab::build("d");
    let sets = std::env::var("SKOOP_SEEDS").map_or(RULE_SETS, |text| text.parse().expect("a number"));
    let (mut wrong, mut counts) = (Vec::new(), [0; 3]);
    for seed in 0..sets {
        let random = &mut Random::new(seed);
        let rules = Rules::random(random);
        lab.load(&rules.legacy, &rules.nft);
        let namespace = Namespace::new(lab.snapshot());
        for number in 0..FLOWS {
            let sent = flow(&mut lab, &generate::packet(random, number));
            for one in &sent {
                let place = match one.fate {
                    Fate::Forwarded { .. } => 0,
                    Fate::Rejected { .. } => 2,
                    _ => 1,
                };
                counts[place] += 1;
            }
            if let Some(difference) = compare(&namespace, &sent) {
                wrong.push(format!("seed {seed}: {difference}\nlegacy:\n{}nft:\n{}", rules.legacy, rules.nft));
            }
        }
    }
    println!("forwarded, gone, rejected: {counts:?}");
    assert!(counts.iter().all(|count| *count * 20 > counts.iter().sum::<usize>() / 2), "{counts:?}");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Sends the packets of a flow through the kernel.
fn flow(lab: &mut Lab, first: &Packet) -> Vec<Sent> {
    let mut sent = Vec::new();
    let fate = fate_of(lab.request(first));
    let arrived = match &fate {
        Fate::Forwarded { packet, .. } => Some(packet.clone()),
        _ => None,
    };
    sent.push(Sent { packet: first.clone(), forward: true, fate });
    let Some(arrived) = arrived else { return sent };
    let reply = answer(&arrived);
    let fate = fate_of(lab.reply(&reply));
    let answered = fate.packet().is_some();
    sent.push(Sent { packet: reply, forward: false, fate });
    if !answered {
        // A walk goes on after a drop as if allowed, so that its flows are then not those of the kernel.
        return sent;
    }
    let mut third = first.clone();
    if let Transport::Tcp { flags, .. } = &mut third.transport {
        *flags = TcpFlags::ACK;
    }
    let fate = fate_of(lab.request(&third));
    sent.push(Sent { packet: third, forward: true, fate });
    sent
}

/// What a receiver answers.
fn answer(packet: &Packet) -> Packet {
    let mut reply = packet.reply();
    // A timestamp request (RFC 792) is answered too.
    if let Transport::Icmp { kind: kind @ 13, .. } = &mut reply.transport {
        *kind = 14;
    }
    reply.length_bytes = wire::length(&reply);
    reply
}

fn fate_of(seen: Seen) -> Fate {
    match (seen.arrived, seen.answer.map(|answer| answer.transport)) {
        (Some(packet), _) => Fate::Forwarded { packet, random_port: false },
        (None, Some(Transport::Icmp { kind, code, .. })) => Fate::Rejected { kind, code },
        (None, Some(_)) => Fate::Rejected { kind: 0, code: 0 },
        (None, None) => Fate::Gone,
    }
}

/// Walks the same packets; a difference if no way fares as the kernel's packets did.
fn compare(namespace: &Namespace, sent: &[Sent]) -> Option<String> {
    let (ways, more) = explore(WAYS, |forks| {
        let mut conntrack = Conntrack::default();
        let mut fates: Vec<Vec<Fate>> = Vec::new();
        for one in sent {
            // The answer to what arrived here: its port may be another one than in the kernel.
            let arrived = fates.first().and_then(|fates| fates.iter().find_map(Fate::packet));
            let packet =
                if one.forward { one.packet.clone() } else { arrived.map_or_else(|| one.packet.clone(), answer) };
            fates.push(simulate(namespace, packet, one.forward, &mut conntrack, forks));
        }
        fates
    });
    let fits = |fates: &Vec<Vec<Fate>>| {
        let random = fates.iter().flatten().any(|fate| matches!(fate, Fate::Forwarded { random_port: true, .. }));
        let mut each = fates.iter().zip(sent);
        each.all(|(fates, one)| fates.iter().any(|fate| same(fate, &one.fate, random && one.forward)))
    };
    if more || ways.iter().any(|way| fits(&way.value)) {
        return None;
    }
    let kernel: Vec<_> = sent.iter().map(|one| (one.packet.to_string(), &one.fate)).collect();
    let simulated: Vec<_> = ways.iter().map(|way| &way.value).collect();
    Some(format!("kernel {kernel:#?}\nsimulator {simulated:#?}"))
}

/// What may become of the packet. More than one thing where several rules stop it, because the kernel tells only of the first.
fn simulate(
    namespace: &Namespace,
    packet: Packet,
    forward: bool,
    conntrack: &mut Conntrack,
    forks: &mut skoop_sim::Forks,
) -> Vec<Fate> {
    let node = NodeName::from("node");
    let site = Site { node: &node, label: "host", namespace };
    let link = namespace.snapshot().link_named(if forward { "c0" } else { "s0" }).expect("a device");
    let frame = Frame {
        src_mac: MacAddr([2, 0, 0, 0, 0, if forward { 2 } else { 4 }]),
        dst_mac: link.mac.expect("a MAC address"),
        packet,
    };
    let outcome = walk(site, Entry::Frame { device: link.index, frame }, conntrack, &Everybody, forks, false);
    if let Some(first) = outcome.blockers.first() {
        let same_hook = outcome.blockers.iter().take_while(|blocker| blocker.place == first.place);
        return same_hook.map(|blocker| fate_of_stop(&blocker.stop)).collect();
    }
    vec![match outcome.ending {
        Ending::Sent { frame, .. } => {
            let random_port = outcome.steps.iter().any(|step| step.decision.contains("at random"));
            Fate::Forwarded { packet: frame.packet, random_port }
        }
        Ending::Delivered { .. } => Fate::Delivered,
        Ending::Stopped => Fate::Gone,
        Ending::Unknown(unseen) => Fate::Unknown(unseen.what),
    }]
}

fn fate_of_stop(stop: &Stop) -> Fate {
    match stop {
        Stop::Netfilter(blocker) => match blocker.verdict {
            NfVerdict::Reject(RejectWith::Icmp { kind, code }) => Fate::Rejected { kind, code },
            NfVerdict::Reject(RejectWith::TcpReset) => Fate::Rejected { kind: 0, code: 0 },
            NfVerdict::Drop => Fate::Gone,
        },
        _ => Fate::Gone,
    }
}

impl Fate {
    fn packet(&self) -> Option<&Packet> {
        match self {
            Self::Forwarded { packet, .. } => Some(packet),
            _ => None,
        }
    }
}

fn same(simulated: &Fate, kernel: &Fate, any_port: bool) -> bool {
    match (simulated, kernel) {
        (Fate::Forwarded { packet, random_port }, Fate::Forwarded { packet: real, .. }) => {
            let mut wanted = packet.clone();
            // A frame on the wire has no mark.
            wanted.mark = real.mark;
            wanted.dont_fragment = real.dont_fragment;
            if any_port || *random_port {
                match (&mut wanted.transport, real.transport) {
                    (Transport::Icmp { id, .. }, Transport::Icmp { id: drawn, .. }) => *id = drawn,
                    _ => wanted.set_sport(real.sport().unwrap_or(Port(0))),
                }
            }
            wanted == *real
        }
        (Fate::Delivered, Fate::Gone | Fate::Rejected { .. }) => true,
        (one, other) => one == other,
    }
}
