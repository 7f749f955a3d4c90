//! An in-process Kubernetes API server: lists and gets, over HTTP on loopback, from objects in memory.
//!
//! It answers the requests that a reader of a cluster makes as a real API server does: lists with pages, field and label selectors, single
//! objects, discovery, and `Status` objects for what is missing, malformed or forbidden. Requests bear a token. Nothing can be written
//! over HTTP; the lab changes the [`ObjectStore`].

mod answer;
mod credentials;
mod discovery;
mod kinds;
mod query;
mod status;
mod store;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use axum::Router;
use axum::extract::State;
use axum::http::{Request, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use credentials::Credentials;
pub use store::{ObjectStore, StoreError};

/// Kubernetes version that the server says it has.
const VERSION: (&str, &str) = ("1", "37");
/// Name of the only cluster, context and user in the kubeconfig.
const CONTEXT: &str = "skoop-lab";

/// The server; it stops when it is dropped.
#[derive(Debug)]
pub struct ApiServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What requests read.
#[derive(Debug)]
struct Shared {
    store: Arc<ObjectStore>,
    credentials: Credentials,
    troubles: Mutex<BTreeMap<String, Trouble>>,
}

/// What is wrong with a kind, on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    /// Answers 403, for this reason.
    Denied(String),
    /// Never answers.
    Stalled,
    /// Answers 410 for every page but the first.
    Expired,
}

impl ApiServer {
    /// Serves `store` on a free port of 127.0.0.1, from a thread of its own.
    ///
    /// # Errors
    ///
    /// When no port can be bound, no thread started, or no random token had.
    pub fn start(store: Arc<ObjectStore>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let shared =
            Arc::new(Shared { store, credentials: Credentials::random()?, troubles: Mutex::new(BTreeMap::new()) });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("api-server".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    // The listener outlives every error of a connection, and ends only with the runtime.
                    _ = axum::serve(listener, router) => {}
                    // An error means that the sender is gone: the same wish.
                    _ = stopped => {}
                }
            });
            // Idle connections of clients would hold up an orderly shutdown for as long as they like.
            runtime.shutdown_background();
        })?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// The objects that are served.
    pub fn store(&self) -> &Arc<ObjectStore> {
        &self.shared.store
    }

    /// URL of the server: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The token that requests must bear.
    pub fn token(&self) -> &str {
        self.shared.credentials.token()
    }

    /// A kubeconfig for this server, with the token in it. The token also stands in the server's URL as a password, because `kubectl` sends
    /// a user's token over TLS only.
    pub fn kubeconfig_yaml(&self) -> String {
        let token = self.token();
        let url = format!("http://{}:{token}@{}", credentials::USER, self.address);
        format!(
            "apiVersion: v1
kind: Config
current-context: {CONTEXT}
clusters:
- name: {CONTEXT}
  cluster:
    server: {url}
contexts:
- name: {CONTEXT}
  context:
    cluster: {CONTEXT}
    user: {CONTEXT}
users:
- name: {CONTEXT}
  user:
    token: {token}
"
        )
    }

    /// A client for this server.
    ///
    /// # Errors
    ///
    /// When the client cannot be set up; the server is not asked.
    pub async fn client(&self) -> Result<kube::Client, kube::Error> {
        let kubeconfig = kube::config::Kubeconfig::from_yaml(&self.kubeconfig_yaml())?;
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        kube::Client::try_from(config)
    }

    /// Makes every request for a kind (`Pod`) answer 403 for this reason, until [`ApiServer::allow`].
    pub fn deny(&self, kind: &str, reason: &str) {
        self.trouble(kind, Trouble::Denied(reason.to_owned()));
    }

    /// Makes requests for a kind wait for ever, until [`ApiServer::allow`].
    pub fn stall(&self, kind: &str) {
        self.trouble(kind, Trouble::Stalled);
    }

    /// Makes every page of a list but the first answer 410, as when a list grew too old, until [`ApiServer::allow`].
    pub fn expire_pages(&self, kind: &str) {
        self.trouble(kind, Trouble::Expired);
    }

    /// Answers requests for a kind again.
    pub fn allow(&self, kind: &str) {
        self.shared.troubles().remove(kind);
    }

    fn trouble(&self, kind: &str, trouble: Trouble) {
        self.shared.troubles().insert(kind.to_owned(), trouble);
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Fails only when the server has stopped already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic there was printed there; dropping is no place for another one.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn troubles(&self) -> MutexGuard<'_, BTreeMap<String, Trouble>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble_of(&self, kind: &str) -> Option<Trouble> {
        self.troubles().get(kind).cloned()
    }
}

/// Answers one request.
async fn serve(State(shared): State<Arc<Shared>>, request: Request<axum::body::Body>) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let uri = request.uri();
    let asked = answer::Asked {
        method: request.method().as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        authorization,
    };
    match answer::answer(&shared, &asked) {
        answer::Answer::Json(code, body) => {
            let code = axum::http::StatusCode::from_u16(code).unwrap_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR);
            (code, axum::Json(body)).into_response()
        }
        answer::Answer::Text(text) => text.into_response(),
        answer::Answer::Never => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
