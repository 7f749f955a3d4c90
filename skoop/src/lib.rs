//! Why can A not reach B? Kubernetes network diagnosis as a library.

#[cfg(feature = "live")]
pub mod driver;
pub mod engine;
pub mod findings;
pub mod render;

#[cfg(any(feature = "live", feature = "bundle"))]
pub use skoop_collect as collect;
pub use skoop_model as model;
pub use skoop_sim as sim;
