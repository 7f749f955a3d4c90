//! The `skoop` command; the library does the work.

use std::process::ExitCode;

fn main() -> ExitCode {
    skoop_cli::run(std::env::args_os())
}
