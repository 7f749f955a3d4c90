//! The differential harness: the kernel judges the simulator.
//!
//! A seed makes a node (devices, addresses, routes, rules, sysctls, rule sets of every kind, sets) and packets. The usual tools put
//! the node into a network namespace, [`skoop_collect`] reads it from there, and every packet goes through the kernel and through
//! [`skoop_sim::walk`]. What the kernel did is read off packet sockets at the other ends of its wires and sockets of the node: no code is
//! shared with the simulator.

mod case;
mod compare;
mod coverage;
mod fate;
mod generate;
mod headers;
mod judge;
mod known;
mod lab;
mod random;
mod regression;
mod run;
mod shape;
mod shrink;
mod state;
mod wire;

pub use coverage::{Coverage, FLOOR, Hits, NOT_HERE};
pub use known::Known;
pub use regression::replay;
pub use run::{Budget, Mutant, Report, differential};
