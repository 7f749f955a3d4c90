//! Arguments. Help, completions and the man page come from here.

mod agent;
mod cluster;
#[cfg(feature = "lab")]
mod lab;
mod node;
mod values;
mod walk;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use agent::{AgentArgs, AgentCommand, AgentManifestArgs};
pub(crate) use cluster::{ClusterArgs, NodeArgs, Way};
#[cfg(feature = "lab")]
pub(crate) use lab::{DemoArgs, LabArgs, LabCommand, LabDiagnoseArgs, LabListArgs, LabRunArgs, LabUpArgs};
pub(crate) use node::{CleanupArgs, DoctorArgs, SnapshotArgs};
pub(crate) use values::{AskedProtocol, FamilyChoice, FileOrStdout, Format, TextOrJson, WalkFormat};
pub(crate) use walk::{WalkArgs, WalkPlace};

const EXAMPLES: &str = "\
Examples:
  Why can a pod not reach a service?
    skoop diagnose --from pod/default/client --to svc/default/web

  The same from a host that is no part of a cluster, as root, kept to be looked at elsewhere:
    skoop diagnose --local --from node/a --to 10.0.0.9 --port 5432 --record a.skoop
    skoop diagnose --bundle a.skoop --from node/a --to 10.0.0.9 --port 5432 -v

  What works here, and why not?
    skoop doctor

  See it at work, in a cluster of network namespaces, broken and healed:
    sudo skoop demo

Exit codes:
  0 reachable, all right      3 unreachable      5 degraded
  1 internal error            4 undetermined     6 not permitted to look at all
  2 usage";

/// Why can A not reach B? Finds the rule, route or object that stops the packet, and says how to mend it.
#[derive(Debug, Parser)]
#[command(name = "skoop", version, after_help = EXAMPLES, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of all commands.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// No colours; the environment variable `NO_COLOR` does the same
    #[arg(long, global = true, display_order = 100)]
    pub(crate) no_color: bool,
    /// Only the result, in as few lines as it takes; no progress
    #[arg(long, short, global = true, display_order = 101, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Everything: all ways, the object that decided each step, all that was not seen
    #[arg(long, short, global = true, display_order = 102)]
    pub(crate) verbose: bool,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Walk one packet from A to B and back, and say what stops it
    Diagnose(Box<DiagnoseArgs>),
    /// Walk packets through one network namespace, from what `ip`, `iptables-save` and their like print
    Walk(Box<WalkArgs>),
    /// Say what works here, and why not: permissions, nodes, tools
    Doctor(Box<DoctorArgs>),
    /// Write all that this host's kernel and container runtime know of its network (as root)
    Snapshot(SnapshotArgs),
    /// Remove pods that killed runs have left in the cluster
    Cleanup(Box<CleanupArgs>),
    /// Look into recorded clusters (`.skoop` files)
    Bundle(BundleArgs),
    /// Install agents on the nodes of a cluster, which show their state when asked
    Agent(AgentArgs),
    /// Say what a finding means, or list all of them
    Explain(ExplainArgs),
    /// Clusters of network namespaces, broken in known ways (needs root)
    #[cfg(feature = "lab")]
    Lab(LabArgs),
    /// Build a cluster, break it in three ways, diagnose, heal, and prove each with real packets
    #[cfg(feature = "lab")]
    Demo(DemoArgs),
    /// Write completions for a shell
    Completions(CompletionsArgs),
    /// Write the man page
    Man(ManArgs),
    /// Write one page for each finding
    #[command(hide = true)]
    Docs(DocsArgs),
    /// Draw coloured terminal output from standard input as an SVG picture
    #[command(hide = true)]
    Picture(PictureArgs),
}

/// Arguments of `diagnose`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiagnoseArgs {
    /// Where the packet starts: pod/NAMESPACE/NAME, deploy/NAMESPACE/NAME, node/NAME, an IP address, `outside`
    #[arg(long, value_name = "END")]
    pub(crate) from: String,
    /// Where it should arrive: the same, or svc/NAMESPACE/NAME
    #[arg(long, value_name = "END")]
    pub(crate) to: String,
    /// Namespace of ends that are written without: pod/NAME, svc/NAME, deploy/NAME
    #[arg(long, short, default_value = "default")]
    pub(crate) namespace: String,
    #[command(flatten)]
    pub(crate) packet: PacketArgs,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Tell on standard error what it took: requests, bytes, time per node
    #[arg(long)]
    pub(crate) stats: bool,
    /// Write all that was seen to this file, for `--bundle`
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Form of the report
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// Write the report to this file; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) output_file: FileOrStdout,
}

