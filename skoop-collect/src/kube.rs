//! A cluster, read over the Kubernetes API with the `kube` client and reduced to what networking needs.
//!
//! Only `list` and `get` requests are made. All kinds are read at the same time, in pages; a kind that fails becomes
//! [`Item::Unavailable`] with the permission that is missing, and the rest is kept. Environment variables, annotations, secrets and
//! kubeconfigs never enter a snapshot.
//!
//! ```no_run
//! use skoop_collect::kube::{ClusterOptions, ClusterReader};
//!
//! # async fn example() -> Result<(), skoop_collect::CollectError> {
//! let reader = ClusterReader::connect(&ClusterOptions::default()).await?;
//! let cluster = reader.snapshot().await;
//! match cluster.pods.get() {
//!     Ok(pods) => println!("{} pods", pods.len()),
//!     Err(why) => println!("no pods: {why}"),
//! }
//! # Ok(())
//! # }
//! ```

mod access;
mod config_map;
mod connect;
pub(crate) mod failure;
mod list;
mod reduce;
mod traffic;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::kube::Client;
use skoop_model::{ClusterSnapshot, Item};

use crate::CollectError;
pub use access::{Permission, Reviewed, TO_ASK_AGENTS, TO_MAKE_PODS, TO_READ};
pub use config_map::config_map_names;
use list::Lister;
pub use traffic::Traffic;

/// Time that one request may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Objects per page, as `kubectl` asks for.
const PAGE_SIZE: u32 = 500;

/// Which cluster, as whom, and how patiently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterOptions {
    /// Kubeconfig; it must exist. None: the files of `KUBECONFIG`, `~/.kube/config`, or the service account of the pod in which
    /// this runs, the first of them that is there.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; none is its current one.
    pub context: Option<String>,
    /// Entry under `clusters` of the kubeconfig, instead of the context's.
    pub cluster: Option<String>,
    /// Entry under `users` of the kubeconfig, instead of the context's.
    pub user: Option<String>,
    /// What is otherwise than the kubeconfig says.
    pub overrides: Overrides,
    /// User to act as (`kubectl --as`).
    pub impersonate: Option<String>,
    /// Groups to act as (`kubectl --as-group`).
    pub impersonate_groups: Vec<String>,
    /// Time that one request may take.
    pub timeout: Duration,
    /// Objects per page of a list; 0 asks for all at once.
    pub page_size: u32,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            cluster: None,
            user: None,
            overrides: Overrides::default(),
            impersonate: None,
            impersonate_groups: Vec::new(),
            timeout: TIMEOUT,
            page_size: PAGE_SIZE,
        }
    }
}

/// Parts of a kubeconfig that are said otherwise, as kubectl's options of these names do.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// URL of the API server.
    pub server: Option<String>,
    /// Name that the server's certificate must bear.
    pub tls_server_name: Option<String>,
    /// File with the certificates of those who may have signed the server's.
    pub certificate_authority: Option<PathBuf>,
    /// Whether the server's certificate is not checked.
    pub insecure_skip_tls_verify: bool,
    /// File with the client's certificate.
    pub client_certificate: Option<PathBuf>,
    /// File with the client's key.
    pub client_key: Option<PathBuf>,
    /// Bearer token.
    pub token: Option<String>,
}

/// Without the token.
impl std::fmt::Debug for Overrides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overrides").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Reads one cluster.
#[derive(Clone)]
pub struct ClusterReader {
    lister: Lister,
    source: String,
    traffic: Arc<Traffic>,
}

impl std::fmt::Debug for ClusterReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterReader").field("source", &self.source).finish_non_exhaustive()
    }
}

impl ClusterReader {
    /// A reader for the cluster that `options` name. Nothing is sent to the API server yet.
    ///
    /// # Errors
    ///
    /// A [`CollectError`] when no cluster is known, or when what is known about it cannot be used: a kubeconfig that was named and
    /// is missing is an error, never a reason to ask another cluster.
    pub async fn connect(options: &ClusterOptions) -> Result<Self, CollectError> {
        let (config, source) = connect::config(options, &connect::Surroundings::of_process()).await?;
        let traffic = Arc::default();
        let client = traffic::counted(config, &traffic)
            .map_err(|error| CollectError::Client { cluster: source.clone(), source: Box::new(error) })?;
        let lister = Lister { client, timeout: options.timeout, page_size: options.page_size };
        Ok(Self { lister, source, traffic })
    }

    /// A reader that uses this client. `source` names the cluster for people.
    pub fn from_client(client: Client, source: String) -> Self {
        Self { lister: Lister { client, timeout: TIMEOUT, page_size: PAGE_SIZE }, source, traffic: Arc::default() }
    }

    /// The same reader with another time-out per request.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.lister.timeout = timeout;
        self
    }

    /// The same reader with another number of objects per page; 0 asks for all at once.
    #[must_use]
    pub fn with_page_size(mut self, page_size: u32) -> Self {
        self.lister.page_size = page_size;
        self
    }

    /// The client, for what a reader does not do itself.
    pub fn client(&self) -> Client {
        self.lister.client.clone()
    }

    /// What was asked of the API server so far, by this reader and by clients of it. Nothing is counted for a client of one's own.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Name of the cluster for people: the context's name.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Reads all kinds at the same time. Never fails as a whole: what cannot be read says why. Objects are sorted by key.
    pub async fn snapshot(&self) -> ClusterSnapshot {
        let taken_at_ms = now_ms();
        let lister = &self.lister;
        let (nodes, pods, services, endpoint_slices, namespaces, network_policies, daemon_sets, config_maps) = tokio::join!(
            lister.list(reduce::node),
            lister.list(reduce::pod),
            lister.list(reduce::service),
            lister.list(reduce::endpoint_slice),
            lister.list(reduce::namespace),
            lister.list(reduce::network_policy),
            lister.list(reduce::daemon_set),
            config_map::read(lister),
        );
        let (config_maps, unseen) = config_maps;
        ClusterSnapshot {
            nodes: sorted(nodes, |node| node.name.clone()),
            pods: sorted(pods, |pod| pod.key.clone()),
            services: sorted(services, |service| service.key.clone()),
            endpoint_slices: sorted(endpoint_slices, |slice| slice.key.clone()),
            namespaces: sorted(namespaces, |namespace| namespace.name.clone()),
            network_policies: sorted(network_policies, |policy| policy.key.clone()),
            daemon_sets: sorted(daemon_sets, |set| set.key.clone()),
            config_maps: sorted(config_maps, |map| map.key.clone()),
            unseen,
            ..ClusterSnapshot::new(self.source.clone(), taken_at_ms)
        }
    }
}

/// The same item with its objects in an order that does not depend on the server.
fn sorted<T, K: Ord>(item: Item<Vec<T>>, key: impl Fn(&T) -> K) -> Item<Vec<T>> {
    item.map(|mut objects| {
        objects.sort_by_cached_key(key);
        objects
    })
}

/// Milliseconds since the Unix epoch.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
