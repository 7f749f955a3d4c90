//! Bridged answers that netfilter does not see, so that nothing translates them back.

use skoop_model::{Evidence, Family, Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail, argv};

/// `SYSCTL-BRIDGE-NF-CALL`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SYSCTL-BRIDGE-NF-CALL",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "Bridged packets do not pass netfilter, so that an answer between two pods of one bridge is not translated back.",
    remedy: "Switch bridge-nf-call-iptables (or -ip6tables) on, as Kubernetes requires of nodes with bridges.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::NotTheAnswer { .. } = case.stop() else { return None };
    let name = match case.packet().family() {
        Family::V4 => "bridge-nf-call-iptables",
        Family::V6 => "bridge-nf-call-ip6tables",
    };
    let node = case.network.node_host(&case.blocker().place.node)?;
    let namespace = &case.network.host(node).namespace;
    if namespace.sysctl(&format!("net/bridge/{name}"))? != 0 {
        return None;
    }
    let translated = case.trip.forward.steps.iter().any(|step| {
        step.place.node == case.blocker().place.node && step.after.as_ref().is_some_and(|after| after.dst != step.before.dst)
    });
    if !translated {
        return None;
    }
    let key = format!("net.bridge.{name}");
    let message = "The answer is bridged from pod to pod past netfilter, which would have translated its source back.";
    let fix = format!("Set {key} to 1; it concerns every bridge of the node. Make it last with a file in /etc/sysctl.d.");
    let command = argv(&["sysctl", "-w", &format!("{key}=1")]);
    Some(Detail::new(message).on(Evidence::new("sysctl", format!("{key} = 0"))).at(node).fix(fix, vec![command]))
}
