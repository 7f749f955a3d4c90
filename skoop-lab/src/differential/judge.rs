//! Runs cases through the kernel and the simulator.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use skoop_sim::Namespace;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::case::{Case, Flow, Process};
use super::compare::{Comparison, Sending, compare};
use super::coverage::Coverage;
use super::fate::{Arrived, Fate};
use super::headers::{Body, Headers, UDP};
use super::lab::{Lab, Seen};
use super::run::Mutant;
use super::state;
use crate::netns;

/// What became of the packets of a case.
#[derive(Debug, Default, Clone)]
pub(super) struct Judged {
    pub packets: usize,
    /// Packets by the kernel's verdict.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// Packets of flows that hang on something unknown, by what it is.
    pub undetermined: BTreeMap<String, usize>,
    pub differences: Vec<Difference>,
    /// Flows that differed once and not again on a node made anew: the kernel resolves neighbours and closes sockets in its own time.
    pub unsteady: Vec<Difference>,
    pub kernel_time: Duration,
    pub load_time: Duration,
    pub walk_time: Duration,
    pub coverage: Coverage,
    /// Flows that show a planted fault.
    pub caught: BTreeMap<String, usize>,
    /// Lines that the kernel refused.
    pub refused: Vec<String>,
}

/// A flow that the kernel takes otherwise than the simulator.
#[derive(Debug, Clone)]
pub(super) struct Difference {
    pub flow: usize,
    pub text: String,
}

/// The whole case.
pub(super) fn judge(lab: &mut Lab, case: &mut Case) -> Result<Judged> {
    judge_with(lab, case, &[])
}

/// The whole case, and whether faults planted in the simulator would show.
pub(super) fn judge_with(lab: &mut Lab, case: &mut Case, mutants: &[Mutant]) -> Result<Judged> {
    let begun = Instant::now();
    state::load(lab, &mut case.node)?;
    let snapshot = state::snapshot(lab)?;
    let mut judged = Judged { load_time: begun.elapsed(), ..Judged::default() };
    let begun = Instant::now();
    let kernel = case.flows.iter().map(|flow| run(lab, flow)).collect::<Result<Vec<_>>>()?;
    judged.kernel_time = begun.elapsed();
    let begun = Instant::now();
    let namespace = Namespace::new(snapshot.clone());
    let mut same = Vec::new();
    for (number, (flow, kernel)) in case.flows.iter().zip(&kernel).enumerate() {
        judged.count(kernel);
        let comparison = compare(&namespace, case.shape, flow, kernel);
        same.push(comparison == Comparison::Same);
        match comparison {
            Comparison::Same => {}
            Comparison::Undetermined(what) => {
                *judged.undetermined.entry(what).or_default() += kernel.iter().flatten().count();
            }
            Comparison::Different { step, expected } => {
                let text = describe(case, flow, kernel, step, &expected);
                judged.differences.push(Difference { flow: number, text });
            }
        }
    }
    for mutant in mutants {
        (mutant.plant)(Some(mutant.mutation));
        let namespace = Namespace::new(snapshot.clone());
        let shown = case.flows.iter().zip(&kernel).zip(&same).filter(|((flow, kernel), same)| {
            **same && matches!(compare(&namespace, case.shape, flow, kernel), Comparison::Different { .. })
        });
        judged.caught.insert(mutant.name.clone(), shown.count());
        (mutant.plant)(None);
    }
    judged.walk_time = begun.elapsed();
    judged.try_again(lab, case)?;
    Ok(judged)
}

impl Judged {
    /// A difference counts if it shows on a node made anew as well, with no flow before it.
    fn try_again(&mut self, lab: &mut Lab, case: &mut Case) -> Result<()> {
        for difference in std::mem::take(&mut self.differences) {
            let Some(flow) = case.flows.get(difference.flow).cloned() else { continue };
            state::load(lab, &mut case.node.clone())?;
            let namespace = Namespace::new(state::snapshot(lab)?);
            let kernel = run(lab, &flow)?;
            match compare(&namespace, case.shape, &flow, &kernel) {
                Comparison::Different { step, expected } => {
                    let text = describe(case, &flow, &kernel, step, &expected);
                    self.differences.push(Difference { text, ..difference });
                }
                Comparison::Same | Comparison::Undetermined(_) => self.unsteady.push(difference),
            }
        }
        Ok(())
    }

    fn count(&mut self, kernel: &[Option<Fate>]) {
        for fate in kernel.iter().flatten() {
            self.packets += 1;
            *self.verdicts.entry(fate.name()).or_default() += 1;
        }
    }
}

fn describe(case: &Case, flow: &Flow, kernel: &[Option<Fate>], step: usize, expected: &str) -> String {
    let mut text = String::new();
    let mut arrived: Vec<Option<Arrived>> = Vec::new();
    for (place, (one, fate)) in flow.steps.iter().zip(kernel).take(step + 1).enumerate() {
        if let (Some(sending), Some(fate)) = (one.sending(case.shape, &arrived), fate) {
            let sent = match sending {
                Sending::Frame { wire, headers, .. } => {
                    format!("{}: {headers}", case.shape.wires().get(wire).map_or("?", |wire| wire.name))
                }
                Sending::Local { process, headers } => format!("local {process:?}: {headers}"),
            };
            text += &format!("  {place} {sent}\n    kernel {}\n", fate.text(case.shape));
        }
        arrived.push(fate.as_ref().and_then(|fate| fate.arrived().cloned()));
    }
    text + &format!("    ours   {expected}\n")
}

