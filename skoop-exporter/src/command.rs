//! The command.

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use skoop_collect::local::hostname;
use skoop_collect::nodes::ThisNode;
use skoop_model::NodeName;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::Args;
use crate::{Config, Host, Secured, ServeError, Server, TlsFiles};

/// Threads that answer requests; collecting has its own.
const WORKERS: usize = 2;

/// Runs the command with its arguments, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors; a closed pipe is nothing to complain about.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("skoop-exporter: {}", told(&error));
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}

fn serve(args: Args) -> Result<(), ServeError> {
    let tls = args.tls_cert.zip(args.tls_key).map(|(certificate, key)| TlsFiles { certificate, key });
    let config = Config::new(args.listen, Secured { tls, token: args.token_file })?;
    let mut asked = ThisNode::new(args.node.map_or_else(hostname, NodeName));
    if let Some(root) = &args.root {
        asked.local.netns_dir = root.join("run/netns");
    }
    if let Some(runtime) = &mut asked.runtime {
        runtime.endpoint = args.runtime_endpoint;
        runtime.root = args.root.unwrap_or_else(|| runtime.root.clone());
    }
    let system = |operation| move |source| ServeError::System { operation, source };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(system("start"))?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(system("listen for SIGTERM"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(system("listen for SIGINT"))?;
        let node = asked.name.clone();
        let server = Server::bind(config, Arc::new(Host(asked))).await?;
        eprintln!("skoop-exporter: node {node}: listening on {}", server.url());
        server.run(async { ended(&mut terminate, &mut interrupt).await }).await
    })
}

async fn ended(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// An error with its sources, on one line.
pub(crate) fn told(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
