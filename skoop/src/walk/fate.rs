//! How one way ended, in the words of the result.

use std::net::IpAddr;

use skoop_model::{Encap, Evidence, Family, MacAddr, Packet, Stage, Step, Transport};
use skoop_sim::{Answer, AnswerKind, Blocker, Ending, Outcome, RuleSource, Stop};

use super::entry::group_mac;
use super::{
    Ground, WalkAnswer, WalkAnswerKind, WalkDecision, WalkEncap, WalkPacket, WalkResult, WalkTunnel, WalkVerdict,
};

/// How one way ended: a result without branches, and why it is undetermined if it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fate {
    /// The verdict.
    pub verdict: WalkVerdict,
    /// All fields of the result but its branches and reply.
    pub result: WalkResult,
}

impl Fate {
    /// Something unknown ended it.
    fn unknown(why: String) -> Self {
        Self { verdict: WalkVerdict::Undetermined, result: WalkResult::undetermined(why) }
    }

    /// Whether nobody outside could tell the two apart. What a packet looked like when it was dropped cannot be seen, and which rule let
    /// it pass neither.
    pub fn ends_like(&self, other: &Self) -> bool {
        let (own, others) = (&self.result, &other.result);
        self.verdict == other.verdict
            && own.answer == others.answer
            && match self.verdict {
                WalkVerdict::Dropped | WalkVerdict::Rejected => true,
                WalkVerdict::Undetermined => own.unknown == others.unknown,
                _ => {
                    WalkResult { decided_by: None, ..own.clone() } == WalkResult { decided_by: None, ..others.clone() }
                }
            }
    }
}

/// The fate of a packet whose walk gave `outcome`. `flooded`: the bridge did not know where its destination is.
pub(super) fn of(ground: &Ground, asked: &WalkPacket, outcome: &Outcome, flooded: bool) -> Fate {
    if let Some(why) = blind(ground, outcome) {
        return Fate::unknown(why.to_owned());
    }
    let mut result = match (outcome.blockers.first(), &outcome.ending) {
        (Some(blocker), _) => stopped(blocker, outcome),
        (None, Ending::Sent { device, frame, next_hop }) => {
            let mut result = WalkResult::blank(WalkVerdict::Forwarded);
            place(ground, &mut result, *device, outcome, flooded);
            result.next_hop = *next_hop;
            result.dst_mac = destination_mac(frame.dst_mac, *next_hop);
            show(&mut result, &frame.packet, asked);
            result
        }
        (None, Ending::Delivered { packet, .. }) => {
            let mut result = WalkResult::blank(WalkVerdict::Delivered);
            show(&mut result, packet, asked);
            result
        }
        (None, Ending::Unknown(unseen)) => return Fate::unknown(format!("{}: {}", unseen.what, unseen.why)),
        (None, Ending::Stopped) => WalkResult::blank(WalkVerdict::Dropped),
    };
    if outcome.steps.iter().any(draws_port) {
        result.sport = None;
    }
    result.answer = outcome.answer.as_ref().and_then(answer);
    if result.decided_by.is_none() {
        result.decided_by = passed_by(&outcome.steps);
    }
    Fate { verdict: result.verdict, result }
}

/// Why nothing can be said: the packet was routed by tables or rules of a family that were not seen.
fn blind<'a>(ground: &'a Ground, outcome: &Outcome) -> Option<&'a str> {
    Family::ALL.into_iter().find_map(|family| {
        let why = ground.blindness(family)?;
        let mut stages = outcome.steps.iter().map(|step| (step.place.stage, step.before.family()));
        stages.any(|stage| stage == (Stage::Routing, family)).then_some(why)
    })
}

/// What stops at the socket has reached the local stack.
fn is_delivery(stop: &Stop) -> bool {
    matches!(stop, Stop::NoSocket { .. } | Stop::EchoIgnored { .. })
}

/// The first blocker decided; the others are what else would have.
fn stopped(blocker: &Blocker, outcome: &Outcome) -> WalkResult {
    let verdict = match (&blocker.stop, &outcome.answer) {
        (stop, _) if is_delivery(stop) => WalkVerdict::Delivered,
        (_, Some(_)) => WalkVerdict::Rejected,
        (_, None) => WalkVerdict::Dropped,
    };
    let mut result = WalkResult::blank(verdict);
    header(&mut result, inner(&blocker.packet));
    result.decided_by = Some(decision(blocker));
    result
}

fn place(ground: &Ground, result: &mut WalkResult, device: skoop_model::IfIndex, outcome: &Outcome, flooded: bool) {
    let namespace = ground.namespace();
    let name = namespace.device_name(device);
    let Some(bridge) = outcome.via_bridge else {
        result.out = Some(name);
        return;
    };
    result.out = Some(namespace.device_name(bridge));
    let ports = namespace.bridge_ports(bridge).filter(|port| port.is_running()).count();
    result.port = (!flooded || ports <= 1).then_some(name);
}

/// Zeros stand for an address that nobody knows yet.
fn destination_mac(mac: MacAddr, next_hop: Option<IpAddr>) -> Option<MacAddr> {
    let group = next_hop.and_then(group_mac).filter(|_| mac == MacAddr::BROADCAST);
    group.or(Some(mac)).filter(|mac| *mac != MacAddr::ZERO)
}

