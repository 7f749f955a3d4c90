//! The `skoop-exporter` command; the library does the work.

use std::process::ExitCode;

fn main() -> ExitCode {
    skoop_exporter::run(std::env::args_os())
}
