//! Why can A not reach B? Kubernetes network diagnosis as a library.

#[cfg(feature = "live")]
pub mod driver;
pub mod engine;
pub mod findings;
pub mod render;

pub use skoop_model as model;
