//! A client that a Service's source ranges leave out.

use skoop_model::{Evidence, Role, Severity};
use skoop_sim::Stop;

use super::FindingKind;
use super::case::{Case, Detail};

/// `SERVICE-SOURCE-RANGES`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SERVICE-SOURCE-RANGES",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The Service's loadBalancerSourceRanges do not hold the client's address.",
    remedy: "Add the client's address to loadBalancerSourceRanges, if it should be let in.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let Stop::Netfilter(_) = case.stop() else { return None };
    let (service, packet) = (case.service()?, case.packet());
    // Ranges of the other family alone are no limit: each family's proxy reads its own.
    let own: Vec<_> = service.source_ranges.iter().filter(|net| net.addr().is_ipv4() == packet.src.is_ipv4()).collect();
    let excluded = !own.is_empty() && !own.iter().any(|net| net.contains(&packet.src));
    if !excluded || !service.load_balancer_ips.contains(&packet.dst) {
        return None;
    }
    let ranges: Vec<String> = service.source_ranges.iter().map(ToString::to_string).collect();
    let text = format!("svc/{} loadBalancerSourceRanges {}", service.key, ranges.join(", "));
    let message = format!("Service {} takes traffic only from {}, and the client is {}.", service.key, ranges.join(", "), packet.src);
    Some(Detail::new(message).on(Evidence::new("object", text)))
}
