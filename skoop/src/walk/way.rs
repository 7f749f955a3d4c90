//! One way of a packet, and of its answer.

use std::cell::Cell;
use std::net::IpAddr;

use skoop_model::{Frame, IfIndex, MacAddr, Packet, Step};
use skoop_sim::{
    Assumed, Ending, Entry, Forks, Outcome, Resolution, Said, Sender, Site, Surroundings, walk as step_through,
    walk_said,
};

use super::fate::{self, Fate};
use super::{Ground, WalkPacket, WalkState, WalkVerdict};

/// What became of a packet on one way.
#[derive(Debug)]
pub(super) struct Walked {
    pub fate: Fate,
    /// Forks that the packet itself met; its answer met the others.
    pub forks: usize,
    pub steps: Vec<Step>,
    pub reply: Option<Fate>,
    pub reply_steps: Vec<Step>,
}

/// What is around a namespace of which nothing else is known: somebody answers for each neighbour, with an address that nobody
/// knows, and a frame that a bridge floods is taken.
#[derive(Debug, Default)]
struct Alone {
    flooded: Cell<bool>,
}

impl Surroundings for Alone {
    fn resolve(&self, _device: IfIndex, _address: IpAddr) -> Resolution {
        Resolution::Unseen
    }

    fn takes(&self, _port: IfIndex, _mac: MacAddr) -> bool {
        self.flooded.set(true);
        true
    }
}

/// Walks one way.
pub(super) fn walk(ground: &Ground, asked: &WalkPacket, start: &Entry, forks: &mut Forks) -> Walked {
    let site = Site { node: &ground.node, label: &ground.label, namespace: &ground.namespace };
    let mut conntrack = ground.conntrack.clone();
    let around = Alone::default();
    let said = Said { assumed: asked.state.map(assumed), ttl: asked.ttl.filter(|_| asked.device.is_none()) };
    let outcome = walk_said(site, start.clone(), said, &mut conntrack, &around, forks);
    let fate = fate::of(ground, asked, &outcome, around.flooded.get());
    let own = forks.choices().len();
    let back = if asked.reply { answer(&fate, &outcome) } else { None };
    let (reply, reply_steps) = match back {
        None => (None, Vec::new()),
        Some(entry) => {
            let around = Alone::default();
            let outcome = step_through(site, entry, &mut conntrack, &around, forks, false);
            (Some(fate::of(ground, asked, &outcome, around.flooded.get())), outcome.steps)
        }
    };
    Walked { fate, forks: own, steps: outcome.steps, reply, reply_steps }
}

fn assumed(state: WalkState) -> Assumed {
    match state {
        WalkState::New => Assumed::New,
        WalkState::Established => Assumed::Established,
        WalkState::Related => Assumed::Related,
        WalkState::Invalid => Assumed::Invalid,
        WalkState::Untracked => Assumed::Untracked,
    }
}

/// How the answer of a healthy receiver starts: by the device that the packet left by, or from a socket here. None if nobody got it, or
/// if somebody here refused it.
fn answer(fate: &Fate, outcome: &Outcome) -> Option<Entry> {
    match (&outcome.ending, fate.verdict) {
        (Ending::Sent { device, frame, .. }, WalkVerdict::Forwarded) => {
            let reply = Frame { src_mac: frame.dst_mac, dst_mac: frame.src_mac, packet: mirrored(&frame.packet) };
            Some(Entry::Frame { device: *device, frame: reply })
        }
        (Ending::Delivered { packet, .. }, WalkVerdict::Delivered) if outcome.answer.is_none() => {
            Some(Entry::Local { packet: packet.reply(), choose_source: false, sender: Sender::default() })
        }
        _ => None,
    }
}

/// The answer as the receiver sends it, in the tunnel that the packet left in.
fn mirrored(packet: &Packet) -> Packet {
    let Some(encap) = packet.encap.as_deref() else { return packet.reply() };
    let inner = mirrored(&encap.frame.packet);
    let mut outer = Packet { encap: None, ..packet.clone() };
    (outer.src, outer.dst) = (packet.dst, packet.src);
    outer.mark = inner.mark;
    let frame = Frame { src_mac: encap.frame.dst_mac, dst_mac: encap.frame.src_mac, packet: inner };
    outer.encap = Some(Box::new(skoop_model::Encap { vni: encap.vni, frame }));
    outer
}
