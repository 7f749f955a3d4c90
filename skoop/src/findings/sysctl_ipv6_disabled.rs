//! IPv6 switched off.

use skoop_model::{Role, Severity};
use skoop_sim::{Stop, dotted};

use super::FindingKind;
use super::case::{Case, Detail, argv};

/// `SYSCTL-IPV6-DISABLED`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SYSCTL-IPV6-DISABLED",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "IPv6 is switched off on a device on the way.",
    remedy: "Switch IPv6 on for the device; its addresses must be given to it anew.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::Ipv6Disabled { sysctl } = case.stop() else { return None };
    let key = dotted(sysctl);
    let message = format!("{} takes no IPv6 on {}: {key} is 1.", case.whereabouts(), case.device_name());
    Some(Detail::new(message).fix(
        format!("Set {key} to 0. The device lost its IPv6 addresses: make the pod anew, or add them."),
        vec![argv(&["sysctl", "-w", &format!("{key}=0")])],
    ))
}
