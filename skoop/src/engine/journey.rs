//! One packet across namespaces and nodes, from its sender to where it ends.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::ControlFlow;

use skoop_cloud::{Carried, Sent};
use skoop_model::{Evidence, Frame, IfIndex, MacAddr, Mark, NodeName, Packet, Place, Route, Stage, Step, Unseen};
use skoop_sim::{Blocker, Conntrack, Ending, Entry, Forks, Sender, Stop, Tri, walk};

use super::l2::Around;
use super::network::{HostId, Network, NodeState};
use super::wants::Wants;

/// Namespaces that a packet may pass before it counts as looping.
const MAX_HOPS: usize = 48;

/// A blocker, and where it was met.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocked {
    /// What stopped the packet.
    pub blocker: Blocker,
    /// Namespace; none for the network between nodes.
    pub host: Option<HostId>,
    /// Met on the way back.
    pub reply: bool,
}

/// How a journey ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// The packet reached the local stack of a namespace.
    Arrived {
        /// Namespace.
        host: HostId,
        /// The packet as the receiver sees it.
        packet: Packet,
        /// Device that it came in by.
        device: IfIndex,
    },
    /// It left for somewhere that is not collected.
    Horizon {
        /// Last place seen.
        place: Place,
        /// The packet there.
        packet: Packet,
        /// Gateway that it was handed to.
        next_hop: Option<IpAddr>,
    },
    /// It was stopped; the last blocker says by what.
    Stopped,
    /// It depends on something that was not seen.
    Unknown(Unseen),
    /// It needs a fact that was not supplied yet.
    Pending,
}

/// One journey.
#[derive(Debug, Clone, PartialEq)]
pub struct Journey {
    /// The packet as its sender made it, once the source address was chosen.
    pub origin: Packet,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// What stopped it, in order.
    pub blocked: Vec<Blocked>,
    /// Namespaces passed, in order.
    pub passed: Vec<HostId>,
    /// How it ended.
    pub end: End,
}

/// Where a journey starts.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// A process of a namespace sends.
    Host {
        /// Namespace.
        host: HostId,
        /// The packet.
        packet: Packet,
        /// Routing chooses the source address.
        choose_source: bool,
    },
    /// A host outside sends, and the packet comes in by the NIC of a node that has `address`.
    Outside {
        /// Node.
        node: NodeName,
        /// Address of the NIC.
        address: IpAddr,
        /// The packet.
        packet: Packet,
    },
}

/// Makes the journeys of one question. What earlier packets left in connection tracking stays for the later ones; what it held
/// when the snapshot was taken is there too.
pub struct Traveller<'a, 'f> {
    network: &'a Network,
    wants: &'a Wants,
    forks: &'f mut Forks,
    conntrack: HashMap<HostId, Conntrack>,
    conditional: bool,
}

impl<'a, 'f> Traveller<'a, 'f> {
    /// A traveller through connection tracking as the snapshots have it.
    pub fn new(network: &'a Network, wants: &'a Wants, forks: &'f mut Forks) -> Self {
        Self { network, wants, forks, conntrack: HashMap::new(), conditional: false }
    }

    /// Takes one packet to where it ends.
    pub fn travel(&mut self, start: Start, reply: bool) -> Journey {
        let packet = match &start {
            Start::Host { packet, .. } | Start::Outside { packet, .. } => packet.clone(),
        };
        let mut journey =
            Journey { origin: packet, steps: Vec::new(), blocked: Vec::new(), passed: Vec::new(), end: End::Pending };
        let mut next = match start {
            Start::Host { host, packet, choose_source } => {
                ControlFlow::Continue((host, Entry::Local { packet, choose_source, sender: Sender::default() }))
            }
            Start::Outside { node, address, packet } => {
                let frame = Frame { src_mac: MacAddr::ZERO, dst_mac: MacAddr::ZERO, packet };
                self.enter_node(&node, address, frame)
            }
        };
        loop {
            let (host, entry) = match next {
                ControlFlow::Continue(hop) => hop,
                ControlFlow::Break(end) => {
                    journey.end = end;
                    return journey;
                }
            };
            next = self.hop(host, entry, reply, &mut journey);
        }
    }

