//! There and back: the packet, the receiver, and the answer.

use skoop_model::{Evidence, Packet, Stage, Step, Transport, Unseen};
use skoop_sim::{Forks, Receiver, Stop, Tri, receiver};

use super::journey::{End, Journey, Start, Traveller};
use super::network::{HostId, Network};
use super::resolve::Plan;
use super::wants::Wants;

/// One way that a question's packet may take, its answer included.
#[derive(Debug, Clone, PartialEq)]
pub struct Trip {
    /// The way there.
    pub forward: Journey,
    /// The way back, if the packet arrived and an answer was asked for.
    pub reply: Option<Journey>,
    /// Whether it worked.
    pub result: TripResult,
}

/// How a trip ends.
#[derive(Debug, Clone, PartialEq)]
pub enum TripResult {
    /// The packet arrived, and so did the answer.
    Success,
    /// Something stopped one of them.
    Failure,
    /// It depends on something that was not seen.
    Unknown(Unseen),
    /// It needs a fact that was not supplied yet.
    Pending,
}

impl Trip {
    /// Both journeys, the way there first.
    pub fn journeys(&self) -> impl Iterator<Item = &Journey> {
        std::iter::once(&self.forward).chain(&self.reply)
    }
}

/// Makes the trip of a plan.
pub fn take(network: &Network, plan: &Plan, wants: &Wants, forks: &mut Forks) -> Trip {
    let mut traveller = Traveller::new(network, wants, forks);
    let mut forward = traveller.travel(plan.start.clone(), false);
    let answer = match forward.end.clone() {
        End::Arrived { host, packet, device } => {
            receive(&mut traveller, network, (host, device), &packet, &mut forward)
        }
        End::Horizon { place, packet, .. } => {
            answer_from_outside(&mut traveller, network, plan, (&place.device, &packet), &mut forward)
        }
        _ => None,
    };
    let reply = match answer {
        Some(start) if plan.reply => {
            let mut reply = traveller.travel(start, true);
            judge_reply(&mut traveller, plan, &forward.origin, &mut reply);
            Some(reply)
        }
        _ => None,
    };
    let result = result_of(&forward, reply.as_ref());
    Trip { forward, reply, result }
}

/// How the trip of a plan would end with another start, as far as what is in sight tells.
pub fn try_instead(network: &Network, plan: &Plan, start: Start) -> TripResult {
    let plan = Plan { start, ..plan.clone() };
    take(network, &plan, &Wants::default(), &mut Forks::first()).result
}

/// Hands the packet to a socket, and says where the answer starts.
fn receive(
    traveller: &mut Traveller<'_, '_>,
    network: &Network,
    (host, device): (HostId, skoop_model::IfIndex),
    packet: &Packet,
    forward: &mut Journey,
) -> Option<Start> {
    if let Some(owner) = rightful_owner(network, host, packet) {
        let evidence = Evidence::new("address", super::text::held_address(network, host, packet.dst));
        forward.end = traveller.stop(host, device, packet, Stop::WrongReceiver { owner }, evidence, false, forward);
        return None;
    }
    let namespace = &network.host(host).namespace;
    let (decision, by) = if matches!(packet.transport, Transport::Icmp { .. } | Transport::Other) {
        ("answered by the kernel".to_owned(), Evidence::new("socket", "ICMP echo"))
    } else {
        match receiver(&namespace.snapshot().sockets, packet, device) {
            Receiver::Found(socket) => {
                ("handed to a socket".to_owned(), Evidence::new("socket", super::text::socket(&socket)))
            }
            Receiver::NoListener { near } => {
                let redirect = redirect(network, host, forward);
                let evidence = super::text::near_sockets(packet, &near, redirect);
                forward.end = traveller.stop(host, device, packet, Stop::NoSocket { near }, evidence, false, forward);
                return None;
            }
            Receiver::Unknown(unseen) => {
                forward.end = End::Unknown(unseen);
                return None;
            }
        }
    };
    let step = traveller.note(host, device, Stage::Delivery, packet, decision, by);
    forward.steps.push(step);
    Some(Start::Host { host, packet: packet.reply(), choose_source: false })
}

/// The pod that should have got the packet, if another namespace did: an address that two namespaces have.
fn rightful_owner(network: &Network, host: HostId, packet: &Packet) -> Option<String> {
    let cluster = network.cluster();
    let pod = *cluster.pods_with_address(packet.dst).first().filter(|pod| !pod.phase.is_over())?;
    let owner = network.pod_host(pod).filter(|owner| *owner != host)?;
    Some(network.host(owner).label.clone())
}

