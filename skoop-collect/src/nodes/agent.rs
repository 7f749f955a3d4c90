//! Nodes, seen by the agents that run on them (`skoop-exporter`, see `docs/agent.md`).
//!
//! An agent is a pod on the host network that listens on the loopback address only. It is reached through the API server
//! (`pods/portforward`), with TLS inside of that tunnel: the agent shows a certificate of the installation's own authority, the caller a token.
//! Both lie in the Secret `skoop-agent-client`.

mod credentials;
mod http;
mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use ::kube::Client;
use async_trait::async_trait;
use skoop_model::{NodeSnapshot, Reason, Unavailable};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use super::{Answer, NodeCollector, Target, decode};
pub use credentials::{AgentAccess, CredentialError, Credentials};

/// Where an agent gives its node's snapshot.
pub const SNAPSHOT_PATH: &str = "/api/v1/snapshot";
/// Media type of a snapshot: an [`Answer`] in JSON, compressed with zstd, as [`decode`] reads it.
pub const SNAPSHOT_TYPE: &str = "application/vnd.skoop.answer+zstd";
/// Name for which agents' certificates are made, whatever their address.
pub const SERVER_NAME: &str = "skoop-agent";
/// Port on which agents listen unless told otherwise.
pub const AGENT_PORT: u16 = 9690;
/// Label of agents' pods.
pub const AGENT_LABEL: &str = "app.kubernetes.io/name=skoop-exporter";
/// Secret with what a caller needs: `token` and `ca.crt`.
pub const CLIENT_SECRET: &str = "skoop-agent-client";

/// How agents are found and asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentOptions {
    /// Namespace of agents and of the Secret.
    pub namespace: String,
    /// Port on which agents listen.
    pub port: u16,
    /// Token and authority; none: they are read from the Secret.
    pub access: Option<AgentAccess>,
    /// Time that one snapshot may take.
    pub timeout: Duration,
}

impl Default for AgentOptions {
    /// Namespace `skoop`, the usual port, access from the Secret, 20 seconds.
    fn default() -> Self {
        Self { namespace: "skoop".to_owned(), port: AGENT_PORT, access: None, timeout: Duration::from_secs(20) }
    }
}

/// Asks the agents of nodes.
pub struct AgentCollector {
    way: Way,
    options: AgentOptions,
    access: OnceCell<Access>,
}

/// How an agent is reached.
enum Way {
    /// Through the API server, by pod.
    PortForward(Client),
    /// Straight: `HOST:PORT`.
    Straight(String),
}

/// What is needed to speak with agents.
#[derive(Clone)]
struct Access {
    token: Arc<str>,
    connector: TlsConnector,
}

impl Access {
    fn new(access: &AgentAccess) -> Result<Self, Unavailable> {
        Ok(Self { token: access.token.as_str().into(), connector: tunnel::connector(&access.ca_pem)? })
    }
}

impl std::fmt::Debug for AgentCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentCollector").field("options", &self.options).finish_non_exhaustive()
    }
}

impl AgentCollector {
    /// Agents of the cluster that `client` speaks with.
    pub fn new(client: Client, options: AgentOptions) -> Self {
        Self { way: Way::PortForward(client), options, access: OnceCell::new() }
    }

    /// The one agent at `url`, without a cluster: `https://HOST:PORT`.
    ///
    /// # Errors
    ///
    /// [`Reason::Malformed`] if it is no such URL, or if `access` holds no certificate.
    pub fn at(url: &str, access: &AgentAccess, timeout: Duration) -> Result<Self, Unavailable> {
        let authority = url.strip_prefix("https://").map(|rest| rest.trim_end_matches('/'));
        let Some(authority) = authority.filter(|rest| !rest.is_empty() && !rest.contains(['/', '@', '?', '#'])) else {
            let text = format!("agent {url}: not a URL of an agent: write https://HOST:PORT");
            return Err(Unavailable::new(Reason::Malformed, text));
        };
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if has_port { authority.to_owned() } else { format!("{authority}:{AGENT_PORT}") };
        let known = Access::new(access)?;
        let options = AgentOptions { timeout, access: Some(access.clone()), ..AgentOptions::default() };
        Ok(Self { way: Way::Straight(authority), options, access: OnceCell::from(known) })
    }

    async fn ask(&self, node: &Target) -> Result<NodeSnapshot, Unavailable> {
        let body = match &self.way {
            Way::Straight(authority) => {
                let access = self.access(None).await?;
                let stream = tunnel::connect(authority).await?;
                self.fetch(&access, stream, &format!("agent {authority}")).await?
            }
            Way::PortForward(client) => {
                // Nothing is read of the Secret where there is no agent.
                let pod = tunnel::agent_of(client, &self.options.namespace, node).await?;
                let access = self.access(Some(client)).await?;
                let agent = format!("agent {}/{pod}", self.options.namespace);
                let stream = tunnel::forward(client, &self.options.namespace, &pod, self.options.port).await?;
                self.fetch(&access, stream, &agent).await?
            }
        };
        read(&body, node)
    }

    async fn fetch<S>(&self, access: &Access, stream: S, agent: &str) -> Result<Vec<u8>, Unavailable>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
    {
        let stream = tunnel::secured(&access.connector, stream, agent).await?;
        http::fetch(stream, &access.token, agent).await
    }

    /// Token and authority, read once.
    async fn access(&self, client: Option<&Client>) -> Result<Access, Unavailable> {
        let known = self.access.get_or_try_init(|| async {
            match (&self.options.access, client) {
                (Some(access), _) => Access::new(access),
                (None, Some(client)) => Access::new(&credentials::from_secret(client, &self.options.namespace).await?),
                (None, None) => Err(Unavailable::new(Reason::NotFound, "agent: neither token nor Secret is known")),
            }
        });
        known.await.cloned()
    }
}

/// The snapshot in an agent's answer, if it is that of `node`.
fn read(body: &[u8], node: &Target) -> Result<NodeSnapshot, Unavailable> {
    match decode(body) {
        Ok(Answer::Snapshot(snapshot)) if snapshot.node == node.name => Ok(*snapshot),
        Ok(Answer::Snapshot(snapshot)) => Err(Unavailable::new(
            Reason::Failed,
            format!("the agent says that it is on node {}: start it with --node {}", snapshot.node, node.name),
        )),
        Ok(Answer::Failed(why)) => Err(why),
        Err(error) => {
            let mut text = format!("the agent's answer: {error}");
            if let Some(source) = std::error::Error::source(&error) {
                text = format!("{text}: {source}");
            }
            Err(Unavailable::new(Reason::Malformed, text))
        }
    }
}

#[async_trait]
impl NodeCollector for AgentCollector {
    fn name(&self) -> &'static str {
        "agent"
    }

    async fn snapshot(&self, node: &Target) -> Result<NodeSnapshot, Unavailable> {
        let Ok(answer) = tokio::time::timeout(self.options.timeout, Box::pin(self.ask(node))).await else {
            let text = format!("the agent gave no snapshot within {} s", self.options.timeout.as_secs_f32());
            return Err(Unavailable::new(Reason::Timeout, text));
        };
        answer
    }
}
