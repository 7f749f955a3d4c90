//! A route that answers "prohibited".

use skoop_model::{Role, RouteKind, Severity};

use super::FindingKind;
use super::case::{Case, Detail};
use super::route_refused::refused;

/// `ROUTE-PROHIBIT`.
pub(super) const FINDING: FindingKind = FindingKind {
    code: "ROUTE-PROHIBIT",
    severity: Severity::Critical,
    role: Role::Cause,
    meaning: "A route or routing rule answers as prohibited what is sent to the destination.",
    remedy: "Delete the route or rule, if it is not there on purpose.",
    detect,
};

fn detect(case: &Case<'_>) -> Option<Detail> {
    refused(case, RouteKind::Prohibit)
}
