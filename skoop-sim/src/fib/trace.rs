//! Why rules gave no route: evidence for findings.

use skoop_model::{Route, RoutingRule, TableId};

use super::{Fib, Flow};
use crate::Forks;

/// A rule that matched and gave no route.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tried<'a> {
    /// The rule.
    pub rule: &'a RoutingRule,
    /// Why it gave none.
    pub why: Miss<'a>,
}

/// Why a rule that matched gave no route.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Miss<'a> {
    /// Its table is empty or does not exist.
    NoTable(TableId),
    /// Its table has no route to the destination that is alive.
    NoRoute(TableId),
    /// A `throw` route.
    Throw(&'a Route),
    /// A route was found, and the rule's `suppress_prefixlength` or `suppress_ifgroup` rejects it.
    Suppressed(&'a Route),
}

impl Fib {
    /// The rules that matched `flow` and gave no route, in order, up to the one that decided. What is unknown counts as
    /// a match.
    pub fn trace(&self, flow: &Flow) -> Vec<Tried<'_>> {
        let mut tried = Vec::new();
        // What stopped the lookup is not asked here: only what came before it.
        let _ = self.select_traced(flow, &mut Forks::first(), &mut |rule| tried.push(rule));
        tried
    }
}
