//! A runtime of the test's own, over a real socket.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;

use super::messages::*;
use super::*;

type Statuses = HashMap<String, Result<PodSandboxStatusResponse, Status>>;

/// What the runtime answers; without a name it knows no CRI v1.
#[derive(Default)]
struct Script {
    name: &'static str,
    listed: Vec<PodSandbox>,
    statuses: Statuses,
    asked: AtomicUsize,
}

#[derive(Clone)]
struct Fake(Arc<Script>);

impl NamedService for Fake {
    const NAME: &'static str = "runtime.v1.RuntimeService";
}

/// One method.
struct Method<F>(F);

impl<Q: prost::Message, A: prost::Message, F: FnMut(Q) -> Result<A, Status>> UnaryService<Q> for Method<F> {
    type Response = A;
    type Future = Ready<Result<Response<A>, Status>>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        ready((self.0)(request.into_inner()).map(Response::new))
    }
}

async fn answer<Q, A>(
    request: HttpRequest<Body>,
    method: impl FnMut(Q) -> Result<A, Status>,
) -> Result<HttpResponse<Body>, Infallible>
where
    Q: prost::Message + Default + 'static,
    A: prost::Message + Default + 'static,
{
    Ok(Grpc::new(ProstCodec::<A, Q>::default()).unary(Method(method), request).await)
}

impl Service<HttpRequest<Body>> for Fake {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<HttpResponse<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        let script = self.0.clone();
        async move {
            let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            match method.as_str() {
                "Version" if !script.name.is_empty() => {
                    let version =
                        VersionResponse { runtime_name: script.name.to_owned(), runtime_version: "1.29.4".to_owned() };
                    answer(request, |_: VersionRequest| Ok(version.clone())).await
                }
                "ListPodSandbox" => {
                    let listed = ListPodSandboxResponse { items: script.listed.clone() };
                    answer(request, |_: ListPodSandboxRequest| Ok(listed.clone())).await
                }
                "PodSandboxStatus" => {
                    script.asked.fetch_add(1, Ordering::Relaxed);
                    answer(request, |asked: PodSandboxStatusRequest| {
                        assert!(asked.verbose);
                        let known = script.statuses.get(&asked.pod_sandbox_id).cloned();
                        known.unwrap_or_else(|| Err(Status::not_found("no such sandbox")))
                    })
                    .await
                }
                _ => Ok(Status::unimplemented("unknown service").into_http()),
            }
        }
        .boxed()
    }
}

/// Serves at a usual place below a root of its own.
fn serve(script: Script) -> (tempfile::TempDir, RuntimeOptions, Arc<Script>) {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("run/crio")).unwrap();
    let listener = UnixListener::bind(root.path().join("run/crio/crio.sock")).unwrap();
    let script = Arc::new(script);
    let router = tonic::transport::Server::builder().add_service(Fake(script.clone()));
    tokio::spawn(router.serve_with_incoming(UnixListenerStream::new(listener)));
    let options = RuntimeOptions { root: root.path().to_path_buf(), ..RuntimeOptions::default() };
    (root, options, script)
}

fn listed(id: &str, name: &str, state: PodSandboxState, created_at: i64) -> PodSandbox {
    let metadata =
        PodSandboxMetadata { name: name.to_owned(), uid: format!("uid-{name}"), namespace: "default".to_owned() };
    PodSandbox { id: id.to_owned(), metadata: Some(metadata), state: state as i32, created_at }
}

fn status(state: PodSandboxState, mode: NamespaceMode, ips: &[&str], info: &str) -> PodSandboxStatusResponse {
    let mut ips = ips.iter().map(|ip| (*ip).to_owned());
    let ip = ips.next().unwrap_or_default();
    let network = PodSandboxNetworkStatus { ip, additional_ips: ips.map(|ip| PodIp { ip }).collect() };
    let options = NamespaceOption { network: mode as i32 };
    PodSandboxStatusResponse {
        status: Some(PodSandboxStatus {
            state: state as i32,
            network: Some(network),
            linux: Some(LinuxPodSandboxStatus { namespaces: Some(Namespace { options: Some(options) }) }),
        }),
        info: if info.is_empty() { HashMap::new() } else { HashMap::from([("info".to_owned(), info.to_owned())]) },
    }
}

async fn refused(options: &RuntimeOptions) -> Unavailable {
    match read(options).await {
        Item::Unavailable(why) => why,
        Item::Known { value, .. } => panic!("{value:?}"),
    }
}

