//! What routes that refuse have in common.

use skoop_model::RouteKind;
use skoop_sim::Stop;

use super::case::{Case, Detail};

/// The finding for a refusal of `wanted` kind.
pub(super) fn refused(case: &Case<'_>, wanted: RouteKind) -> Option<Detail> {
    let Stop::RouteRefused { kind, route, rule } = case.stop() else { return None };
    if *kind != wanted {
        return None;
    }
    let by = if route.is_some() { "route" } else { "routing rule" };
    let message = format!("A {} {by} in {} decides about {}.", kind.name(), case.whereabouts(), case.packet().dst);
    let commands = match (route, rule) {
        (Some(route), _) => {
            let mut words: Vec<String> = ["ip", "route", "del"].map(str::to_owned).into();
            words.extend([kind.name(), route.dst.to_string(), "table".to_owned(), route.table.name()]);
            if route.metric != 0 {
                words.extend(["metric".to_owned(), route.metric.to_string()]);
            }
            vec![words]
        }
        (None, Some(rule)) => {
            vec![["ip", "rule", "del", "priority", &rule.priority.to_string()].map(str::to_owned).into()]
        }
        (None, None) => Vec::new(),
    };
    let fix = format!(
        "Delete the {by}, if it is not there on purpose; it concerns everything that is sent there from {}.",
        case.whereabouts()
    );
    Some(Detail::new(message).fix(fix, commands))
}
