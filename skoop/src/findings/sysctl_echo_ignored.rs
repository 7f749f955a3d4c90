//! A host that answers no ping.

use skoop_model::{Role, Severity};
use skoop_sim::{Stop, dotted};

use super::FindingKind;
use super::case::{Case, Detail, argv};

/// `SYSCTL-ECHO-IGNORED`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SYSCTL-ECHO-IGNORED",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The receiver is set to answer no ICMP echo request; other protocols are not concerned.",
    remedy: "Ask with TCP or UDP, or let the receiver answer echo requests.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::EchoIgnored { sysctl } = case.stop() else { return None };
    let key = dotted(sysctl);
    let message = format!("{} answers no echo request: {key} is 1.", case.whereabouts());
    Some(Detail::new(message).fix(format!("Set {key} to 0."), vec![argv(&["sysctl", "-w", &format!("{key}=0")])]))
}
