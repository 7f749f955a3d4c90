//! Arguments of the command.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Parser};

const EXAMPLES: &str = "\
Examples:
  On a node, for whoever has the token (a Secret makes these files in a pod):
    skoop-exporter --node \"$NODE_NAME\" --tls-cert tls.crt --tls-key tls.key --token-file token

  To look at one's own machine:
    skoop-exporter --no-token
    curl --silent http://127.0.0.1:9690/api/v1/snapshot | zstdcat

Exit codes:
  0 ended by SIGTERM or SIGINT    1 could not go on    2 usage";

/// The agent of a node: gives its network state to whoever has the token.
///
/// Seeing the network namespaces of pods takes CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_SYS_PTRACE, and the node's processes (hostPID).
#[derive(Debug, Parser)]
#[command(name = "skoop-exporter", version, after_help = EXAMPLES)]
#[command(group = ArgGroup::new("access").required(true).args(["token_file", "no_token"]))]
pub(crate) struct Args {
    /// Address to listen on; one that is not a loopback address takes TLS and a token
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9690")]
    pub(crate) listen: SocketAddr,
    /// Name of this node in the cluster [default: its host name]
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Certificate in PEM form, with what leads to its authority; read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its key in PEM form; read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// File with the token that callers must show; read again when it changes
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Whoever can reach the loopback address may look
    #[arg(long)]
    pub(crate) no_token: bool,
    /// Socket of the container runtime, as unix:///run/containerd/containerd.sock [default: found]
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) runtime_endpoint: Option<String>,
    /// Where the node's files are [default: / on the node, /proc/1/root in a pod with hostPID]
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_token_or_its_absence_is_said() {
        let parsed = |words: &[&str]| Args::try_parse_from(std::iter::once(&"skoop-exporter").chain(words)).is_ok();
        assert!(parsed(&["--no-token"]) && parsed(&["--token-file", "a"]));
        assert!(
            !parsed(&[])
                && !parsed(&["--no-token", "--token-file", "a"])
                && !parsed(&["--no-token", "--tls-cert", "a"])
        );
    }
}
