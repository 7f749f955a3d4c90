//! Arguments of the commands around nodes.

use clap::Args;

use super::cluster::{ClusterArgs, NodeArgs, PodArgs};
use super::values::{FileOrStdout, TextOrJson};

/// Arguments of `snapshot`.
#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// Name of this host in the cluster [default: its host name]
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Write it to this file; `-` is standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub(crate) output: FileOrStdout,
    /// Answer each line `snapshot` on standard input, until that ends
    #[arg(long, hide = true, conflicts_with = "output")]
    pub(crate) session: bool,
}

/// Arguments of `cleanup`.
#[derive(Debug, Args)]
pub(crate) struct CleanupArgs {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) pods: PodArgs,
    /// Also those that still run, of whatever run they are
    #[arg(long)]
    pub(crate) running: bool,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Look at this host only, not for a cluster
    #[arg(long)]
    pub(crate) local: bool,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) nodes: NodeArgs,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t = TextOrJson::Text)]
    pub(crate) output: TextOrJson,
}