    /// Walks through one namespace and on to the next.
    fn hop(
        &mut self,
        host: HostId,
        entry: Entry,
        reply: bool,
        journey: &mut Journey,
    ) -> ControlFlow<End, (HostId, Entry)> {
        journey.passed.push(host);
        let around = Around { network: self.network, host, wants: self.wants };
        let site = self.network.site(host);
        let place = || site.namespace.conntrack(&format!("{} {}", site.node, site.label));
        let conntrack = self.conntrack.entry(host).or_insert_with(place);
        let outcome = walk(site, entry, conntrack, &around, self.forks, self.conditional);
        if let Some(origin) = outcome.origin
            && journey.passed.len() == 1
        {
            journey.origin = origin;
        }
        self.conditional |= !outcome.blockers.is_empty();
        journey.steps.extend(outcome.steps);
        let blocked = outcome.blockers.into_iter().map(|blocker| Blocked { blocker, host: Some(host), reply });
        journey.blocked.extend(blocked);
        match outcome.ending {
            Ending::Delivered { packet, device } => ControlFlow::Break(End::Arrived { host, packet, device }),
            Ending::Stopped => ControlFlow::Break(End::Stopped),
            Ending::Unknown(unseen) => ControlFlow::Break(End::Unknown(unseen)),
            Ending::Sent { device, frame, next_hop } => {
                if journey.passed.len() >= MAX_HOPS {
                    let evidence = Evidence::new("missing", format!("{MAX_HOPS} namespaces passed"));
                    return ControlFlow::Break(self.stop(
                        host,
                        device,
                        &frame.packet,
                        Stop::Loop,
                        evidence,
                        reply,
                        journey,
                    ));
                }
                self.cross(host, device, frame, next_hop, reply, journey)
            }
        }
    }

    /// From one namespace to the next.
    fn cross(
        &mut self,
        host: HostId,
        device: IfIndex,
        mut frame: Frame,
        next_hop: Option<IpAddr>,
        reply: bool,
        journey: &mut Journey,
    ) -> ControlFlow<End, (HostId, Entry)> {
        let network = self.network;
        let here = network.host(host);
        let peer = here.namespace.link(device).and_then(|link| network.veth_peer(host, link));
        // Marks are no part of a frame, and do not get into another namespace (`skb_scrub_packet`, `net/core/skbuff.c`).
        if peer.is_none_or(|(peer_host, _)| peer_host != host) {
            frame.packet.mark = Mark(0);
        }
        if let Some((peer_host, peer)) = peer {
            return ControlFlow::Continue((peer_host, Entry::Frame { device: peer, frame }));
        }
        let sent = Sent { node: &here.node, frame: &frame, next_hop, cluster: network.cluster() };
        match network.cloud().carry(&sent) {
            Carried::Node { node, address } => {
                let by = Evidence::new("object", format!("node/{node} has address {address}"));
                let step = self.underlay_step(host, device, &frame.packet, format!("carried to {node}"), by);
                journey.steps.push(step);
                self.enter_node(&node, address, frame)
            }
            Carried::Gateway { next_hop } => {
                ControlFlow::Break(self.leave(host, device, &frame.packet, next_hop, reply, journey))
            }
            Carried::Dropped { by } => {
                ControlFlow::Break(self.stop(host, device, &frame.packet, Stop::UnderlayDrop, by, reply, journey))
            }
        }
    }

    /// A frame comes in by the NIC of `node` that has `address`.
    fn enter_node(&self, node: &NodeName, address: IpAddr, mut frame: Frame) -> ControlFlow<End, (HostId, Entry)> {
        let unseen = |why: String| {
            End::Unknown(Unseen { what: format!("what node {node} does with {}", frame.packet), why, matters: true })
        };
        match self.network.node_state(node) {
            NodeState::Missing => {
                self.wants.node(node);
                return ControlFlow::Break(End::Pending);
            }
            NodeState::Unavailable(why) => return ControlFlow::Break(unseen(why.to_string())),
            NodeState::Known => {}
        }
        let Some(host) = self.network.node_host(node) else {
            return ControlFlow::Break(unseen("its own namespace is not in the snapshot".to_owned()));
        };
        let namespace = &self.network.host(host).namespace;
        // Its NIC gets the frame also if it lost the address since the sender learned where it is.
        let by_mac = || {
            let links = namespace.snapshot().links.elements().iter();
            let mut uplinks = links.filter(|link| link.controller.is_none() && link.mac == Some(frame.dst_mac));
            uplinks.next().map(|link| link.index)
        };
        let Some(device) = namespace.device_of_address(address).or_else(by_mac) else {
            return ControlFlow::Break(unseen(format!("none of its devices has {address}")));
        };
        if frame.dst_mac == MacAddr::ZERO {
            frame.dst_mac = namespace.link(device).and_then(|link| link.mac).unwrap_or_default();
        }
        ControlFlow::Continue((host, Entry::Frame { device, frame }))
    }

