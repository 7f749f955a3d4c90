//! Nothing listens.

use skoop_model::{Role, Severity};
use skoop_sim::{Lacks, Stop};

use super::FindingKind;
use super::case::{Case, Detail};

/// `SOCKET-NO-LISTENER`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SOCKET-NO-LISTENER",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The packet arrives, and no program listens on its port.",
    remedy: "Start the program, or ask the port that it listens on.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::NoSocket { .. } = case.stop() else { return None };
    let packet = case.packet();
    let port = packet.dport().map(|port| format!(" port {port}")).unwrap_or_default();
    let message = format!("The packet arrives at {}, where nothing listens on {}{port}.", case.whereabouts(), packet.protocol);
    Some(Detail::new(message))
}

/// The nearest socket on the port misses the packet by one property.
pub(super) fn near_miss(case: &Case<'_>, wanted: Lacks, verb: &str) -> Option<Detail> {
    let Stop::NoSocket { near } = case.stop() else { return None };
    near.first().filter(|near| near.lacks == wanted)?;
    let port = case.packet().dport()?;
    Some(Detail::new(format!("In {} port {port} {verb}.", case.whereabouts())))
}
