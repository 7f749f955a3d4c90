//! Nodes, seen by a pod that is made for it and removed afterwards.
//!
//! One pod per node and run. It is bound to its node by name, has the capabilities that looking takes and no more, mounts nothing, and
//! ends when whoever made it is gone: its input ends then, and in any case its lifetime does. What a crash leaves behind are objects of
//! pods that are over; [`cleanup`] removes those.

mod spec;
mod start;

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::pin::Pin;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use ::kube::Client;
use ::kube::api::{Api, AttachParams, AttachedProcess, DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use async_trait::async_trait;
use futures::StreamExt as _;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use skoop_model::{NodeName, NodeSnapshot, Reason, Unavailable};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;

use super::{NodeCollector, Target, session};
use start::Start;

/// The image that holds this version of skoop.
pub const IMAGE: &str = concat!("ghcr.io/skoop-dev/skoop:", env!("CARGO_PKG_VERSION"));
/// Bytes of a snapshot that wait to be read.
const BUFFER_BYTES: usize = 1 << 18;

/// How collector pods are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodOptions {
    /// Namespace in which they are made; it must exist, and its pod security level must be `privileged`.
    pub namespace: String,
    /// Image; the command `skoop` must be in it.
    pub image: String,
    /// Names of secrets with which the image is pulled.
    pub pull_secrets: Vec<String>,
    /// Service account; none is the namespace's default one. Its token is not mounted.
    pub service_account: Option<String>,
    /// Limit of memory, as Kubernetes writes quantities.
    pub memory_limit: String,
    /// Limit of processor time, as Kubernetes writes quantities.
    pub cpu_limit: String,
    /// Time that a pod may take until it runs.
    pub start_timeout: Duration,
    /// Time after which the node ends the pod, whatever happens.
    pub lifetime: Duration,
}

impl Default for PodOptions {
    fn default() -> Self {
        Self {
            namespace: "default".to_owned(),
            image: IMAGE.to_owned(),
            pull_secrets: Vec::new(),
            service_account: None,
            memory_limit: "512Mi".to_owned(),
            cpu_limit: "2".to_owned(),
            start_timeout: Duration::from_secs(20),
            lifetime: Duration::from_mins(10),
        }
    }
}

/// Makes a pod on each node that is looked at. [`close`](NodeCollector::close) removes them.
pub struct PodCollector {
    client: Client,
    options: PodOptions,
    /// Value of a label that tells this run's pods from those of others.
    run: String,
    /// Names of the pods that were made, or may have been.
    made: StdMutex<Vec<String>>,
    sessions: Mutex<BTreeMap<NodeName, Arc<Mutex<Option<Session>>>>>,
}

/// A pod that runs and listens.
struct Session {
    requests: Pin<Box<dyn AsyncWrite + Send>>,
    answers: Pin<Box<dyn AsyncRead + Send>>,
    /// Keeps the connection.
    _process: AttachedProcess,
}

impl std::fmt::Debug for PodCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PodCollector").field("run", &self.run).field("options", &self.options).finish_non_exhaustive()
    }
}

impl PodCollector {
    /// Makes pods by `client`. Nothing is made yet.
    pub fn new(client: Client, options: PodOptions) -> Self {
        Self { client, options, run: unique(), made: StdMutex::default(), sessions: Mutex::default() }
    }

    /// Value of the label `skoop.dev/run` of the pods that this makes.
    pub fn run(&self) -> &str {
        &self.run
    }

    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.options.namespace)
    }

    /// A pod on the node, running, with its input and output.
    async fn begin(&self, node: &Target) -> Result<Session, Unavailable> {
        let (api, name) = (self.api(), format!("skoop-collector-{}", unique()));
        // Told before it is asked for: an asker that stops waiting still knows what to remove.
        self.made().push(name.clone());
        let pod = spec::pod(&name, &self.run, &node.name, &self.options);
        let made = api.create(&PostParams::default(), &pod).await.map_err(|error| refused(&error, &self.options))?;
        self.started(&api, &name, made, node).await?;
        let attach = AttachParams {
            container: Some(spec::CONTAINER.to_owned()),
            stdin: true,
            stdout: true,
            stderr: false,
            tty: false,
            max_stdin_buf_size: None,
            max_stdout_buf_size: Some(BUFFER_BYTES),
            max_stderr_buf_size: None,
        };
        let mut process = api.attach(&name, &attach).await.map_err(|error| failed("attach to", &name, &error))?;
        let (requests, answers) = process
            .stdin()
            .zip(process.stdout())
            .ok_or_else(|| Unavailable::new(Reason::Failed, format!("pod {name} gives neither input nor output")))?;
        Ok(Session { requests: Box::pin(requests), answers: Box::pin(answers), _process: process })
    }

    /// Waits until the pod runs, no longer than the options say.
    async fn started(&self, api: &Api<Pod>, name: &str, made: Pod, node: &Target) -> Result<(), Unavailable> {
        let mut state = String::new();
        let running = self.until_running(api, name, made, &mut state);
        if let Ok(ended) = tokio::time::timeout(self.options.start_timeout, running).await {
            return ended;
        }
        let not_ready = if node.ready == Some(false) { "; the node is not ready" } else { "" };
        let seconds = self.options.start_timeout.as_secs_f32();
        let text = format!("pod {name} does not run after {seconds} s: {state}{not_ready}");
        Err(Unavailable::new(Reason::Timeout, text))
    }

    /// Follows the pod; `state` is how far it is.
    async fn until_running(
        &self,
        api: &Api<Pod>,
        name: &str,
        made: Pod,
        state: &mut String,
    ) -> Result<(), Unavailable> {
        let only = WatchParams::default().fields(&format!("metadata.name={name}"));
        let mut pod = made;
        loop {
            match start::of(&pod, &self.options) {
                Start::Running => return Ok(()),
                Start::Failed(why) => return Err(why),
                Start::Waiting(text) => *state = text,
            }
            let version = pod.metadata.resource_version.clone().unwrap_or_default();
            let mut events = api.watch(&only, &version).await.map_err(|error| failed("watch", name, &error))?.boxed();
            pod = match events.next().await {
                Some(Ok(WatchEvent::Added(pod) | WatchEvent::Modified(pod))) => pod,
                Some(Ok(WatchEvent::Deleted(_))) => {
                    return Err(Unavailable::new(Reason::Gone, format!("somebody removed pod {name}")));
                }
                // The server ends a watch now and then: the pod is read where it stands.
                _ => api.get(name).await.map_err(|error| failed("get", name, &error))?,
            };
        }
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl NodeCollector for PodCollector {
    fn name(&self) -> &'static str {
        "pod"
    }

    async fn snapshot(&self, node: &Target) -> Result<NodeSnapshot, Unavailable> {
        let slot = Arc::clone(self.sessions.lock().await.entry(node.name.clone()).or_default());
        let mut slot = slot.lock().await;
        // Taken out: a session whose answer nobody waited for is of no use to the next asker.
        let mut session = match slot.take() {
            Some(session) => session,
            None => self.begin(node).await?,
        };
        let snapshot = session::ask(&mut session.requests, &mut session.answers).await?;
        *slot = Some(session);
        Ok(snapshot)
    }

    async fn close(&self) {
        self.sessions.lock().await.clear();
        let made = std::mem::take(&mut *self.made());
        let api = self.api();
        join_all(made.iter().map(|name| remove(&api, name))).await;
    }
}

