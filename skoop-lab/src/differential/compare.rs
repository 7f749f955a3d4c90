//! The flow through the simulator, beside what the kernel did with it.

use std::net::IpAddr;

use skoop_model::{
    Bytes, Details, ExtensionHeader, Family, Fragment, Frame, IfIndex, MacAddr, Mark, NodeName, Packet, Port, Protocol,
    SctpChunk, Stage, TcpFlags, Transport,
};
use skoop_sim::{
    AnswerKind, Conntrack, Ending, Entry, ForkKind, Forks, Namespace, Outcome, Resolution, Sender, Site, Stop,
    Surroundings, Way as Walked, explore, walk,
};

use super::case::{Flow, Process, Step};
use super::fate::{Answer, Arrived, Back, Expected, Fate, Free, Way};
use super::headers::{Body, Headers, has_id};
use super::shape::{Shape, neighbour_mac, v4, v6};

/// MTU of the node's devices.
const MTU: u32 = 1500;
/// Ways walked at most for one flow.
const WAYS: usize = 256;
/// Ways that are enough, once one of them is the kernel's.
const SAMPLE: usize = 16;

/// What comparing a flow gave.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Comparison {
    /// Some way that the simulator sees is the kernel's, and all are certain.
    Same,
    /// It hangs on something that the simulator cannot know.
    Undetermined(String),
    /// No way is the kernel's: what the nearest one says.
    Different { step: usize, expected: String },
}

/// A packet on its way to the node, or made there.
pub(super) enum Sending {
    Frame { wire: usize, src_mac: [u8; 6], dst_mac: [u8; 6], headers: Headers },
    Local { process: Process, headers: Headers },
}

impl Sending {
    /// The packet.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Frame { headers, .. } | Self::Local { headers, .. } => headers,
        }
    }
}

impl Step {
    /// What is sent, after what arrived from the steps before. None if there is nothing to follow.
    pub fn sending(&self, shape: Shape, arrived: &[Option<Arrived>]) -> Option<Sending> {
        let from = |at: usize| arrived.get(at).and_then(Option::as_ref);
        let back = |place: &Arrived, headers: Headers| Sending::Frame {
            wire: place.wire,
            src_mac: place.dst_mac,
            dst_mac: place.src_mac,
            headers,
        };
        match self {
            Self::Frame { wire, src_mac, dst_mac, headers } => {
                Some(Sending::Frame { wire: *wire, src_mac: *src_mac, dst_mac: *dst_mac, headers: headers.clone() })
            }
            Self::Local { process, headers } => Some(Sending::Local { process: *process, headers: headers.clone() }),
            Self::Answer { to } => {
                let place = from(*to)?;
                Some(back(place, place.headers.answer()?))
            }
            Self::Error { about, from_receiver, kind, code } => {
                let place = from(*about).filter(|place| !place.headers.is_error())?;
                let network = shape.network(place.wire);
                let router = if place.headers.v6() { v6(network, 6) } else { v4(network, 6) };
                let sender = if *from_receiver { place.headers.dst } else { router };
                Some(back(place, place.headers.error(sender, *kind, *code)))
            }
        }
    }
}

/// Everybody answers, with the address that the harness answers with.
struct Everybody;

impl Surroundings for Everybody {
    fn resolve(&self, _device: IfIndex, address: IpAddr) -> Resolution {
        Resolution::Answer(MacAddr(neighbour_mac(address)))
    }

    fn takes(&self, _port: IfIndex, _mac: MacAddr) -> bool {
        true
    }
}

