//! The library itself as the one who answers.

use anyhow::{Context, Result};
use skoop::driver::{Silent, Source, diagnose};
use skoop_model::{Question, Report};

use crate::runner::Diagnose;

/// Answers with [`skoop::driver::diagnose`], on a runtime of its own. Not to be called from within an async task.
#[derive(Debug, Clone, Copy, Default)]
pub struct Skoop;

impl Diagnose for Skoop {
    fn diagnose(&self, source: &dyn Source, question: Question) -> Result<Report> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
        Ok(runtime.block_on(diagnose(source, question, &Silent))?)
    }
}
