//! A client whom session affinity keeps with an endpoint that does not serve it.

use skoop_model::{Packet, Role, Service, Severity, Step};
use skoop_sim::REMEMBERED;

use super::FindingKind;
use super::case::{Case, Detail, argv};
use super::service_proxy_stale::translates;
use super::shown::Shown;
use crate::engine::{Start, TripResult, endpoints, try_instead};

/// `SERVICE-AFFINITY-PINNED`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "SERVICE-AFFINITY-PINNED",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "The Service's session affinity keeps the client with one endpoint, which fails, while the Service has others.",
    remedy: "Mend that endpoint, or delete the client's entry from the node's affinity list, so that the next connection is sent to any endpoint.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    let service = case.service()?;
    let steps = &case.trip.forward.steps;
    let place = steps.iter().position(|step| step.decision == REMEMBERED)?;
    let (pinned, later) = steps.split_at_checked(place)?.1.split_first()?;
    let translated = later.iter().find(|step| translates(step, service))?;
    let chosen = translated.after.as_ref()?;
    // What stops the packet before it is sent to the endpoint would stop it with any.
    if !case.blocked.reply && case.is_untranslated(service) {
        return None;
    }
    if !others_would_serve(case, service, chosen) {
        return None;
    }
    let (client, node) = (pinned.before.src, &pinned.place.node);
    let message = format!(
        "{node} remembers that {client} was sent to {} by Service {}, and sends it there again instead of to another endpoint.",
        chosen.dst, service.key
    );
    let (text, commands) = forget(pinned);
    Some(Detail::new(message).on(pinned.by.clone()).at(case.host_at(&pinned.place)?).fix(text, commands))
}

/// Whether the client would be served by another endpoint; where not all of the way to one is in sight, whether it is the endpoint's
/// own pod that fails.
fn others_would_serve(case: &Case<'_>, service: &Service, chosen: &Packet) -> bool {
    let all = endpoints(case.network, service);
    let ready = all.iter().filter(|endpoint| endpoint.ready).flat_map(|endpoint| &endpoint.addresses);
    let others: Vec<_> =
        ready.filter(|address| **address != chosen.dst && address.is_ipv4() == chosen.dst.is_ipv4()).collect();
    let by_itself = || {
        let owner = case.pod_of_address(chosen.dst).map(|(_, host)| host);
        !others.is_empty() && owner.is_some() && owner == case.blocked.host
    };
    let Start::Host { host, packet, .. } = &case.plan.start else { return by_itself() };
    let mut unseen = false;
    for address in &others {
        let packet = Packet { dst: **address, transport: chosen.transport, ..packet.clone() };
        let start = Start::Host { host: *host, packet, choose_source: true };
        match try_instead(case.network, case.plan, start) {
            TripResult::Success => return true,
            TripResult::Failure => {}
            TripResult::Unknown(_) | TripResult::Pending => unseen = true,
        }
    }
    unseen && by_itself()
}

/// How to make the node forget the client.
fn forget(pinned: &Step) -> (String, Vec<Vec<String>>) {
    let client = pinned.before.src.to_string();
    let general = "Mend the endpoint, or take it out of the Service";
    let Some(shown) = Shown::of(&pinned.by) else { return (format!("{general}."), Vec::new()) };
    if let (Some((family, table)), Some(set)) = (shown.nft_table(), set_of(&shown)) {
        let command = argv(&["nft", "delete", "element", family, table, set, "{", &client, "}"]);
        let text = format!("{general}. Without its element in set {set} the next connection of {client} is sent to any endpoint.");
        return (text, vec![command]);
    }
    let list = words_after(shown.rule, "--name").unwrap_or("NAME");
    let text = format!(
        "{general}. To make {} forget {client}, write `-{client}` into /proc/net/xt_recent/{list} there; its next connection is sent to \
         any endpoint.",
        pinned.place.node
    );
    (text, Vec::new())
}

/// The set that a rule of nftables asks.
fn set_of<'a>(shown: &Shown<'a>) -> Option<&'a str> {
    shown.rule.split(' ').find_map(|word| word.strip_prefix('@'))
}

fn words_after<'a>(rule: &'a str, option: &str) -> Option<&'a str> {
    rule.split(' ').skip_while(|word| *word != option).nth(1)
}