/// The header of a packet that went on, and the tunnel around it.
fn show(result: &mut WalkResult, packet: &Packet, asked: &WalkPacket) {
    header(result, inner(packet));
    result.encap = packet.encap.as_deref().map(|encap| tunnel(packet, encap, asked));
}

fn inner(packet: &Packet) -> &Packet {
    packet.encap.as_deref().map_or(packet, |encap| &encap.frame.packet)
}

fn tunnel(outer: &Packet, encap: &Encap, asked: &WalkPacket) -> WalkEncap {
    let mac = |mac: MacAddr| Some(mac).filter(|mac| *mac != MacAddr::ZERO);
    WalkEncap {
        kind: WalkTunnel::Vxlan,
        vni: encap.vni.0,
        src: outer.src,
        dst: outer.dst,
        // The tunnel's own port is a hash of what is inside; that of a packet that came in the tunnel is known.
        sport: asked.encap.as_ref().and_then(|_| outer.sport()).map(|port| port.0),
        dport: outer.dport().map(|port| port.0),
        inner_src_mac: mac(encap.frame.src_mac),
        inner_dst_mac: mac(encap.frame.dst_mac),
    }
}

fn header(result: &mut WalkResult, packet: &Packet) {
    result.src = Some(packet.src);
    result.dst = Some(packet.dst);
    result.sport = packet.sport().map(|port| port.0);
    result.dport = packet.dport().map(|port| port.0);
    result.mark = Some(packet.mark.0);
    result.tos = Some(packet.tos);
    result.ttl = Some(packet.ttl);
}

/// The answer as it left, if it did.
fn answer(answer: &Answer) -> Option<WalkAnswer> {
    let packet = answer.arrived()?;
    let (kind, icmp_type, code) = match answer.kind {
        AnswerKind::TcpReset => (WalkAnswerKind::TcpReset, None, None),
        AnswerKind::Icmp { family: Family::V4, kind, code } => (WalkAnswerKind::Icmp, Some(kind), Some(code)),
        AnswerKind::Icmp { family: Family::V6, kind, code } => (WalkAnswerKind::Icmp6, Some(kind), Some(code)),
    };
    Some(WalkAnswer { kind, icmp_type, code, sender: packet.src, to: packet.dst })
}

/// What stopped the packet.
fn decision(blocker: &Blocker) -> WalkDecision {
    match &blocker.stop {
        Stop::Netfilter(stop) => {
            let rule = &stop.by;
            let kind = match rule.source {
                RuleSource::Unseen => "missing",
                RuleSource::Conntrack => "conntrack",
                _ if stop.by_policy => "policy",
                RuleSource::Nftables => "nftables",
                RuleSource::Iptables(_) => "iptables",
            };
            let place = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            WalkDecision {
                kind: kind.to_owned(),
                text: rule.text.clone(),
                table: place(&rule.table),
                chain: place(&rule.chain),
                line: Some(rule.line).filter(|line| *line > 0),
            }
        }
        _ => plain(&blocker.evidence),
    }
}

fn plain(evidence: &Evidence) -> WalkDecision {
    WalkDecision { kind: evidence.kind.clone(), text: evidence.text.clone(), table: None, chain: None, line: None }
}

/// What let the packet go where it went: the last rule that translated it, else the last route, else what the bridge knew.
fn passed_by(steps: &[Step]) -> Option<WalkDecision> {
    let real = || steps.iter().rev().filter(|step| !step.conditional);
    if let Some(step) = real().find(|step| translates(step)) {
        return Some(quoted(&step.by));
    }
    let route = real().find(|step| step.place.stage == Stage::Routing);
    let step = route.or_else(|| real().find(|step| step.place.stage == Stage::Bridge))?;
    Some(plain(&step.by))
}

/// Whether a rule of netfilter changed the addresses or ports.
fn translates(step: &Step) -> bool {
    let Some(after) = &step.after else { return false };
    let ends = |packet: &Packet| (packet.src, packet.sport(), packet.dst, packet.dport());
    ["iptables", "nftables"].contains(&step.by.kind.as_str()) && ends(&step.before) != ends(after)
}

/// Whether the kernel draws the source port: SNAT says so in its decision, for the header holds a port that stands for it.
fn draws_port(step: &Step) -> bool {
    matches!(step.before.transport, Transport::Tcp { .. } | Transport::Udp { .. } | Transport::Sctp { .. })
        && step.decision.ends_with("port at random")
}

/// A rule as evidence quotes it, taken apart again: `TEXT (iptables-nft, table nat, line 7)`, `TEXT (nft, table T, chain C)`.
fn quoted(evidence: &Evidence) -> WalkDecision {
    let whole = || plain(evidence);
    let Some((text, place)) = evidence.text.strip_suffix(')').and_then(|text| text.rsplit_once(" (")) else {
        return whole();
    };
    let mut decision = WalkDecision { text: text.to_owned(), ..whole() };
    for part in place.split(", ") {
        match part.split_once(' ') {
            Some(("table", table)) => decision.table = Some(table.to_owned()),
            Some(("chain", chain)) => decision.chain = Some(chain.to_owned()),
            Some(("line", line)) => decision.line = line.parse().ok().filter(|line| *line > 0),
            _ => {}
        }
    }
    if decision.table.is_none() {
        return whole();
    }
    if decision.chain.is_none() {
        decision.chain = text.strip_prefix("-A ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    }
    decision
}
