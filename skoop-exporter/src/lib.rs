//! The agent of a node: gives the node's network state to whoever has the token, over HTTPS.
//!
//! | path | token | answers |
//! |---|---|---|
//! | `/healthz` | no | 200 while it runs |
//! | `/readyz` | no | 200 once it has seen the node's network namespace, else 503 |
//! | `/api/v1/snapshot` | yes | the node's state now: an [`Answer`](skoop_collect::nodes::Answer) in JSON, compressed with zstd |
//!
//! One snapshot is taken at a time. Requests that come meanwhile share the next one, so that nobody is given a state from before the
//! question, and many questions cost what one does.
//!
//! It listens on the loopback address, and on another one only with TLS and a token. Certificate, key and token are read again when their
//! files change. [`serve`] is the server for embedders, [`run`] the command.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use skoop_collect::local::hostname;
//! use skoop_collect::nodes::ThisNode;
//! use skoop_exporter::{Config, Host, Secured, serve};
//!
//! # async fn example() -> Result<(), skoop_exporter::ServeError> {
//! let config = Config::new("127.0.0.1:9690".parse().expect("a literal address"), Secured::default())?;
//! let stop = async { drop(tokio::signal::ctrl_c().await) };
//! serve(config, Arc::new(Host(ThisNode::new(hostname()))), stop).await
//! # }
//! ```

mod args;
mod command;
mod config;
mod files;
mod look;
mod routes;
mod server;
mod snapshots;
mod token;

pub use command::run;
pub use config::{Config, Secured, TlsFiles};
pub use look::{Host, Look};
pub use server::{ServeError, Server, serve};
