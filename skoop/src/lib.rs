//! Why can A not reach B? Kubernetes network diagnosis as a library.
//!
//! skoop reads what the Linux kernel really holds on each node, walks one packet through it, there and back, exactly as Linux
//! would, and names the rule, route or object that decides, with evidence and fix.
//!
//! # With IO: the driver
//!
//! A [`driver::Source`] says where facts come from: [`driver::LocalHost`], [`driver::BundleSource`], or your own.
//!
//! ```
//! # #[cfg(all(feature = "live", feature = "bundle"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use skoop::driver::{BundleSource, Silent, diagnose};
//! use skoop::model::{Question, Verdict};
//!
//! # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/bundles/forwarding-entry-missing.skoop");
//! let source = BundleSource::open(file.as_ref())?;
//! let question = Question::tcp("pod/default/client".parse()?, "pod/default/server".parse()?, None);
//! let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! let report = runtime.block_on(diagnose(&source, question, &Silent))?;
//!
//! assert_eq!(report.verdict, Verdict::Unreachable);
//! assert_eq!(report.causes[0].code, "TUNNEL-FDB-MISSING");
//! println!("{}", skoop::render::text(&report, &skoop::render::TextStyle::default()));
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "live", feature = "bundle")))]
//! # fn main() {}
//! ```
//!
//! # Without IO: the engine
//!
//! [`engine::Diagnosis`] says what it needs to know and is told; it never touches the world. The example of
//! [`engine::Diagnosis`] shows the loop.
//!
//! # See also
//!
//! - [`findings`]: everything that can be wrong, by stable code.
//! - [`render`]: a report as text, JSON, HTML, SVG.
//! - [`walk`]: one packet through one namespace, as `skoop walk` judges it.
//! - [`sim`]: the simulated kernel, for one namespace at a time.
//! - [`model`]: the data that all of it speaks.
//! - [`cni`]: what the plugins of pod networks put on nodes.
//! - [`collect`]: live systems as snapshots, and bundles.

#[cfg(feature = "live")]
pub mod driver;
pub mod engine;
pub mod findings;
pub mod render;
pub mod walk;

pub use skoop_cni as cni;
#[cfg(any(feature = "live", feature = "bundle", feature = "dump"))]
pub use skoop_collect as collect;
pub use skoop_model as model;
pub use skoop_sim as sim;

/// The README's example compiles.
#[cfg(all(doctest, feature = "live", feature = "bundle"))]
#[doc = include_str!("../../README.md")]
struct Readme;