/// Removes a pod at once; that it is gone already is all right.
async fn remove(api: &Api<Pod>, name: &str) -> Result<(), Unavailable> {
    match api.delete(name, &DeleteParams::default().grace_period(0)).await {
        Ok(_) => Ok(()),
        Err(::kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(failed("delete", name, &error)),
    }
}

/// A collector pod that some run left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOver {
    /// Name of the pod.
    pub name: String,
    /// Node on which it was made.
    pub node: Option<NodeName>,
    /// Whether it is over: its asker is gone, or its lifetime is.
    pub over: bool,
    /// Why it could not be removed, if that was tried.
    pub failure: Option<Unavailable>,
}

/// Removes collector pods of `namespace` that are over; with `running` also those that still run, of whatever run they are. All that were
/// found are told.
///
/// # Errors
///
/// When the pods cannot be listed.
pub async fn cleanup(client: Client, namespace: &str, running: bool) -> Result<Vec<LeftOver>, Unavailable> {
    let api: Api<Pod> = Api::namespaced(client, namespace);
    let ours = ListParams::default().labels(&format!("{}={}", spec::APP_LABEL, spec::APP));
    let pods = api.list(&ours).await.map_err(|error| failed("list", "collector pods", &error))?;
    let found = pods.items.into_iter().map(|pod| async {
        let phase = pod.status.and_then(|status| status.phase).unwrap_or_default();
        let over = ["Failed", "Succeeded"].contains(&phase.as_str());
        let name = pod.metadata.name.unwrap_or_default();
        let failure = if over || running { remove(&api, &name).await.err() } else { None };
        LeftOver { name, node: pod.spec.and_then(|spec| spec.node_name).map(NodeName), over, failure }
    });
    Ok(join_all(found).await)
}

/// Why the API server does not make the pod.
fn refused(error: &::kube::Error, options: &PodOptions) -> Unavailable {
    let ::kube::Error::Api(status) = error else { return failed("create", "collector pod", error) };
    let (namespace, message) = (&options.namespace, &status.message);
    match status.code {
        403 if message.contains("violates PodSecurity") => Unavailable::new(
            Reason::Permission,
            format!(
                "namespace {namespace} does not admit pods that look at nodes; allow it with `kubectl label namespace \
                 {namespace} pod-security.kubernetes.io/enforce=privileged`, or name another one with --collector-namespace \
                 ({message})"
            ),
        ),
        403 => Unavailable::new(
            Reason::Permission,
            format!("grant verb `create` on resource `pods` in namespace {namespace} ({message})"),
        ),
        404 => Unavailable::new(
            Reason::NotFound,
            format!("there is no namespace {namespace}: make it, or name another one with --collector-namespace"),
        ),
        _ => failed("create", "collector pod", error),
    }
}

fn failed(verb: &str, what: &str, error: &::kube::Error) -> Unavailable {
    let reason = match error {
        ::kube::Error::Api(status) if [401, 403].contains(&status.code) => Reason::Permission,
        ::kube::Error::Api(status) if status.code == 404 => Reason::Gone,
        _ => Reason::Failed,
    };
    let resource = if verb == "attach to" { "pods/attach" } else { "pods" };
    let advice = match (reason, verb) {
        (Reason::Permission, "attach to") => format!("; grant verbs `create` and `get` on resource `{resource}`"),
        (Reason::Permission, verb) => format!("; grant verb `{verb}` on resource `{resource}`"),
        _ => String::new(),
    };
    Unavailable::new(reason, format!("cannot {verb} {what}: {}{advice}", session::with_sources(error)))
}

/// Sixteen letters and digits that nobody else has drawn.
fn unique() -> String {
    let (one, two) = (RandomState::new().hash_one(1_u8), RandomState::new().hash_one(2_u8));
    format!("{:016x}", one ^ two.rotate_left(32))
}

#[cfg(test)]
mod tests;
