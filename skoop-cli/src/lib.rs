//! The `skoop` command as a library: [`run`] takes the arguments and gives the exit code.
//!
//! Results go to standard output, everything else to standard error. Exit codes are the same for all commands:
//!
//! | code | meaning |
//! |---|---|
//! | 0 | reachable, all right |
//! | 1 | internal error |
//! | 2 | usage: the arguments do not fit, a file cannot be read, a name does not exist |
//! | 3 | unreachable; a bundle that is damaged; a scenario that is not right |
//! | 4 | undetermined |
//! | 5 | degraded |
//! | 6 | not permitted to look at all |

mod agent;
mod args;
mod ask;
mod bundle;
mod cluster;
#[cfg(feature = "lab")]
mod demo;
mod diagnose;
mod doctor;
mod exit;
mod explain;
mod interrupt;
#[cfg(feature = "lab")]
mod lab;
mod output;
mod progress;
mod shell;
mod snapshot;
mod walk;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Cli, Command};
pub use exit::Exit;
use exit::Failure;

/// Runs the command with its arguments, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match args::parse(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors and go to standard output; a closed pipe is nothing to complain about.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let style = output::Style::of(&cli.global);
    match dispatch(cli, &style) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::complain(&failure, &style);
            failure.exit.into()
        }
    }
}

fn dispatch(cli: Cli, style: &output::Style) -> Result<Exit, Failure> {
    match cli.command {
        Command::Diagnose(args) => diagnose::run(&args, style),
        Command::Walk(args) => walk::run(&args, style),
        Command::Doctor(args) => doctor::run(&args, style),
        Command::Snapshot(args) => snapshot::run(&args, style),
        Command::Cleanup(args) => cluster::cleanup(&args, style),
        Command::Bundle(args) => bundle::run(&args.command, style),
        Command::Agent(args) => agent::run(&args.command),
        Command::Explain(args) => explain::run(&args, style),
        #[cfg(feature = "lab")]
        Command::Lab(args) => lab::run(args.command, style),
        #[cfg(feature = "lab")]
        Command::Demo(args) => demo::run(&args, style),
        Command::Completions(args) => shell::completions(&args, style),
        Command::Man(args) => shell::man(&args, style),
        Command::Docs(args) => explain::write_docs(&args.dir),
        Command::Picture(args) => shell::picture(&args),
    }
}