/// Sends the packets of a flow through the kernel; none for those that have nothing to follow.
fn run(lab: &mut Lab, flow: &Flow) -> Result<Vec<Option<Fate>>> {
    if !flow.is_kept_apart() {
        lab.forget_flows()?;
    }
    let mut fates = Vec::new();
    let mut arrived: Vec<Option<Arrived>> = Vec::new();
    let mut over = false;
    for step in &flow.steps {
        let sending = if over { None } else { step.sending(lab.shape, &arrived) };
        let fate = match sending {
            Some(sending) => send(lab, &sending)?.map(|seen| Fate::of(&seen, sending.headers())),
            None => None,
        };
        // What is dropped or delivered may leave a flow behind or not: what follows is then another question.
        over |= fate.as_ref().is_some_and(|fate| !matches!(fate, Fate::Sent(_)));
        arrived.push(fate.as_ref().and_then(|fate| fate.arrived().cloned()));
        fates.push(fate);
    }
    Ok(fates)
}

/// None: the node has no socket for it, because the address is not its own.
fn send(lab: &mut Lab, sending: &Sending) -> Result<Option<Seen>> {
    match sending {
        Sending::Frame { wire, src_mac, dst_mac, headers } => lab.send(*wire, *dst_mac, *src_mac, headers).map(Some),
        Sending::Local { process, headers } => {
            let tag = lab.next_tag();
            let sent = netns::enter(&lab.node, || local(process, headers, tag))?;
            let refused = sent.err();
            if refused.as_ref().is_some_and(|error| error.to_string() == "bind") {
                return Ok(None);
            }
            let mut seen = lab.follow(headers)?;
            if to_many(headers.dst) {
                // The copy that comes back goes its own way (`ip_mc_output`). To whom IPv6 sockets do not tell.
                seen.delivered.retain(|copy| !copy.headers.dst.is_unspecified() && !to_many(copy.headers.dst));
            }
            let number = |error: anyhow::Error| error.downcast_ref::<std::io::Error>()?.raw_os_error();
            seen.refused = refused.and_then(number);
            Ok(Some(seen))
        }
    }
}

/// Broadcasts and groups.
fn to_many(dst: IpAddr) -> bool {
    dst.is_multicast() || matches!(dst, IpAddr::V4(dst) if dst.octets().last() == Some(&255))
}

/// Sends from a socket of the node.
fn local(process: &Process, headers: &Headers, tag: u32) -> Result<()> {
    let domain = if headers.v6() { Domain::IPV6 } else { Domain::IPV4 };
    become_user(process)?;
    let (kind, protocol) = match headers.body {
        Body::Udp { .. } => (Type::DGRAM, UDP),
        _ => (Type::RAW, headers.protocol),
    };
    let socket = Socket::new(domain, kind, Some(Protocol::from(i32::from(protocol))))?;
    socket.set_mark(process.mark)?;
    let address = |address, port| SockAddr::from(std::net::SocketAddr::new(address, port));
    let (sport, dport) =
        if protocol == UDP && kind == Type::DGRAM { headers.ports().unwrap_or((0, 0)) } else { (0, 0) };
    socket.bind(&address(headers.src, sport)).context("bind")?;
    if headers.v6() {
        socket.set_tclass_v6(u32::from(headers.tos))?;
        socket.set_unicast_hops_v6(u32::from(headers.ttl))?;
    } else {
        socket.set_tos_v4(u32::from(headers.tos))?;
        socket.set_ttl_v4(u32::from(headers.ttl))?;
        socket.set_multicast_ttl_v4(u32::from(headers.ttl))?;
        socket.set_broadcast(true)?;
    }
    let upper = headers.upper(tag);
    let payload = if kind == Type::DGRAM { upper.get(8..).unwrap_or_default() } else { &upper };
    socket.send_to(payload, &address(headers.dst, dport))?;
    Ok(())
}

/// Takes on a user's identity on this thread alone, and keeps its capabilities.
fn become_user(process: &Process) -> Result<()> {
    use rustix::thread::{
        CapabilitiesSecureBits, Gid, Uid, set_capabilities_secure_bits, set_thread_res_gid, set_thread_res_uid,
    };
    if process.uid == 0 && process.gid == 0 {
        return Ok(());
    }
    let bits = CapabilitiesSecureBits::NO_SETUID_FIXUP;
    set_capabilities_secure_bits(bits).context("keep capabilities")?;
    let gid = Gid::from_raw(process.gid);
    set_thread_res_gid(gid, gid, gid).context("change group")?;
    let uid = Uid::from_raw(process.uid);
    set_thread_res_uid(uid, uid, uid).context("change user")
}

impl Flow {
    /// Whether its packets differ from those of other flows in what conntrack tells flows apart by.
    fn is_kept_apart(&self) -> bool {
        use super::case::Step;
        match self.steps.first() {
            Some(Step::Frame { headers, .. } | Step::Local { headers, .. }) => {
                headers.ports().is_some() || matches!(headers.body, Body::Icmp { kind: 8 | 128, .. })
            }
            _ => false,
        }
    }
}
