//! The sans-IO engine: it asks for facts and answers with a report.

mod want;

pub use want::{Supplied, Want};
