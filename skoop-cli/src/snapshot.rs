//! `skoop snapshot`: this host, for whoever asks from elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use skoop::collect::local::hostname;
use skoop::collect::nodes::{Answer, ThisNode, encode, serve, this_node};
use skoop_model::{NodeName, Unavailable};
use tokio::io::BufReader;

use crate::args::{FileOrStdout, SnapshotArgs};
use crate::diagnose::runtime;
use crate::exit::{Exit, Failure, chain};
use crate::output::{self, Style};

/// Writes this host's snapshot, or answers requests on standard input until that ends.
pub(crate) fn run(args: &SnapshotArgs, style: &Style) -> Result<Exit, Failure> {
    let name = args.node.as_deref().map_or_else(hostname, NodeName::from);
    let asked = ThisNode::new(name);
    let runtime = runtime()?;
    if args.session {
        let served = serve(BufReader::new(tokio::io::stdin()), tokio::io::stdout(), async || look(&asked).await);
        // Whoever asked is gone: there is nobody to tell.
        let _ = runtime.block_on(served);
        return Ok(Exit::Fine);
    }
    let answer = runtime.block_on(look(&asked));
    if let Answer::Failed(why) = &answer {
        return Err(Failure::new(Exit::NotPermitted, why.to_string()));
    }
    let bytes = encode(&answer).map_err(|error| Failure::new(Exit::Internal, chain(&error)))?;
    match &args.output {
        FileOrStdout::Stdout => to_stdout(&bytes)?,
        FileOrStdout::File(path) => to_file(path, &bytes, style)?,
    }
    Ok(Exit::Fine)
}

async fn look(asked: &ThisNode) -> Answer {
    match this_node(asked).await {
        Ok(snapshot) => Answer::Snapshot(Box::new(snapshot)),
        Err(error) => Answer::Failed(Unavailable::new(error.reason(), chain(&error))),
    }
}

fn to_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    if out.is_terminal() {
        return Err(Failure::usage("a snapshot is no text: name a file with --output, or send it through a pipe"));
    }
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|error| Failure::new(Exit::Internal, format!("cannot write to standard output: {error}")))
}

fn to_file(path: &Path, bytes: &[u8], style: &Style) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
    output::note(&format!("wrote {} ({} KiB)", path.display(), bytes.len().div_ceil(1024)), style);
    Ok(())
}
