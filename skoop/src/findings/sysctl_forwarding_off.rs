//! A node that does not forward.

use skoop_model::{HostRole, Role, Severity};
use skoop_sim::{Stop, dotted};

use super::FindingKind;
use super::case::{Case, Detail, argv};

/// `SYSCTL-FORWARDING-OFF`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SYSCTL-FORWARDING-OFF",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The packet must be forwarded, and forwarding is switched off for the device that it came in by.",
    remedy: "Switch forwarding on, as Kubernetes requires of every node.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::ForwardingOff { sysctl } = case.stop() else { return None };
    if case.host()?.role == HostRole::Other {
        let message = format!("{} got a packet for {} and forwards nothing.", case.whereabouts(), case.packet().dst);
        return Some(Detail::new(message));
    }
    let namespace = case.namespace()?;
    let all_off = namespace.sysctl("net/ipv4/ip_forward") == Some(0) && case.packet().dst.is_ipv4();
    let key = if all_off { "net.ipv4.ip_forward".to_owned() } else { dotted(sysctl) };
    let message = format!("{} does not forward what comes in by {}: {key} is 0.", case.whereabouts(), case.device_name());
    let fix = format!("Set {key} to 1; it concerns all forwarding on the node. Make it last with a file in /etc/sysctl.d, and see what reset it.");
    let evidence = skoop_model::Evidence::new("sysctl", format!("{key} = 0"));
    Some(Detail::new(message).on(evidence).fix(fix, vec![argv(&["sysctl", "-w", &format!("{key}=1")])]))
}