/// Walks the flow's packets on every way. `kernel` is what the kernel did with each; none for those that were not sent.
pub(super) fn compare(namespace: &Namespace, shape: Shape, flow: &Flow, kernel: &[Option<Fate>]) -> Comparison {
    let (mut fit, mut unfit, mut open) = (0, 0, 0);
    let (all, more) = explore(WAYS, |forks| {
        // Enough is seen: without forks, this way is the last one.
        if fit > 0 && (unfit > 0 || fit > SAMPLE) || open > 0 && unfit > SAMPLE {
            return None;
        }
        let way = follow(namespace, shape, flow, kernel, forks);
        fit += usize::from(way.is_ok());
        unfit += usize::from(way.is_err());
        open += usize::from(way.as_ref().is_err_and(|failure| matches!(failure.1.fate, Way::Unknown(_))));
        Some(way)
    });
    let ways: Vec<_> =
        all.into_iter().filter_map(|way| Some(Walked { value: way.value?, choices: way.choices })).collect();
    if let Some(way) = ways.iter().find(|way| way.value.is_ok()) {
        let unknown = |kind: &ForkKind| match kind {
            ForkKind::Unknown(unseen) => Some(unseen.what.clone()),
            _ => None,
        };
        let all_fit = ways.iter().all(|way| way.value.is_ok());
        return match way.choices.iter().find_map(|choice| unknown(&choice.kind)) {
            Some(what) if !all_fit => Comparison::Undetermined(what),
            _ => Comparison::Same,
        };
    }
    let waits = |step: &Step, fate: &Option<Fate>| {
        matches!(fate, Some(Fate::Dropped { .. }))
            && matches!(step, Step::Frame { headers, .. } if headers.fragment.is_some())
    };
    if flow.steps.iter().zip(kernel).any(|(step, fate)| waits(step, fate)) {
        // The simulator takes it that the rest comes.
        return Comparison::Undetermined("whether the rest of a fragment's datagram comes".to_owned());
    }
    let failures = ways.iter().filter_map(|way| way.value.as_ref().err());
    if let Some(what) = failures.clone().find_map(|failure| match &failure.1.fate {
        Way::Unknown(what) => Some(what.clone()),
        _ => None,
    }) {
        return Comparison::Undetermined(what);
    }
    // A base chain that is not understood may also change the packet.
    let unread = |choice: &skoop_sim::Choice| {
        matches!(&choice.kind, ForkKind::Unknown(unseen) if unseen.what.contains("unchanged"))
            .then(|| choice.label.clone())
    };
    if let Some(what) = ways.iter().flat_map(|way| &way.choices).find_map(unread) {
        return Comparison::Undetermined(what);
    }
    if more {
        return Comparison::Undetermined(format!("more than {WAYS} ways"));
    }
    let far = failures.clone().map(|failure| failure.0).max().unwrap_or(0);
    let mut texts: Vec<String> =
        failures.filter(|failure| failure.0 == far).map(|failure| failure.1.text(shape)).collect();
    texts.sort();
    texts.dedup();
    texts.truncate(8);
    Comparison::Different { step: far, expected: texts.join("\n      or ") }
}

/// One way: the first step at which the kernel did something else, with what was expected there.
fn follow(
    namespace: &Namespace,
    shape: Shape,
    flow: &Flow,
    kernel: &[Option<Fate>],
    forks: &mut Forks,
) -> Result<(), Box<(usize, Expected)>> {
    let mut conntrack = Conntrack::default();
    let mut arrived: Vec<Option<Arrived>> = Vec::new();
    let mut random = false;
    for (place, (step, fate)) in flow.steps.iter().zip(kernel).enumerate() {
        let (Some(fate), Some(sending)) = (fate, step.sending(shape, &arrived)) else {
            arrived.push(None);
            continue;
        };
        let before = conntrack.clone();
        let expected = simulate(namespace, shape, &sending, &mut conntrack, forks);
        let answers = matches!(step, Step::Answer { .. } | Step::Error { .. });
        // What answers a packet with a port drawn at random goes to that port; if it is not translated back, it keeps it.
        let free = match (random, answers) {
            (false, _) => Free::Nothing,
            (true, false) => Free::Port,
            (true, true) => Free::Answered,
        };
        let fits = expected.fits(fate, free);
        if !fits {
            return Err(Box::new((place, expected)));
        }
        if let Way::Stopped { .. } = expected.fate {
            // A walk goes on after a drop as if allowed; in the kernel a flow whose first packet is dropped is forgotten.
            conntrack = before;
        }
        random |= matches!(expected.fate, Way::Sent { random: true, .. });
        arrived.push(match expected.fate {
            Way::Sent { arrived, .. } => Some(arrived),
            _ => None,
        });
    }
    Ok(())
}

fn simulate(
    namespace: &Namespace,
    shape: Shape,
    sending: &Sending,
    conntrack: &mut Conntrack,
    forks: &mut Forks,
) -> Expected {
    let node = NodeName::from("node");
    let site = Site { node: &node, label: "host", namespace };
    let (entry, headers) = match sending {
        Sending::Frame { wire, src_mac, dst_mac, headers } => {
            let name = shape.wires().get(*wire).map_or("", |wire| wire.name);
            let device = namespace.snapshot().link_named(name).map_or(IfIndex(0), |link| link.index);
            let frame = Frame { src_mac: MacAddr(*src_mac), dst_mac: MacAddr(*dst_mac), packet: packet(headers) };
            (Entry::Frame { device, frame }, headers)
        }
        Sending::Local { process, headers } => {
            // IP_PMTUDISC_WANT: "don't fragment" is up to the length (`__ip_make_skb`, net/ipv4/ip_output.c).
            let dont_fragment = headers.v6() || headers.length() <= MTU;
            let packet = Packet { mark: Mark(process.mark), dont_fragment, ..packet(headers) };
            let sender = Sender { uid: Some(process.uid), gid: Some(process.gid) };
            (Entry::Local { packet, choose_source: false, sender }, headers)
        }
    };
    let outcome = walk(site, entry, conntrack, &Everybody, forks, false);
    let errno = outcome.errno.map(skoop_sim::Errno::name);
    Expected { errno, ..read(namespace, shape, &outcome, headers) }
}

