//! An address that two namespaces have.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};
use super::routing::ip;

/// `ADDRESS-DUPLICATE`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "ADDRESS-DUPLICATE",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "Another namespace has the address of the pod that was asked, and gets its packets.",
    remedy: "Take the address from the namespace that should not have it, and delete neighbour entries that point there.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::WrongReceiver { owner } = case.stop() else { return None };
    let (namespace, address) = (case.namespace()?, case.packet().dst);
    let message = format!("{address} is the address of {owner}, but {} has it too and got the packet.", case.whereabouts());
    let entry = namespace.snapshot().addresses.elements().iter().find(|entry| entry.ip() == address);
    let commands = entry.map(|entry| {
        let (net, device) = (entry.net.to_string(), namespace.device_name(entry.link));
        ip(case.packet().family(), &["addr", "del", &net, "dev", &device])
    });
    let fix = format!("Take {address} from {}; neighbour entries for it elsewhere may still point there for a while.", case.whereabouts());
    Some(Detail::new(message).fix(fix, commands.into_iter().collect()))
}
