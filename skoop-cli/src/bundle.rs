//! `skoop bundle`, and bundles for other commands.

use std::path::Path;

use skoop::driver::{LocalHost, Source};
use skoop_model::Question;

use crate::args::BundleCommand;
use crate::exit::{Exit, Failure};
use crate::output::Style;

pub(crate) fn run(_command: &BundleCommand, _style: &Style) -> Result<Exit, Failure> {
    Err(Failure::usage("not yet"))
}

pub(crate) fn open(_path: &Path) -> Result<LocalHost, Failure> {
    Err(Failure::usage("not yet"))
}

pub(crate) fn open_with_question(path: &Path) -> Result<(LocalHost, Option<Question>), Failure> {
    Ok((open(path)?, None))
}

pub(crate) async fn cluster(_kubeconfig: Option<&Path>, _context: Option<&str>) -> Result<Box<dyn Source>, Failure> {
    Err(Failure::usage("not yet"))
}