/// The packet's particulars.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Packet")]
pub(crate) struct PacketArgs {
    /// Destination port; for a service its own port [default: the service's only port, else 80]
    #[arg(long, short, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Protocol
    #[arg(long, value_enum, default_value_t = AskedProtocol::Tcp)]
    pub(crate) protocol: AskedProtocol,
    /// Bytes of payload above the transport header [default: the smallest packet]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(..=65_507))]
    pub(crate) size: Option<u32>,
    /// Address family; `both` asks twice [default: one that both ends have, IPv4 first]
    #[arg(long, value_enum)]
    pub(crate) family: Option<FamilyChoice>,
    /// Source port [default: an ephemeral one]
    #[arg(long, value_name = "PORT")]
    pub(crate) source_port: Option<u16>,
    /// Node by which a packet from outside comes in, or whose node port is asked
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Do not walk the answer
    #[arg(long)]
    pub(crate) no_reply: bool,
}

/// Where facts come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where to look")]
pub(crate) struct SourceArgs {
    /// This host only: its own network namespace and all others on it (as root); with --kubeconfig or --context as a node of that
    /// cluster
    #[arg(long, conflicts_with = "bundle")]
    pub(crate) local: bool,
    /// A recorded cluster; needs neither cluster nor root
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kubeconfig", "context", "server", "collect"])]
    pub(crate) bundle: Option<PathBuf>,
    /// Name of this host in the cluster [default: its host name]
    #[arg(long, value_name = "NAME", requires = "local")]
    pub(crate) local_node: Option<String>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) nodes: NodeArgs,
}

/// Arguments of `bundle`.
#[derive(Debug, Args)]
pub(crate) struct BundleArgs {
    #[command(subcommand)]
    pub(crate) command: BundleCommand,
}

/// Commands of `bundle`.
#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Say what a bundle holds
    Info(BundleFile),
    /// Check a bundle against its hashes: exit code 0 if it is whole, 3 if it is damaged, 2 if it is no bundle
    Verify(BundleFile),
}

/// A bundle, and how to speak of it.
#[derive(Debug, Args)]
pub(crate) struct BundleFile {
    /// The bundle
    pub(crate) file: PathBuf,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t = TextOrJson::Text)]
    pub(crate) output: TextOrJson,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Code of a finding, as ROUTE-NO-ROUTE; without it all are listed
    pub(crate) code: Option<String>,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t = TextOrJson::Text)]
    pub(crate) output: TextOrJson,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write a page for each command into this directory instead
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Arguments of `picture`.
#[derive(Debug, Args)]
pub(crate) struct PictureArgs {
    /// Title of the window
    #[arg(long, default_value = "skoop")]
    pub(crate) title: String,
}

/// Arguments of `docs`.
#[derive(Debug, Args)]
pub(crate) struct DocsArgs {
    /// Directory to write to
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// The command's definition, under the name that it was called by.
pub(crate) fn command(program: Option<&OsString>) -> clap::Command {
    let name = program.and_then(|program| Path::new(program).file_stem()?.to_str());
    match name.and_then(|name| name.strip_prefix("kubectl-")) {
        // kubectl runs `kubectl-NAME` for `kubectl NAME`.
        Some(plugin) => Cli::command().bin_name(format!("kubectl {plugin}")),
        None => Cli::command().bin_name("skoop"),
    }
}

/// Parses the arguments, the program's name first.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    let mut command = command(arguments.first());
    let matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds() {
        command(None).debug_assert();
    }

    #[test]
    fn a_plugin_of_kubectl_speaks_of_kubectl() {
        let error =
            parse(["/usr/bin/kubectl-skoop", "--help"].map(OsString::from).into()).expect_err("help is no command");
        assert!(error.to_string().contains("Usage: kubectl skoop [OPTIONS] <COMMAND>"), "{error}");
        let error = parse(["skoop", "explain", "--help"].map(OsString::from).into()).expect_err("help is no command");
        assert!(error.to_string().contains("Usage: skoop explain"), "{error}");
    }
}
