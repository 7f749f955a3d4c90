//! The sans-IO engine: it asks for facts and answers with a report.

mod compose;
mod diagnosis;
mod error;
mod intent;
mod journey;
mod l2;
mod network;
mod pods;
mod resolve;
mod text;
mod trip;
mod verdict;
mod want;
mod wants;

use skoop_model::Report;

pub use diagnosis::Diagnosis;
pub use error::{DiagnosisError, ErrorKind};
pub use want::{Supplied, Want};

pub(crate) use intent::endpoints;
pub(crate) use journey::{Blocked, Journey, Start};
pub(crate) use network::{Host, HostId, Network};
pub(crate) use pods::{Difference, Mismatch};
pub(crate) use resolve::{Plan, Target};
pub(crate) use trip::{Trip, TripResult, try_instead};

/// What a diagnosis does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It needs these facts, all of them at once.
    Need(Vec<Want>),
    /// It is done.
    Done(Box<Report>),
}
