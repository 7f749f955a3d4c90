//! What is asked and what is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use skoop_collect::nodes::agent::{SNAPSHOT_PATH, SNAPSHOT_TYPE};

use crate::files::Guard;
use crate::snapshots::{Refusal, Snapshots};

/// What all requests share.
pub(crate) struct App {
    pub(crate) guard: Guard,
    pub(crate) snapshots: Snapshots,
    /// Whether the node could be seen.
    pub(crate) ready: AtomicBool,
}

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route(SNAPSHOT_PATH, get(snapshot))
        .with_state(app)
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.ready.load(Ordering::Relaxed) {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the node cannot be seen: see the log\n").into_response()
    }
}

async fn snapshot(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if !app.guard.admits(headers.get(AUTHORIZATION).map(axum::http::HeaderValue::as_bytes)) {
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], "a token is needed\n").into_response();
    }
    match app.snapshots.fresh().await {
        Ok(bytes) => ([(CONTENT_TYPE, SNAPSHOT_TYPE), (CACHE_CONTROL, "no-store")], bytes).into_response(),
        Err(Refusal::Busy) => {
            let text = "too many wait for a snapshot\n";
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], text).into_response()
        }
        Err(Refusal::Broken) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "no snapshot could be taken: see the log\n").into_response()
        }
    }
}
