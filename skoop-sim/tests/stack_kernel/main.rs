//! What the stack around netfilter does, and what the kernel does: frames go into a namespace by its devices, and all that comes
//! out by any of them is compared, answers included.
//!
//! `STACK_SEED` and `STACK_ROUNDS` set where the random rounds begin and how many there are.

#[path = "../support/command.rs"]
mod command;
mod generate;
mod lab;
mod wire;

use std::net::IpAddr;

use generate::{Rng, SETTINGS};
use lab::Lab;
use skoop_model::{Frame, IfIndex, MacAddr, NodeName};
use skoop_sim::{Conntrack, Ending, Entry, Namespace, Outcome, Resolution, Site, Surroundings, explore, walk};
use wire::{Seen, comparable};

/// Frames of one round.
const FRAMES: u16 = 250;

struct Wires;

impl Surroundings for Wires {
    fn resolve(&self, _device: IfIndex, _address: IpAddr) -> Resolution {
        Resolution::Unseen
    }

    fn takes(&self, _port: IfIndex, _mac: MacAddr) -> bool {
        false
    }
}

/// What a walk says will be seen on the wires; none if it does not know.
fn expected(namespace: &Namespace, outcome: &Outcome) -> Option<Vec<(String, Seen)>> {
    let mut seen = Vec::new();
    match &outcome.ending {
        Ending::Unknown(_) => return None,
        Ending::Sent { device, frame, .. } if outcome.blockers.is_empty() => {
            seen.push((namespace.device_name(*device), Seen { frame: comparable(frame), mtu_bytes: None }));
        }
        _ => {}
    }
    if let Some(answer) = &outcome.answer {
        match &answer.ending {
            Ending::Unknown(_) => return None,
            Ending::Sent { device, frame, .. } if answer.arrived().is_some() && answer.delay_ms == 0 => {
                let frame = comparable(frame);
                seen.push((namespace.device_name(*device), Seen { frame, mtu_bytes: answer.mtu_bytes }));
            }
            _ => {}
        }
    }
    seen.sort_by_key(|(wire, seen)| (wire.clone(), format!("{seen:?}")));
    Some(seen)
}

/// Frames for people.
fn shown(seen: &[(String, Seen)]) -> String {
    let lines = seen.iter().map(|(wire, seen)| format!("\n    {wire} {} mtu {:?}", line(&seen.frame), seen.mtu_bytes));
    lines.collect()
}

fn line(frame: &Frame) -> String {
    let one = |packet: &skoop_model::Packet| {
        let df = if packet.dont_fragment { " df" } else { "" };
        let upper = match packet.transport {
            skoop_model::Transport::Icmp { kind, code, id } => format!(" type {kind} code {code} id {id}"),
            skoop_model::Transport::Tcp { flags, .. } => format!(" flags {:#x}", flags.0),
            _ => String::new(),
        };
        format!("{packet}{upper} ttl {} tos {:#x} length {}{df}", packet.ttl, packet.tos, packet.length_bytes)
    };
    let cited = frame.packet.details.as_ref().and_then(|details| details.cited.as_ref());
    let cited = cited.map(|cited| format!(" cites [{}]", one(cited))).unwrap_or_default();
    format!("{} > {} {}{cited}", frame.src_mac, frame.dst_mac, one(&frame.packet))
}

fn differences(
    namespace: &Namespace,
    device: &str,
    frame: &Frame,
    seen: &[(&'static str, Seen)],
) -> Result<bool, String> {
    let node = NodeName::from("node");
    let site = Site { node: &node, label: "host", namespace };
    let device = namespace.snapshot().link_named(device).expect("a device").index;
    let (ways, _) = explore(16, |forks| {
        let entry = Entry::Frame { device, frame: frame.clone() };
        walk(site, entry, &mut Conntrack::of("node"), &Wires, forks, false)
    });
    let seen: Vec<_> = seen
        .iter()
        .map(|(wire, seen)| ((*wire).to_owned(), Seen { frame: comparable(&seen.frame), ..seen.clone() }))
        .collect();
    let mut text = String::new();
    for way in &ways {
        match expected(namespace, &way.value) {
            None => return Ok(false),
            Some(expected) if expected == seen => return Ok(true),
            Some(expected) => {
                text += &format!("expected {}\n", shown(&expected));
                for step in &way.value.steps {
                    text += &format!(
                        "  {:?} {} {}: {} ({})\n",
                        step.place.stage, step.place.device, step.before, step.decision, step.by.text
                    );
                }
            }
        }
    }
    Err(format!("in {}: {}\nseen {}\n{text}", namespace.device_name(device), line(frame), shown(&seen)))
}

#[test]
#[ignore = "needs root: run by make test"]
fn the_stack_does_what_the_kernel_does() {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (first, rounds): (u64, u64) = (number("STACK_SEED", 1), number("STACK_ROUNDS", 6));
    let lab = Lab::build("s");
    lab.tool("iptables-nft-restore", &[], &generate::rules(false));
    lab.tool("ip6tables-nft-restore", &[], &generate::rules(true));
    let (mut judged, mut unknown, mut wrong) = (0, 0, 0);
    for seed in first..first + rounds {
        let mut rng = Rng::new(seed);
        let settings: Vec<String> =
            SETTINGS.iter().map(|(name, values)| format!("{name}={}", rng.one(values))).collect();
        lab.sysctl(&settings.iter().map(String::as_str).collect::<Vec<_>>());
        lab.tool("conntrack", &["-F"], "");
        let namespace = Namespace::new(lab.snapshot());
        for position in 0..FRAMES {
            let number = (seed - first) * u64::from(FRAMES) + u64::from(position);
            let (device, frame) = generate::frame(&mut rng, u16::try_from(number % 0xffff).expect("short"));
            let seen = lab.send(device, &frame);
            match differences(&namespace, device, &frame, &seen) {
                Ok(true) => judged += 1,
                Ok(false) => unknown += 1,
                Err(text) => {
                    wrong += 1;
                    if wrong <= 6 {
                        println!("seed {seed}, frame {position}, {settings:?}\n{text}");
                    }
                }
            }
        }
    }
    println!("{judged} frames judged right, {unknown} not known, {wrong} wrong");
    assert_eq!(wrong, 0);
    assert!(unknown * 20 < judged, "too much is not known");
}
