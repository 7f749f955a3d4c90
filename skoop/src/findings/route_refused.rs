//! What routes that refuse have in common.

use skoop_model::RouteKind;
use skoop_sim::Stop;

use super::case::{Case, Detail};
use super::routing::{delete_route, delete_rule};

/// The finding for a refusal of `wanted` kind.
pub(super) fn refused(case: &Case<'_>, wanted: RouteKind) -> Option<Detail> {
    let Stop::RouteRefused { kind, route, rule } = case.stop() else { return None };
    if *kind != wanted {
        return None;
    }
    let by = if route.is_some() { "route" } else { "routing rule" };
    let message = format!("A {} {by} in {} decides about {}.", kind.name(), case.whereabouts(), case.packet().dst);
    let commands = match (route, rule) {
        (Some(route), _) => vec![delete_route(case.namespace()?, route)],
        (None, Some(rule)) => vec![delete_rule(rule)],
        (None, None) => Vec::new(),
    };
    let fix = format!(
        "Delete the {by}, if it is not there on purpose; it concerns everything that is sent there from {}.",
        case.whereabouts()
    );
    Some(Detail::new(message).fix(fix, commands))
}