/// The rule of the receiver's namespace that changed the port, last of all.
fn redirect<'a>(network: &Network, host: HostId, forward: &'a Journey) -> Option<&'a str> {
    let place = network.host(host);
    let here = |step: &&Step| step.place.node == place.node && step.place.namespace == place.label;
    let changed = |step: &&Step| step.after.as_ref().is_some_and(|after| after.dport() != step.before.dport());
    let step = forward.steps.iter().rev().filter(here).find(changed)?;
    Some(step.by.text.as_str())
}

/// The answer of a host outside: it comes in by the node that has the address it is sent to.
fn answer_from_outside(
    traveller: &mut Traveller<'_, '_>,
    network: &Network,
    plan: &Plan,
    (device, packet): (&str, &Packet),
    forward: &mut Journey,
) -> Option<Start> {
    if !plan.reply {
        return None;
    }
    let mut answer = packet.reply();
    answer.ttl = 63;
    let cluster = network.cluster();
    if let Some(node) = cluster.node_with_address(answer.dst) {
        return Some(Start::Outside { node: node.name.clone(), address: answer.dst, packet: answer });
    }
    let last = *forward.passed.last()?;
    let device = network.host(last).namespace.snapshot().link_named(device)?.index;
    if network.reaches_from_outside(answer.dst) == Tri::No {
        let text = format!("the answer is sent to {}, which is known only inside the cluster", answer.dst);
        let stop = Stop::LeftCluster { next_hop: None, route: None };
        let mut journey = Journey { origin: answer.clone(), ..empty(&answer) };
        traveller.stop(last, device, &answer, stop, Evidence::new("missing", text), true, &mut journey);
        forward.blocked.append(&mut journey.blocked);
        forward.steps.append(&mut journey.steps);
        forward.end = End::Stopped;
    }
    None
}

fn empty(packet: &Packet) -> Journey {
    Journey { origin: packet.clone(), steps: Vec::new(), blocked: Vec::new(), passed: Vec::new(), end: End::Stopped }
}

/// Whether the answer arrived where it is waited for, as what it is waited for.
fn judge_reply(traveller: &mut Traveller<'_, '_>, plan: &Plan, origin: &Packet, reply: &mut Journey) {
    let expected = origin.reply();
    let same = |packet: &Packet| {
        (packet.src, packet.dst, packet.sport(), packet.dport())
            == (expected.src, expected.dst, expected.sport(), expected.dport())
    };
    match (reply.end.clone(), &plan.start) {
        (End::Arrived { host, packet, device }, Start::Host { host: client, .. }) => {
            if host == *client && same(&packet) {
                let by = Evidence::new("socket", format!("the client's socket, {expected}"));
                let step = traveller.note(host, device, Stage::Delivery, &packet, "answer received".to_owned(), by);
                reply.steps.push(step);
            } else {
                let evidence = Evidence::new("socket", format!("arrived: {packet}; expected: {expected}"));
                let stop = Stop::NotTheAnswer { expected: Box::new(expected) };
                reply.end = traveller.stop(host, device, &packet, stop, evidence, true, reply);
            }
        }
        (End::Arrived { host, packet, device }, Start::Outside { .. }) => {
            let evidence =
                Evidence::new("socket", format!("arrived on a node: {packet}; expected outside: {expected}"));
            let stop = Stop::NotTheAnswer { expected: Box::new(expected) };
            reply.end = traveller.stop(host, device, &packet, stop, evidence, true, reply);
        }
        (End::Horizon { packet, .. }, Start::Outside { .. }) if !same(&packet) => {
            if let Some(host) = reply.passed.last().copied() {
                let device = skoop_model::IfIndex(0);
                let evidence = Evidence::new("packet", format!("left: {packet}; expected: {expected}"));
                let stop = Stop::NotTheAnswer { expected: Box::new(expected) };
                reply.end = traveller.stop(host, device, &packet, stop, evidence, true, reply);
            }
        }
        _ => {}
    }
}

fn result_of(forward: &Journey, reply: Option<&Journey>) -> TripResult {
    let journeys = || std::iter::once(forward).chain(reply);
    if journeys().any(|journey| !journey.blocked.is_empty()) {
        return TripResult::Failure;
    }
    for journey in journeys() {
        match &journey.end {
            End::Pending => return TripResult::Pending,
            End::Unknown(unseen) => return TripResult::Unknown(unseen.clone()),
            End::Stopped => return TripResult::Failure,
            End::Arrived { .. } | End::Horizon { .. } => {}
        }
    }
    TripResult::Success
}
