//! Arguments of `walk`.

use std::path::PathBuf;

use clap::Args;

use super::{FileOrStdout, WalkFormat};

const EXAMPLES: &str = "\
Examples:
  What becomes of a packet on a customer's node, from the files that they sent:
    skoop walk --how
    skoop walk --dir node-1/ --packet 'eth0: tcp 10.0.0.1:4000 > 10.96.0.1:443 [syn ttl=64]'

  A process of this machine sends, and the answer comes back:
    sudo skoop walk --local --packet 'udp 10.0.0.1 > 10.96.0.10:53 [uid=1000 reply]'

  Many packets, one result a line:
    skoop walk --dir node-1/ --packets packets.jsonl -o jsonl

Packets:
  [DEVICE:] PROTOCOL SOURCE[:PORT] > DESTINATION[:PORT] [[WORDS]]
  DEVICE is where it comes in; without it, or with `local:`, a process of the namespace sends it.
  WORDS: TCP flags (syn, ack, …), ttl= len= tos= mark= uid= gid= smac= dmac= type= code= id= df nodf
  new, established, related, invalid or untracked, reply, vxlan=VNI,OUTER-SOURCE,OUTER-DESTINATION:PORT

Exit codes (of several packets the worst):
  0 forwarded, delivered      3 dropped, rejected      5 mixed
  2 usage, no packet          4 undetermined           6 not permitted to look at all";

/// Arguments of `walk`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WalkArgs {
    #[command(flatten)]
    pub(crate) place: WalkPlace,
    /// A packet in the short form below; may be given several times
    #[arg(long, value_name = "PACKET", required_unless_present_any = ["packets", "how"], conflicts_with = "packets")]
    pub(crate) packet: Vec<String>,
    /// Packets, one JSON object a line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) packets: Option<PathBuf>,
    /// Form of the results
    #[arg(long, short, value_enum, default_value_t = WalkFormat::Text)]
    pub(crate) output: WalkFormat,
    /// Write the results to this file; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) output_file: FileOrStdout,
    /// Print the commands that make such a directory on a node, and do nothing else
    #[arg(long, conflicts_with_all = ["packet", "packets"])]
    pub(crate) how: bool,
}

/// The namespace to walk in.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where to walk")]
pub(crate) struct WalkPlace {
    /// Output of the standard tools, one file each: ip-link.json, ip-route.json, iptables-save.txt, …
    #[arg(long, value_name = "DIR", required_unless_present_any = ["bundle", "local", "how"], conflicts_with_all = ["bundle", "local"])]
    pub(crate) dir: Option<PathBuf>,
    /// A namespace of a recorded cluster
    #[arg(long, value_name = "FILE", conflicts_with = "local")]
    pub(crate) bundle: Option<PathBuf>,
    /// Node in the bundle [default: its only one]
    #[arg(long, value_name = "NAME", requires = "bundle")]
    pub(crate) node: Option<String>,
    /// A namespace of this machine (as root)
    #[arg(long)]
    pub(crate) local: bool,
    /// Name of the namespace under /run/netns, or its inode number [default: the node's own]
    #[arg(long, value_name = "NAME", conflicts_with = "dir")]
    pub(crate) netns: Option<String>,
}
