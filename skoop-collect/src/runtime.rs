//! The container runtime of this host: which pods it runs, in which network namespaces, with which addresses.
//!
//! Asked by the Container Runtime Interface v1 over the runtime's unix socket: `Version`, `ListPodSandbox` and `PodSandboxStatus`, which
//! change nothing. Neither annotations nor environment variables nor anything of a container is kept.
//!
//! ```no_run
//! use skoop_collect::runtime::{RuntimeOptions, read};
//!
//! # async fn example() {
//! match read(&RuntimeOptions::default()).await.get() {
//!     Ok(runtime) => println!("{} {}: {} sandboxes", runtime.name, runtime.version, runtime.sandboxes.len()),
//!     Err(why) => println!("no runtime: {why}"),
//! }
//! # }
//! ```

mod client;
mod detect;
mod info;
mod messages;

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use skoop_model::{Item, NetnsId, ObjectKey, Reason, Runtime, Sandbox, Unavailable};

use crate::local::identity;
use client::Client;
use info::Info;
use messages::{NamespaceMode, PodSandbox, PodSandboxState, PodSandboxStatus, PodSandboxStatusResponse};

/// Where and how to ask the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeOptions {
    /// The runtime's socket, as `unix:///run/containerd/containerd.sock` or as a path; none: the one that kubelet uses, else the first of
    /// the usual ones that answers.
    pub endpoint: Option<String>,
    /// Where the node's file system is: `/`, in a pod that sees the node's processes `/proc/1/root`.
    pub root: PathBuf,
    /// Time that one request may take.
    pub timeout: Duration,
    /// Sandboxes asked about at the same time.
    pub concurrency: usize,
}

impl Default for RuntimeOptions {
    /// The detected runtime of this host, five seconds a request, 16 at a time.
    fn default() -> Self {
        Self { endpoint: None, root: PathBuf::from("/"), timeout: Duration::from_secs(5), concurrency: 16 }
    }
}

/// Asks the runtime for its sandboxes. [`Reason::NotFound`]: there is no runtime on this host.
pub async fn read(options: &RuntimeOptions) -> Item<Runtime> {
    let at_ms = now_ms();
    match connect(options).await {
        Ok((client, runtime)) => match sandboxes(&client, runtime, options).await {
            Ok(runtime) => Item::known(at_ms, runtime),
            Err(why) => Item::Unavailable(why),
        },
        Err(why) => Item::Unavailable(why),
    }
}

/// The first runtime that answers, without its sandboxes.
async fn connect(options: &RuntimeOptions) -> Result<(Client, Runtime), Unavailable> {
    let sockets = match &options.endpoint {
        Some(endpoint) => vec![detect::socket(endpoint).ok_or_else(|| {
            let text = format!("container runtime {endpoint}: not a unix socket: name one as unix:///run/NAME.sock");
            Unavailable::new(Reason::Unsupported, text)
        })?],
        None => detect::sockets(&options.root),
    };
    let mut failure = None;
    for socket in sockets {
        let endpoint = format!("unix://{}", socket.display());
        match greet(&detect::within(&options.root, &socket), endpoint, options.timeout).await {
            Ok(found) => return Ok(found),
            // The first is the likeliest, so that its failure tells most.
            Err(why) => failure = failure.or(Some(why)),
        }
    }
    Err(failure.unwrap_or_else(|| {
        Unavailable::new(Reason::NotFound, "container runtime: kubelet names none, and none listens at a usual place")
    }))
}

async fn greet(socket: &Path, endpoint: String, timeout: Duration) -> Result<(Client, Runtime), Unavailable> {
    let client = Client::connect(socket, endpoint.clone(), timeout).await?;
    let version = client.version().await?;
    let runtime = Runtime {
        name: version.runtime_name,
        version: version.runtime_version,
        endpoint,
        sandboxes: Vec::new(),
        unseen: Vec::new(),
    };
    Ok((client, runtime))
}

/// The runtime with its sandboxes. One whose status cannot be had is listed with what the list says; one that went meanwhile is not.
async fn sandboxes(client: &Client, mut runtime: Runtime, options: &RuntimeOptions) -> Result<Runtime, Unavailable> {
    let mut listed = client.list().await?.items;
    // Of one pod the ready one first, then the latest.
    listed.sort_by_cached_key(|sandbox| (key_of(sandbox), sandbox.state, Reverse(sandbox.created_at)));
    let asked: Vec<_> = listed.iter().map(|sandbox| client.status(&sandbox.id)).collect();
    let statuses: Vec<_> = futures::stream::iter(asked).buffered(options.concurrency.max(1)).collect().await;
    for (listed, status) in listed.iter().zip(statuses) {
        let told = status.and_then(|status| {
            let info = info::read(&status.info).map_err(|error| {
                let text = format!("container runtime {}: sandbox {}: {error}", runtime.endpoint, listed.id);
                Unavailable::new(Reason::Malformed, text)
            });
            Ok((status, info?))
        });
        match told {
            Ok((status, info)) => runtime.sandboxes.push(sandbox(listed, &status, info, &options.root)),
            Err(why) if why.reason == Reason::Gone => {}
            Err(why) => {
                runtime.sandboxes.push(bare(listed));
                runtime.unseen.push(why);
            }
        }
    }
    Ok(runtime)
}

fn key_of(sandbox: &PodSandbox) -> ObjectKey {
    let metadata = sandbox.metadata.clone().unwrap_or_default();
    ObjectKey::new(metadata.namespace, metadata.name)
}

/// A sandbox of which only the list's entry is known.
fn bare(listed: &PodSandbox) -> Sandbox {
    Sandbox {
        id: listed.id.clone(),
        pod: key_of(listed),
        uid: listed.metadata.as_ref().map(|metadata| metadata.uid.clone()).unwrap_or_default(),
        ready: listed.state == PodSandboxState::Ready as i32,
        host_network: false,
        addresses: Vec::new(),
        pid: None,
        netns_path: None,
        netns: None,
    }
}

fn sandbox(listed: &PodSandbox, told: &PodSandboxStatusResponse, info: Info, root: &Path) -> Sandbox {
    let mut sandbox = bare(listed);
    if let Some(status) = &told.status {
        sandbox.ready = status.state == PodSandboxState::Ready as i32;
        sandbox.host_network = is_on_host_network(status);
        let network = status.network.iter();
        let texts = network.flat_map(|network| {
            std::iter::once(&network.ip).chain(network.additional_ips.iter().map(|address| &address.ip))
        });
        sandbox.addresses = texts.filter_map(|text| text.parse().ok()).collect();
    }
    sandbox.pid = info.pid.filter(|_| sandbox.ready);
    sandbox.netns_path = info.netns_path;
    if !info.closed {
        sandbox.netns = netns(&sandbox, root);
    }
    sandbox
}

fn is_on_host_network(status: &PodSandboxStatus) -> bool {
    let options = status.linux.as_ref().and_then(|linux| linux.namespaces.as_ref()?.options.as_ref());
    options.is_some_and(|options| options.network == NamespaceMode::Node as i32)
}

/// The namespace by its file, else by the sandbox's process.
fn netns(sandbox: &Sandbox, root: &Path) -> Option<NetnsId> {
    let by_path = sandbox.netns_path.as_deref().and_then(|path| identity(&detect::within(root, Path::new(path))));
    by_path.or_else(|| identity(&detect::within(root, Path::new(&format!("/proc/{}/ns/net", sandbox.pid?)))))
}

/// Milliseconds since the Unix epoch.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
