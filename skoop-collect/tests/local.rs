//! The local collector against what iproute2 and the netfilter tools say of the same namespaces.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

#[path = "local/conntrack.rs"]
mod conntrack;
#[path = "local/links.rs"]
mod links;
#[path = "local/looking.rs"]
mod looking;
#[path = "local/netfilter.rs"]
mod netfilter;
#[path = "local/peers.rs"]
mod peers;
#[path = "local/refusals.rs"]
mod refusals;
#[path = "local/routes.rs"]
mod routes;
#[path = "local/state.rs"]
mod state;
#[path = "local/support.rs"]
mod support;
