//! Agents for tests, and others that only look like one.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use skoop_collect::CollectError;
use skoop_collect::nodes::AgentAccess;
use skoop_collect::nodes::agent::Credentials;
use skoop_exporter::{Config, Look, Secured, ServeError, Server, TlsFiles};
use skoop_model::{NodeName, NodeSnapshot};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// How an agent's node is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Answers,
    Fails,
    Hangs,
    /// Until it is told to go on.
    Waits,
}

struct Scripted {
    behaviour: Behaviour,
    looks: Arc<AtomicUsize>,
    begun: Arc<Notify>,
    go: Arc<Notify>,
}

#[async_trait]
impl Look for Scripted {
    async fn look(&self) -> Result<NodeSnapshot, CollectError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.begun.notify_one();
        match self.behaviour {
            Behaviour::Answers => {}
            Behaviour::Fails => return Err(CollectError::NoNamespace { netns: "gone".to_owned() }),
            Behaviour::Hangs => std::future::pending().await,
            Behaviour::Waits => self.go.notified().await,
        }
        Ok(NodeSnapshot::new(NodeName::from("node-1"), 7))
    }

    async fn check(&self) -> Result<(), CollectError> {
        Ok(())
    }
}

/// A running agent.
pub(crate) struct Agent {
    pub(crate) url: String,
    pub(crate) directory: TempDir,
    pub(crate) looks: Arc<AtomicUsize>,
    pub(crate) begun: Arc<Notify>,
    pub(crate) go: Arc<Notify>,
    credentials: Credentials,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<Result<(), ServeError>>,
}

impl Agent {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let credentials = Credentials::generate(1_790_000_000_000).expect("what the test set up");
        let directory = tempfile::tempdir().expect("what the test set up");
        let file = |name: &str| directory.path().join(name);
        fs::write(file("tls.crt"), &credentials.certificate_pem).expect("what the test set up");
        fs::write(file("tls.key"), &credentials.key_pem).expect("what the test set up");
        fs::write(file("token"), &credentials.access.token).expect("what the test set up");
        let tls = Some(TlsFiles { certificate: file("tls.crt"), key: file("tls.key") });
        let secured = Secured { tls, token: Some(file("token")) };
        let (looks, begun, go) = (Arc::default(), Arc::default(), Arc::default());
        let look = scripted(behaviour, &looks, &begun, &go);
        let server = Server::bind(
            Config::new("127.0.0.1:0".parse().expect("what the test set up"), secured).expect("what the test set up"),
            look,
        )
        .await
        .expect("what the test set up");
        let url = server.url();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(server.run(async { drop(stopped.await) }));
        Self { url, directory, looks, begun, go, credentials, stop: Some(stop), server }
    }

    pub(crate) fn access(&self) -> AgentAccess {
        self.credentials.access.clone()
    }

    pub(crate) fn look(&self) -> Arc<dyn Look> {
        scripted(Behaviour::Answers, &self.looks, &self.begun, &self.go)
    }

    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) async fn ended(&mut self) -> Result<(), ServeError> {
        (&mut self.server).await.expect("what the test set up")
    }
}

fn scripted(behaviour: Behaviour, looks: &Arc<AtomicUsize>, begun: &Arc<Notify>, go: &Arc<Notify>) -> Arc<dyn Look> {
    Arc::new(Scripted { behaviour, looks: looks.clone(), begun: begun.clone(), go: go.clone() })
}

/// Something that has an agent's certificate and gives everybody the same answer, then hangs up.
pub(crate) async fn impostor(answer: String) -> (String, AgentAccess) {
    let credentials = Credentials::generate(1_790_000_000_000).expect("what the test set up");
    let chain = CertificateDer::pem_slice_iter(credentials.certificate_pem.as_bytes())
        .collect::<Result<_, _>>()
        .expect("what the test set up");
    let key = PrivateKeyDer::from_pem_slice(credentials.key_pem.as_bytes()).expect("what the test set up");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("what the test set up")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("what the test set up");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("what the test set up");
    let url = format!("https://{}", listener.local_addr().expect("what the test set up"));
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (stream, _) = listener.accept().await.expect("what the test set up");
        let mut stream = acceptor.accept(stream).await.expect("what the test set up");
        // The whole request, so that hanging up resets nothing.
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.expect("what the test set up"));
        }
        stream.write_all(answer.as_bytes()).await.expect("what the test set up");
        stream.shutdown().await.expect("what the test set up");
    });
    (url, credentials.access)
}

/// The answer to a request without a token, verbatim.
pub(crate) async fn plain(authority: &str, access: &AgentAccess, path: &str) -> String {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(access.ca_pem.as_bytes()) {
        roots.add(certificate.expect("what the test set up")).expect("what the test set up");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("what the test set up")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(authority).await.expect("what the test set up");
    let name = ServerName::try_from("skoop-agent").expect("what the test set up");
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("what the test set up");
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("what the test set up");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("what the test set up");
    String::from_utf8_lossy(&answer).into_owned()
}
