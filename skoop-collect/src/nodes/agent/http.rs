//! One request to an agent over a connection that is there.

use std::error::Error;
use std::pin::pin;

use futures::future::{Either, select};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use skoop_model::{Reason, Unavailable};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{CLIENT_SECRET, SERVER_NAME, SNAPSHOT_PATH, SNAPSHOT_TYPE};

/// Largest compressed snapshot.
const MAX_BODY_BYTES: usize = 256 << 20;
/// What is kept of an agent's own words.
const MAX_WORDS: usize = 300;

/// Asks for the snapshot.
pub(super) async fn fetch<S>(stream: S, token: &str, agent: &str) -> Result<Vec<u8>, Unavailable>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let failed = |error: &dyn Error| Unavailable::new(Reason::Failed, format!("{agent}: {}", told(error)));
    let request = Request::get(SNAPSHOT_PATH)
        .header(HOST, SERVER_NAME)
        .header(ACCEPT, SNAPSHOT_TYPE)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .body(Empty::<Bytes>::new())
        .map_err(|_| {
            Unavailable::new(Reason::Malformed, format!("{agent}: the token holds what no HTTP header may hold"))
        })?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| failed(&error))?;
    let exchange = pin!(async {
        let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
        body(response, agent).await
    });
    match select(exchange, pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        // The connection is over; what came by then is still to be read.
        Either::Right((_, exchange)) => exchange.await,
    }
}

async fn body<B>(response: Response<B>, agent: &str) -> Result<Vec<u8>, Unavailable>
where
    B: hyper::body::Body<Data = Bytes, Error = hyper::Error>,
{
    let (head, body) = response.into_parts();
    let limit = if head.status == StatusCode::OK { MAX_BODY_BYTES } else { MAX_WORDS };
    let collected = Limited::new(body, limit).collect().await.map(|body| body.to_bytes().to_vec());
    if head.status != StatusCode::OK {
        let words = String::from_utf8_lossy(&collected.unwrap_or_default()).trim().to_owned();
        return Err(refused(head.status, &words, agent));
    }
    collected.map_err(|error| {
        let text = format!("{agent}: its answer was cut off: {}; see the agent's log", told(error.as_ref()));
        Unavailable::new(Reason::Gone, text)
    })
}

/// What an agent that gives no snapshot means.
fn refused(status: StatusCode, words: &str, agent: &str) -> Unavailable {
    let (reason, text) = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
            Reason::Permission,
            format!("it does not accept the token: take the one of its installation, Secret {CLIENT_SECRET}"),
        ),
        StatusCode::NOT_FOUND => (
            Reason::Unsupported,
            format!("it has no {SNAPSHOT_PATH}: it is another program, or a skoop-exporter of another version"),
        ),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            (Reason::Failed, format!("it is busy: ask again ({words})"))
        }
        status => (Reason::Failed, format!("it answers {status}: {words}")),
    };
    Unavailable::new(reason, format!("{agent}: {text}"))
}

/// An error with its sources.
pub(super) fn told(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(source) = cause {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = source.source();
    }
    text
}
