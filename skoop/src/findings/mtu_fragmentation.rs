//! Packets that are cut into fragments on the way.

use skoop_model::{Role, Severity};

use super::FindingKind;
use super::case::Detail;
use crate::engine::{HostId, Journey, Network};

/// `MTU-FRAGMENTATION`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "MTU-FRAGMENTATION",
    severity: Severity::Info,
    role: Role::Symptom,
    meaning: "The packet is longer than the MTU of a link on the way and is cut into fragments: it arrives, but slower, and firewalls \
              and clouds often drop fragments.",
    remedy: "Give the pods an MTU that fits the smallest link on the way, tunnel headers included.",
    detect: |_| None,
};

/// Finds where a packet was fragmented.
pub(super) fn inspect(network: &Network, journey: &Journey) -> Option<Detail> {
    let step = journey.steps.iter().find(|step| {
        let after = step.after.as_ref().and_then(|after| after.fragment_bytes);
        after.is_some() && step.before.fragment_bytes.is_none()
    })?;
    let here = |id: &HostId| {
        let host = network.host(*id);
        host.node == step.place.node && host.label == step.place.namespace
    };
    let host = journey.passed.iter().copied().find(here)?;
    let message = format!(
        "{} on {} sends the packet of {} bytes in fragments.",
        step.place.device, step.place.node, step.before.length_bytes
    );
    Some(Detail::new(message).on(step.by.clone()).at(host))
}
