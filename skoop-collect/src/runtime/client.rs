//! Requests of the Container Runtime Interface over a unix socket.

use std::path::Path;
use std::time::Duration;

use prost::Message;
use skoop_model::{Reason, Unavailable};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::messages::{
    ListPodSandboxRequest, ListPodSandboxResponse, PodSandboxStatusRequest, PodSandboxStatusResponse, VersionRequest,
    VersionResponse,
};
use crate::error::reason_of;

/// Largest answer: as much as kubelet takes.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// A runtime that can be asked; clones share one connection.
#[derive(Debug, Clone)]
pub(super) struct Client {
    grpc: Grpc<Channel>,
    /// For messages: `unix:///run/containerd/containerd.sock`.
    endpoint: String,
}

impl Client {
    /// Connects to the socket, which people call `endpoint`. `timeout` holds for connecting and for each request.
    pub(super) async fn connect(socket: &Path, endpoint: String, timeout: Duration) -> Result<Self, Unavailable> {
        let Some(path) = socket.to_str() else {
            return Err(Unavailable::new(Reason::NotFound, format!("container runtime {endpoint}: no such path")));
        };
        let channel = Endpoint::from_shared(format!("unix://{path}"))
            .map_err(|error| failure(&endpoint, "connect to", &error))?
            .connect_timeout(timeout)
            .timeout(timeout)
            .connect()
            .await
            .map_err(|error| failure(&endpoint, "connect to", &error))?;
        Ok(Self { grpc: Grpc::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES), endpoint })
    }

    pub(super) async fn version(&self) -> Result<VersionResponse, Unavailable> {
        // The version of kubelet's own API, which runtimes do not read.
        self.call("Version", VersionRequest { version: "0.1.0".to_owned() }).await
    }

    pub(super) async fn list(&self) -> Result<ListPodSandboxResponse, Unavailable> {
        self.call("ListPodSandbox", ListPodSandboxRequest {}).await
    }

    pub(super) async fn status(&self, id: &str) -> Result<PodSandboxStatusResponse, Unavailable> {
        let request = PodSandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose: true };
        self.call("PodSandboxStatus", request).await
    }

    async fn call<Q, A>(&self, method: &'static str, message: Q) -> Result<A, Unavailable>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(|error| failure(&self.endpoint, method, &error))?;
        let path = PathAndQuery::try_from(format!("/runtime.v1.RuntimeService/{method}"))
            .map_err(|error| failure(&self.endpoint, method, &error))?;
        let answer = grpc.unary(Request::new(message), path, ProstCodec::default()).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refused(&self.endpoint, method, &status))
    }
}

/// A runtime that answers with an error.
fn refused(endpoint: &str, method: &str, status: &Status) -> Unavailable {
    let reason = match status.code() {
        Code::NotFound => Reason::Gone,
        Code::PermissionDenied | Code::Unauthenticated => Reason::Permission,
        Code::DeadlineExceeded | Code::Cancelled => Reason::Timeout,
        Code::Unimplemented => Reason::Unsupported,
        _ => Reason::Failed,
    };
    let hint = match reason {
        Reason::Unsupported => ": it has no CRI v1, which came with containerd 1.6 and CRI-O 1.20",
        _ => "",
    };
    Unavailable::new(reason, format!("container runtime {endpoint}: {method}: {}{hint}", status.message()))
}

/// A runtime that does not answer.
fn failure(endpoint: &str, operation: &str, error: &(dyn std::error::Error + 'static)) -> Unavailable {
    let (mut reason, mut text, mut cause) = (Reason::Failed, String::new(), Some(error));
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            reason = reason_of(error);
        }
        let more = error.to_string();
        if !text.contains(&more) {
            let colon = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{colon}{more}");
        }
        cause = error.source();
    }
    Unavailable::new(reason, format!("container runtime {endpoint}: {operation}: {text}"))
}
