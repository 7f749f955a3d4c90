//! The whole of skoop as a dependency: a question, a source, a report, and its picture.
//!
//! `cargo run -p skoop-examples --bin diagnose-a-bundle -- BUNDLE.skoop FROM TO > report.html`

use std::io::Write;

use anyhow::bail;
use skoop::driver::{BundleSource, Silent, diagnose};
use skoop::model::Question;
use skoop::render;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, from, to] = arguments.as_slice() else { bail!("usage: diagnose-a-bundle BUNDLE.skoop FROM TO") };
    let source = BundleSource::open(file.as_ref())?;
    let report = diagnose(&source, Question::tcp(from.parse()?, to.parse()?, None), &Silent).await?;
    eprintln!("{from} to {to}: {}", report.verdict);
    std::io::stdout().write_all(render::html(&report).as_bytes())?;
    Ok(())
}
