//! Sources that should have been masqueraded.

use std::net::IpAddr;

use skoop_model::{Evidence, Family, Packet, Role, Severity, Step};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail, argv};
use super::shown::{Shown, is_rule};

/// `NAT-MASQUERADE-MISSING`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "NAT-MASQUERADE-MISSING",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A packet keeps its source where it must be masqueraded, so that the answer does not find back or is not translated back.",
    remedy: "Restore the masquerade rule of the CNI plugin or of kube-proxy for traffic that leaves the cluster.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    match case.stop() {
        Stop::LeftCluster { .. } if case.blocked.reply && case.trip.reply.is_none() => Some(left_with_pod_source(case)),
        Stop::NotTheAnswer { .. } => not_masqueraded(case),
        Stop::Martian if case.packet().src == case.packet().dst => hairpin(case),
        _ => None,
    }
}

/// A pod's address left the cluster as a source.
fn left_with_pod_source(case: &Case<'_>) -> Detail {
    let source = case.packet().dst;
    let message = format!("The packet left with source {source}, a pod's address; an answer to it cannot find back.");
    let node = case.node_of_pod_address(source);
    let cidr = node.and_then(|node| node.pod_cidrs.iter().find(|cidr| cidr.contains(&source)));
    let Some(cidr) = cidr else { return Detail::new(message) };
    let (tool, cidr, device) = (iptables(source), cidr.to_string(), case.device_name());
    let command = argv(&[tool, "-t", "nat", "-A", "POSTROUTING", "-s", &cidr, "-o", &device, "-j", "MASQUERADE"]);
    let agent = case.network.cni().agent();
    let fix = format!("Masquerade what pods send by {device}. If {agent} should do that, restart it: it writes its rules anew.");
    Detail::new(message).fix(fix, vec![command])
}

/// A packet that a Service's rules marked for masquerading, and that kept its source: the answer does not come back by the
/// node that translated its destination.
fn not_masqueraded(case: &Case<'_>) -> Option<Detail> {
    let (marked, packet) = marked_step(case)?;
    let last = case.trip.forward.steps.iter().rev().find_map(|step| step.after.as_ref()).map(inner)?;
    if last.src != packet.src {
        return None;
    }
    let node = &marked.place.node;
    let message = format!(
        "{node} translated the destination of the packet from {} and marked it for masquerading, and no rule masqueraded it: \
         its receiver answers past {node}.",
        packet.src
    );
    let chain = match Shown::of(&marked.by).filter(Shown::is_nft) {
        Some(rule) => format!("chain masquerading in table {}", rule.table),
        None => "KUBE-POSTROUTING".to_owned(),
    };
    let evidence = Evidence::new("missing", format!("no rule of {chain} masquerades packets with mark 0x4000/0x4000"));
    let fix = format!("Restart kube-proxy on {node}: it writes its masquerade rules anew.");
    Some(Detail::new(message).on(evidence).at(case.host_at(&marked.place)?).fix(fix, Vec::new()))
}

/// A pod that reached itself by its Service with its own address as source.
fn hairpin(case: &Case<'_>) -> Option<Detail> {
    if marked_step(case).is_some() {
        return not_masqueraded(case);
    }
    let service = case.service()?;
    let step = case.trip.forward.steps.iter().find(|step| {
        is_rule(&step.by) && step.after.as_ref().is_some_and(|after| after.dst != step.before.dst)
    })?;
    let rule = Shown::of(&step.by)?;
    let chain = rule.chain;
    let (address, family) = (case.packet().src, case.packet().family());
    let message = format!(
        "{} sent {address} its own packet by Service {} without masquerading it, and Linux takes no packet from its own address.",
        step.place.node, service.key
    );
    let evidence = Evidence::new("missing", format!("no rule of chain {chain} marks packets from {address} for masquerading"));
    let source = format!("{address}/{}", if family == Family::V4 { 32 } else { 128 });
    let command = match rule.nft_table() {
        Some((nft, table)) => {
            let (header, address) = (if family == Family::V4 { "ip" } else { "ip6" }, address.to_string());
            argv(&["nft", "insert", "rule", nft, table, chain, header, "saddr", &address, "jump", "mark-for-masquerade"])
        }
        None => argv(&[iptables(address), "-t", "nat", "-I", chain, "-s", &source, "-j", "KUBE-MARK-MASQ"]),
    };
    let fix = "Mark what the pod sends to itself for masquerading again; kube-proxy writes the rule anew when restarted.";
    Some(Detail::new(message).on(evidence).at(case.host_at(&step.place)?).fix(fix, vec![command]))
}

/// kube-proxy's mark for masquerading (`masqueradeBit`, 14 unless configured).
const MASQUERADE_MARK: u32 = 1 << 14;

/// The step on the way there that set the mark, and the packet after it.
fn marked_step<'a>(case: &Case<'a>) -> Option<(&'a Step, &'a Packet)> {
    let mut unmarked = case.trip.forward.steps.iter().filter(|step| step.before.mark.0 & MASQUERADE_MARK == 0);
    unmarked.find_map(|step| {
        let after = step.after.as_ref().filter(|after| after.mark.0 & MASQUERADE_MARK != 0)?;
        Some((step, after))
    })
}

/// The packet that a tunnel carries.
fn inner(packet: &Packet) -> &Packet {
    packet.encap.as_deref().map_or(packet, |encap| &encap.frame.packet)
}

fn iptables(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "iptables" } else { "ip6tables" }
}
