//! The Linux network stack, simulated on collected state.

mod fork;
mod tri;

pub use fork::{Choice, ForkKind, Forks, Way, explore};
pub use tri::Tri;
