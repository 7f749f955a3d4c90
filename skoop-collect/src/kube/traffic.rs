//! How much is asked of the API server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use ::kube::client::{Body, ClientBuilder};
use ::kube::{Client, Config};
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _, TryFutureExt as _};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use http_body_util::combinators::MapFrame;
use tower::{Layer, Service};

/// Requests to an API server, and what came of them.
#[derive(Debug, Default)]
pub struct Traffic {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Traffic {
    /// Requests that were made.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Bytes of answers, without those of tunnels.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A client whose requests are counted.
pub(super) fn counted(config: Config, traffic: &Arc<Traffic>) -> Result<Client, ::kube::Error> {
    Ok(ClientBuilder::try_from(config)?.with_layer(&Counter(Arc::clone(traffic))).build())
}

struct Counter(Arc<Traffic>);

impl<S> Layer<S> for Counter {
    type Service = Counting<S>;

    fn layer(&self, inner: S) -> Counting<S> {
        Counting { inner, traffic: Arc::clone(&self.0) }
    }
}

struct Counting<S> {
    inner: S,
    traffic: Arc<Traffic>,
}

/// Passes on a part of a body, and counts it.
type Tap = Box<dyn FnMut(Frame<Bytes>) -> Frame<Bytes> + Send>;

impl<S, B> Service<Request<Body>> for Counting<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes>,
{
    type Response = Response<MapFrame<B, Tap>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.traffic.requests.fetch_add(1, Ordering::Relaxed);
        let traffic = Arc::clone(&self.traffic);
        let tapped = |response: Response<B>| {
            response.map(|body| {
                let tap: Tap = Box::new(move |frame| {
                    let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                    traffic.bytes.fetch_add(length, Ordering::Relaxed);
                    frame
                });
                body.map_frame(tap)
            })
        };
        self.inner.call(request).map_ok(tapped).boxed()
    }
}
