//! Arguments of `skoop agent`.

use clap::{Args, Subcommand};

/// Arguments of `agent`.
#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    #[command(subcommand)]
    pub(crate) command: AgentCommand,
}

/// Commands of `agent`.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Print all that installs agents, with keys and a token made anew
    Manifest(AgentManifestArgs),
}

const EXAMPLES: &str = "\
Examples:
  Install agents, or give them new keys and a new token:
    skoop agent manifest | kubectl apply --server-side -f -";

/// Arguments of `agent manifest`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AgentManifestArgs {
    /// Namespace of the agents; it is made
    #[arg(long, short, value_name = "NAME", default_value = "skoop")]
    pub(crate) namespace: String,
    /// Image of the agents [default: that of this version]
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
}
