//! A tunnel that would carry its own packets.

use skoop_model::{Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `TUNNEL-LOOP`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "TUNNEL-LOOP",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The route to the remote tunnel end leads into the tunnel itself.",
    remedy: "Route the remote node's address by the uplink.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::TunnelLoop = case.stop() else { return None };
    Some(Detail::new(format!("Packets of {} to its remote end {} would go through itself.", case.device_name(), case.packet().dst)))
}