fn read(namespace: &Namespace, shape: Shape, outcome: &Outcome, sent: &Headers) -> Expected {
    let random = outcome.steps.iter().any(|step| step.decision.contains("at random"));
    let why = || outcome.steps.last().map(|step| format!("{}: {}", step.decision, step.by.text)).unwrap_or_default();
    if let Some(first) = outcome.blockers.first() {
        let why = format!("{}: {}", first.stop.describe(), first.evidence.text);
        let back = back(outcome);
        // Raw sockets come before the transport protocols.
        let fate = match first.stop {
            Stop::WrongMac { .. } if first.place.stage == Stage::Delivery => {
                Way::Delivered { headers: headers(&first.packet, sent), random, back: Back::Nothing }
            }
            Stop::NoSocket { .. } | Stop::EchoIgnored { .. } => {
                Way::Delivered { headers: headers(&first.packet, sent), random, back }
            }
            _ => Way::Stopped { back },
        };
        return Expected { fate, why, errno: None };
    }
    let fate = match &outcome.ending {
        Ending::Sent { device, frame, .. } => {
            let wire = shape.place(&namespace.device_name(*device)).unwrap_or(usize::MAX);
            let headers = headers(&frame.packet, sent);
            let arrived = Arrived { wire, src_mac: frame.src_mac.0, dst_mac: frame.dst_mac.0, headers };
            Way::Sent { arrived, random }
        }
        Ending::Delivered { packet, .. } if sent.body == Body::Other => {
            // Raw sockets are not collected; the harness has some.
            Way::Delivered { headers: headers(packet, sent), random, back: Back::Unsaid }
        }
        Ending::Delivered { packet, .. } => {
            let back = if fails_its_sum(packet, sent) { Back::Unsaid } else { back(outcome) };
            Way::Delivered { headers: headers(packet, sent), random, back }
        }
        Ending::Stopped => Way::Stopped { back: Back::Unsaid },
        Ending::Unknown(unseen) => Way::Unknown(format!("{}: {}", unseen.what, unseen.why)),
    };
    Expected { fate, why: why(), errno: None }
}

/// Whether UDP may find the sum of a frame wrong that is right: the harness sends without checksum offload, conntrack sums the whole
/// packet (`nf_ip6_checksum`, net/netfilter/utils.c; `__skb_checksum_complete`, net/core/skbuff.c), rules that change the IPv6 header
/// do not mend `skb->csum` (xt_HL.c, xt_DSCP.c, nft_payload.c), and of what is longer than `CHECKSUM_BREAK` UDP takes a sum made in
/// software for the last word (`udp6_csum_init`, net/ipv6/ip6_checksum.c).
fn fails_its_sum(packet: &Packet, sent: &Headers) -> bool {
    const CHECKSUM_BREAK: u32 = 76;
    const HEADER: u32 = 40;
    let changed = (packet.ttl, packet.tos) != (sent.ttl, sent.tos);
    sent.v6() && changed && matches!(sent.body, Body::Udp { .. }) && packet.length_bytes > HEADER + CHECKSUM_BREAK
}

/// What the simulator says goes back to the sender.
fn back(outcome: &Outcome) -> Back {
    let Some(answer) = &outcome.answer else {
        // What sockets answer is not followed everywhere: they may be closed meanwhile, or answer only what they understand.
        return match outcome.blockers.first().map(|first| &first.stop) {
            None | Some(Stop::NoSocket { .. } | Stop::EchoIgnored { .. }) => Back::Unsaid,
            Some(_) => Back::Nothing,
        };
    };
    if answer.delay_ms > 0 {
        return Back::Nothing;
    }
    let icmp = match answer.kind {
        AnswerKind::Icmp { kind, code, .. } => Some((kind, code)),
        AnswerKind::TcpReset => None,
    };
    match (answer.arrived(), &answer.ending) {
        (Some(packet), _) => {
            let answer = Answer { icmp, sender: packet.src, to: packet.dst };
            let of_routing = matches!(
                outcome.blockers.first().map(|first| &first.stop),
                Some(Stop::NoRoute | Stop::RouteRefused { .. })
            );
            if of_routing && packet.src.is_ipv4() { Back::Limited(answer) } else { Back::This(answer) }
        }
        (None, Ending::Unknown(_)) => Back::Perhaps(icmp),
        _ => Back::Nothing,
    }
}

