//! Arguments of `lab` and `demo`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Format, PacketArgs, TextOrJson};

/// Arguments of `lab`.
#[derive(Debug, Args)]
pub(crate) struct LabArgs {
    #[command(subcommand)]
    pub(crate) command: LabCommand,
}

/// Commands of `lab`.
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// Run scenarios and print a scoreboard; exit code 0 only if all are right
    Run(LabRunArgs),
    /// Build a scenario's cluster, break it, and leave it standing
    Up(LabUpArgs),
    /// Diagnose a standing cluster
    Diagnose(LabDiagnoseArgs),
    /// Remove everything that a lab left behind
    Down,
    /// List the scenarios
    List(LabListArgs),
    /// Serve a standing lab's sockets
    #[command(hide = true)]
    Serve,
}

/// Arguments of `lab run`.
#[derive(Debug, Args)]
pub(crate) struct LabRunArgs {
    /// Only scenarios whose name holds this
    pub(crate) filter: Option<String>,
    /// Scenario files of this directory instead of those built in
    #[arg(long, value_name = "DIR")]
    pub(crate) scenarios: Option<PathBuf>,
    /// Clusters at the same time
    #[arg(long, short, default_value_t = 2)]
    pub(crate) jobs: usize,
    /// Stop at the first scenario that is not right
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t = TextOrJson::Text)]
    pub(crate) output: TextOrJson,
}

/// Arguments of `lab up`.
#[derive(Debug, Args)]
pub(crate) struct LabUpArgs {
    /// Name of the scenario
    pub(crate) scenario: String,
    /// Scenario files of this directory instead of those built in
    #[arg(long, value_name = "DIR")]
    pub(crate) scenarios: Option<PathBuf>,
    /// Do not break it
    #[arg(long)]
    pub(crate) healthy: bool,
}

/// Arguments of `lab diagnose`.
#[derive(Debug, Args)]
pub(crate) struct LabDiagnoseArgs {
    /// Where the packet starts [default: as the scenario asks]
    #[arg(long, value_name = "END", requires = "to")]
    pub(crate) from: Option<String>,
    /// Where it should arrive [default: as the scenario asks]
    #[arg(long, value_name = "END", requires = "from")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) packet: PacketArgs,
    /// Write all that was seen to this file, for `--bundle`
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Form of the report
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
}

/// Arguments of `lab list`.
#[derive(Debug, Args)]
pub(crate) struct LabListArgs {
    /// Only scenarios whose name holds this
    pub(crate) filter: Option<String>,
    /// Scenario files of this directory instead of those built in
    #[arg(long, value_name = "DIR")]
    pub(crate) scenarios: Option<PathBuf>,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Diagnose the bundles of this directory, as without root
    #[arg(long, value_name = "DIR")]
    pub(crate) bundles: Option<PathBuf>,
}
