//! Errors of the driver.

use thiserror::Error;

use crate::engine::{DiagnosisError, ErrorKind};

/// A diagnosis that could not be carried through.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The question cannot be answered; the message says what to do.
    #[error(transparent)]
    Diagnosis(#[from] DiagnosisError),
}

impl DriverError {
    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Diagnosis(error) => error.kind(),
        }
    }
}
