//! Which cluster, and how its nodes are seen.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Which cluster, and as whom. The names are kubectl's.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterArgs {
    /// Kubeconfig [default: $KUBECONFIG, ~/.kube/config, or this pod's service account]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// Cluster entry of the kubeconfig
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) cluster: Option<String>,
    /// User entry of the kubeconfig
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) user: Option<String>,
    /// User to act as
    #[arg(long = "as", value_name = "USER", hide_short_help = true)]
    pub(crate) act_as: Option<String>,
    /// Group to act as; may be given several times
    #[arg(long = "as-group", value_name = "GROUP", hide_short_help = true)]
    pub(crate) act_as_groups: Vec<String>,
    /// URL of the API server
    #[arg(long, short = 's', value_name = "URL", hide_short_help = true)]
    pub(crate) server: Option<String>,
    /// Name that the API server's certificate must bear
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) tls_server_name: Option<String>,
    /// Certificates of those who may have signed the API server's
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// Do not check the API server's certificate
    #[arg(long, hide_short_help = true)]
    pub(crate) insecure_skip_tls_verify: bool,
    /// Client certificate
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) client_certificate: Option<PathBuf>,
    /// Key of the client certificate
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) client_key: Option<PathBuf>,
    /// Bearer token
    #[arg(long, value_name = "TOKEN", hide_short_help = true)]
    pub(crate) token: Option<String>,
    /// Time that one request to the API server may take, as 10s, 500ms, 1m
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration, hide_short_help = true)]
    pub(crate) request_timeout: Duration,
}

/// Ways to see a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// The agent that runs on it (`skoop agent manifest`)
    Agent,
    /// A pod, made for it and removed afterwards
    Pod,
    /// `ssh` to its address
    Ssh,
    /// A file NODE.snapshot that `skoop snapshot` wrote
    File,
}

/// How nodes are seen.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Nodes")]
pub(crate) struct NodeArgs {
    /// Ways to see a node, tried in this order
    #[arg(long, value_enum, value_delimiter = ',', default_value = "agent,pod", value_name = "WAY,..")]
    pub(crate) collect: Vec<Way>,
    /// Time for one node, all ways together
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) node_timeout: Duration,
    /// Namespace of agents
    #[arg(long, value_name = "NAMESPACE", default_value = "skoop", hide_short_help = true)]
    pub(crate) agent_namespace: String,
    #[command(flatten)]
    pub(crate) pods: PodArgs,
    /// Image of the pods that are made
    #[arg(long, value_name = "IMAGE", default_value = skoop::collect::nodes::pods::IMAGE, hide_short_help = true)]
    pub(crate) image: String,
    /// Secret to pull that image with; may be given several times
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) pull_secret: Vec<String>,
    /// Limit of memory of the pods that are made
    #[arg(long, value_name = "QUANTITY", default_value = "512Mi", hide_short_help = true)]
    pub(crate) memory_limit: String,
    /// Limit of processor time of the pods that are made
    #[arg(long, value_name = "QUANTITY", default_value = "2", hide_short_help = true)]
    pub(crate) cpu_limit: String,
    /// User to log in as with ssh
    #[arg(long, value_name = "USER", hide_short_help = true)]
    pub(crate) ssh_user: Option<String>,
    /// Command on the node that ssh runs, as 'sudo -n skoop'
    #[arg(long, value_name = "COMMAND", default_value = "skoop", hide_short_help = true)]
    pub(crate) ssh_command: String,
    /// Directory of NODE.snapshot files
    #[arg(long, value_name = "DIR", required_if_eq("collect", "file"), hide_short_help = true)]
    pub(crate) snapshots: Option<PathBuf>,
}

/// Where pods are made.
#[derive(Debug, Clone, Args)]
pub(crate) struct PodArgs {
    /// Namespace in which pods are made that look at nodes
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    pub(crate) collector_namespace: String,
}

/// A time as `10s`, `500ms`, `1m`; a number alone is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "write it as 10s, 500ms or 1m".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err("write it as 10s, 500ms or 1m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        for wrong in ["", "s", "1h30m", "-1s", "1.5s", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