/// The simulator's packet.
pub(super) fn packet(headers: &Headers) -> Packet {
    let port = |(sport, dport): (u16, u16)| (Port(sport), Port(dport));
    let transport = match headers.body {
        Body::Tcp { sport, dport, flags, .. } => {
            let (sport, dport) = port((sport, dport));
            Transport::Tcp { sport, dport, flags: TcpFlags(flags) }
        }
        Body::Udp { sport, dport } => Transport::Udp { sport: Port(sport), dport: Port(dport) },
        Body::Sctp { sport, dport, .. } => Transport::Sctp { sport: Port(sport), dport: Port(dport) },
        Body::Icmp { kind, code, id } => {
            Transport::Icmp { kind, code, id: if has_id(headers.protocol, kind) { id } else { 0 } }
        }
        Body::Dccp { sport, dport, kind } => Transport::Dccp { sport: Port(sport), dport: Port(dport), kind },
        Body::Other => Transport::Other,
    };
    let mut made = Packet::new(headers.src, headers.dst, Protocol(headers.protocol), transport, headers.length());
    made.ttl = headers.ttl;
    made.tos = headers.tos;
    made.dont_fragment = headers.df || headers.v6();
    made.details = Some(Box::new(details(headers)));
    made
}

/// What few rules look at.
fn details(headers: &Headers) -> Details {
    let extension = |kind: &u8| {
        let content = if *kind == 43 { [59, 0, 0, 0, 0, 0, 0, 0] } else { [59, 0, 1, 4, 0, 0, 0, 0] };
        ExtensionHeader { protocol: Protocol(*kind), bytes: Bytes(content.to_vec()) }
    };
    let sctp_chunks = match headers.body {
        Body::Sctp { chunk, .. } => Some(vec![SctpChunk { kind: chunk, flags: 0, length_bytes: None }]),
        _ => None,
    };
    // The tag is drawn when it is sent: no rule asks for it.
    let filler = || Bytes([&[0; 4][..], &vec![b'x'; usize::from(headers.payload.saturating_sub(4))]].concat());
    Details {
        cited: headers.cited.as_deref().map(packet),
        fragment: headers.fragment.map(|(offset, more)| Fragment { offset_bytes: offset.into(), more }),
        extensions: headers.extensions.iter().map(extension).collect(),
        spi: matches!(headers.protocol, 50 | 51).then_some(5),
        tcp_options: matches!(headers.body, Body::Tcp { .. }).then(|| Bytes(headers.options.clone())),
        sctp_chunks,
        payload: matches!(headers.body, Body::Tcp { .. } | Body::Udp { .. }).then(filler),
        ..Details::default()
    }
}

/// The simulator's packet as the harness writes it; `sent` has what the simulator has no part for.
fn headers(packet: &Packet, sent: &Headers) -> Headers {
    let body = match packet.transport {
        Transport::Tcp { sport, dport, flags } => {
            let server = matches!(sent.body, Body::Tcp { server: true, .. });
            Body::Tcp { sport: sport.0, dport: dport.0, flags: flags.0, server }
        }
        Transport::Udp { sport, dport } => Body::Udp { sport: sport.0, dport: dport.0 },
        Transport::Sctp { sport, dport } => {
            let chunk = if let Body::Sctp { chunk, .. } = sent.body { chunk } else { 0 };
            Body::Sctp { sport: sport.0, dport: dport.0, chunk }
        }
        Transport::Icmp { kind, code, id } => Body::Icmp { kind, code, id },
        Transport::Dccp { sport, dport, kind } => Body::Dccp { sport: sport.0, dport: dport.0, kind },
        Transport::Other => Body::Other,
    };
    let cited = packet.details.as_ref().and_then(|details| details.cited.as_ref());
    let cited = match (cited, &sent.cited) {
        (Some(cited), Some(inner)) => Some(Box::new(headers_cited(cited, inner))),
        _ => sent.cited.clone(),
    };
    let df = match packet.family() {
        Family::V4 => packet.dont_fragment,
        Family::V6 => false,
    };
    Headers {
        src: packet.src,
        dst: packet.dst,
        protocol: packet.protocol.0,
        body,
        ttl: packet.ttl,
        tos: packet.tos,
        df,
        payload: sent.payload,
        options: packet
            .details
            .as_ref()
            .and_then(|details| details.tcp_options.as_ref())
            .map_or_else(|| sent.options.clone(), |options| options.0.clone()),
        extensions: sent.extensions.clone(),
        fragment: sent.fragment,
        cited,
    }
}

fn headers_cited(packet: &Packet, sent: &Headers) -> Headers {
    headers(packet, sent)
}