    /// The packet goes to a gateway that is no node: out of sight, unless its destination is part of the cluster.
    fn leave(
        &mut self,
        host: HostId,
        device: IfIndex,
        packet: &Packet,
        next_hop: Option<IpAddr>,
        reply: bool,
        journey: &mut Journey,
    ) -> End {
        match self.network.reaches_from_outside(packet.dst) {
            Tri::Yes => {
                let place = self.place(host, device, Stage::Underlay);
                End::Horizon { place, packet: packet.clone(), next_hop }
            }
            Tri::No => {
                let to = next_hop.map_or_else(|| "the uplink".to_owned(), |address| address.to_string());
                let evidence = last_route(journey).unwrap_or_else(|| Evidence::new("missing", format!("sent to {to}")));
                let stop = Stop::LeftCluster { next_hop, route: self.route_to(host, packet).map(Box::new) };
                self.stop(host, device, packet, stop, evidence, reply, journey)
            }
            Tri::Maybe => End::Unknown(Unseen {
                what: format!("whether the network between nodes delivers to {}", packet.dst),
                why: "it is an address of the cluster, and the packet left for a gateway that is no node".to_owned(),
                matters: true,
            }),
        }
    }

    fn route_to(&self, host: HostId, packet: &Packet) -> Option<Route> {
        self.network.host(host).namespace.route_to(packet.dst).cloned()
    }

    /// Records a blocker that no namespace but the engine found.
    #[expect(
        clippy::too_many_arguments,
        reason = "a blocker has these parts; a struct of them would be built once and read once"
    )]
    pub fn stop(
        &mut self,
        host: HostId,
        device: IfIndex,
        packet: &Packet,
        stop: Stop,
        evidence: Evidence,
        reply: bool,
        journey: &mut Journey,
    ) -> End {
        let stage = if matches!(stop, Stop::NoSocket { .. } | Stop::NotTheAnswer { .. } | Stop::WrongReceiver { .. }) {
            Stage::Delivery
        } else {
            Stage::Underlay
        };
        let place = self.place(host, device, stage);
        journey.steps.push(Step {
            place: place.clone(),
            before: packet.clone(),
            after: None,
            decision: stop.describe(),
            by: evidence.clone(),
            conditional: self.conditional,
            blocked: true,
        });
        let blocker = Blocker {
            place,
            device: Some(device),
            packet: packet.clone(),
            stop,
            evidence,
            conditional: self.conditional,
        };
        journey.blocked.push(Blocked { blocker, host: Some(host), reply });
        self.conditional = true;
        End::Stopped
    }

    /// A step between nodes, or at the receiving socket.
    pub fn note(
        &self,
        host: HostId,
        device: IfIndex,
        stage: Stage,
        packet: &Packet,
        decision: String,
        by: Evidence,
    ) -> Step {
        Step {
            place: self.place(host, device, stage),
            before: packet.clone(),
            after: Some(packet.clone()),
            decision,
            by,
            conditional: self.conditional,
            blocked: false,
        }
    }

    fn underlay_step(&self, host: HostId, device: IfIndex, packet: &Packet, decision: String, by: Evidence) -> Step {
        self.note(host, device, Stage::Underlay, packet, decision, by)
    }

    fn place(&self, host: HostId, device: IfIndex, stage: Stage) -> Place {
        let host = self.network.host(host);
        Place {
            node: host.node.clone(),
            namespace: host.label.clone(),
            device: host.namespace.device_name(device),
            stage,
        }
    }
}

/// The route that the packet was last sent by.
fn last_route(journey: &Journey) -> Option<Evidence> {
    journey.steps.iter().rev().map(|step| &step.by).find(|by| by.kind == "route").cloned()
}