#[tokio::test]
async fn sandboxes_are_told_with_their_namespaces() {
    let (ready, over) = (PodSandboxState::Ready, PodSandboxState::NotReady);
    let here = std::process::id();
    let of_spec =
        r#"{"image":"","pid":0,"runtimeSpec":{"linux":{"namespaces":[{"type":"network","path":"/run/netns/a"}]}}}"#;
    let statuses = Statuses::from([
        ("web-2".to_owned(), Ok(status(ready, NamespaceMode::Pod, &["10.85.0.7", "fd00::7", ""], of_spec))),
        ("web-1".to_owned(), Ok(status(over, NamespaceMode::Pod, &[], r#"{"pid":0,"netNamespaceClosed":true}"#))),
        ("proxy".to_owned(), Ok(status(ready, NamespaceMode::Node, &[], &format!(r#"{{"pid":{here}}}"#)))),
        ("bad".to_owned(), Ok(status(ready, NamespaceMode::Pod, &[], "{"))),
        ("dark".to_owned(), Err(Status::internal("shim is dead"))),
    ]);
    let items = vec![
        listed("web-1", "web", over, 1),
        listed("web-2", "web", ready, 2),
        listed("gone", "gone", ready, 2),
        listed("proxy", "proxy", ready, 2),
        listed("bad", "bad", ready, 2),
        listed("dark", "dark", ready, 2),
    ];
    let (root, options, script) = serve(Script { name: "cri-o", listed: items, statuses, ..Script::default() });
    std::os::unix::fs::symlink("/proc", root.path().join("proc")).unwrap();
    let runtime = read(&options).await;
    let runtime = runtime.get().unwrap();
    assert_eq!((runtime.name.as_str(), runtime.version.as_str()), ("cri-o", "1.29.4"));
    assert_eq!(runtime.endpoint, "unix:///run/crio/crio.sock");
    let ids: Vec<&str> = runtime.sandboxes.iter().map(|sandbox| sandbox.id.as_str()).collect();
    assert_eq!(ids, ["bad", "dark", "proxy", "web-2", "web-1"]);
    let [_, dark, proxy, web, old] = runtime.sandboxes.as_slice() else { panic!("five") };
    assert!(dark.ready && dark.pid.is_none() && !proxy.uid.is_empty());
    let inode = std::fs::metadata("/proc/self/ns/net").unwrap().ino();
    assert_eq!((proxy.host_network, proxy.pid, proxy.netns), (true, Some(here), Some(NetnsId(inode))));
    assert_eq!(web.addresses, ["10.85.0.7".parse::<std::net::IpAddr>().unwrap(), "fd00::7".parse().unwrap()]);
    assert_eq!((web.netns_path.as_deref(), web.netns), (Some("/run/netns/a"), None));
    assert!(!old.ready && old.netns.is_none());
    let reasons: Vec<Reason> = runtime.unseen.iter().map(|why| why.reason).collect();
    assert_eq!(reasons, [Reason::Malformed, Reason::Failed]);
    assert!(runtime.unseen[1].detail.contains("PodSandboxStatus: shim is dead"), "{:?}", runtime.unseen);
    assert_eq!(script.asked.load(Ordering::Relaxed), 6);
}

#[tokio::test]
async fn many_sandboxes_are_read() {
    let items: Vec<_> = (0..300).map(|n| listed(&n.to_string(), &format!("p{n}"), PodSandboxState::Ready, n)).collect();
    let told = |item: &PodSandbox| {
        (item.id.clone(), Ok(status(PodSandboxState::Ready, NamespaceMode::Pod, &["10.0.0.1"], "")))
    };
    let statuses = items.iter().map(told).collect();
    let (_root, options, _) = serve(Script { name: "docker", listed: items, statuses, ..Script::default() });
    let runtime = read(&options).await;
    assert_eq!(runtime.get().map(|runtime| runtime.sandboxes.len()), Ok(300));
}

#[tokio::test]
async fn a_runtime_without_cri_v1_says_so() {
    let (_root, options, _) = serve(Script::default());
    let why = refused(&options).await;
    assert_eq!(why.reason, Reason::Unsupported);
    assert!(why.detail.contains("containerd 1.6"), "{why}");
}

#[tokio::test]
async fn a_host_without_a_runtime_has_none() {
    let root = tempfile::tempdir().unwrap();
    let options = RuntimeOptions { root: root.path().to_path_buf(), ..RuntimeOptions::default() };
    assert_eq!(read(&options).await.get().map_err(|why| why.reason), Err(Reason::NotFound));
    let named = RuntimeOptions { endpoint: Some("unix:///run/no.sock".to_owned()), ..options.clone() };
    let why = refused(&named).await;
    assert_eq!(why.reason, Reason::NotFound);
    assert!(why.detail.starts_with("container runtime unix:///run/no.sock: connect to: "), "{why}");
    let elsewhere = RuntimeOptions { endpoint: Some("tcp://127.0.0.1:1".to_owned()), ..options };
    assert_eq!(read(&elsewhere).await.get().map_err(|why| why.reason), Err(Reason::Unsupported));
}

#[tokio::test]
async fn a_runtime_that_hangs_is_given_up() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("run/crio")).unwrap();
    // Takes connections and says nothing.
    let _listener = UnixListener::bind(root.path().join("run/crio/crio.sock")).unwrap();
    let options = RuntimeOptions {
        root: root.path().to_path_buf(),
        timeout: Duration::from_millis(200),
        ..RuntimeOptions::default()
    };
    let why = refused(&options).await;
    assert_eq!(why.reason, Reason::Timeout, "{why}");
}
