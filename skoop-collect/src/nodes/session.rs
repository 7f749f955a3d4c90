//! A conversation with whoever looks at a node: a request is a line, an answer a frame.
//!
//! One program on the node serves several requests, so that facts can be read again without starting anything anew. It ends when its input
//! ends: nothing is left running on a node whose asker is gone.

use std::io;

use skoop_model::{NodeSnapshot, Reason, Unavailable};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::wire::{Answer, MAX_SNAPSHOT_BYTES, decode, encode};

/// The one request there is.
const REQUEST: &str = "snapshot";
/// What a frame begins with; its length in bytes follows as eight bytes, the highest first.
const MAGIC: [u8; 8] = *b"SKOOPNS1";
/// How much of something that is no frame is told.
const TOLD_BYTES: u64 = 300;

/// Answers requests until `requests` end. What is no request is ignored.
///
/// # Errors
///
/// When reading or writing fails: whoever asked is gone.
pub async fn serve(
    mut requests: impl AsyncBufRead + Unpin,
    mut answers: impl AsyncWrite + Unpin,
    mut look: impl AsyncFnMut() -> Answer,
) -> io::Result<()> {
    let mut line = String::new();
    while requests.read_line(&mut line).await? > 0 {
        if line.trim_end() == REQUEST {
            let bytes = encode(&look().await).map_err(io::Error::other)?;
            answers.write_all(&MAGIC).await?;
            answers.write_u64(bytes.len() as u64).await?;
            answers.write_all(&bytes).await?;
            answers.flush().await?;
        }
        line.clear();
    }
    Ok(())
}

/// Asks for a snapshot.
pub(super) async fn ask(
    requests: &mut (impl AsyncWrite + Unpin),
    answers: &mut (impl AsyncRead + Unpin),
) -> Result<NodeSnapshot, Unavailable> {
    requests.write_all(format!("{REQUEST}\n").as_bytes()).await.map_err(|error| cut_off(&error))?;
    requests.flush().await.map_err(|error| cut_off(&error))?;
    let mut magic = Vec::with_capacity(MAGIC.len());
    answers.take(MAGIC.len() as u64).read_to_end(&mut magic).await.map_err(|error| cut_off(&error))?;
    if magic != MAGIC {
        let mut text = magic;
        // Whatever it says instead; that it ends early is no matter.
        let _ = answers.take(TOLD_BYTES).read_to_end(&mut text).await;
        return Err(no_frame(&text));
    }
    let length = answers.read_u64().await.map_err(|error| cut_off(&error))?;
    if length > MAX_SNAPSHOT_BYTES {
        return Err(Unavailable::new(Reason::Malformed, format!("the collector announces {length} bytes")));
    }
    let mut bytes = Vec::new();
    answers.take(length).read_to_end(&mut bytes).await.map_err(|error| cut_off(&error))?;
    understood(&bytes)
}

/// The snapshot in an encoded answer, or what stands in its place.
pub(super) fn understood(bytes: &[u8]) -> Result<NodeSnapshot, Unavailable> {
    match decode(bytes) {
        Ok(Answer::Snapshot(snapshot)) => Ok(*snapshot),
        Ok(Answer::Failed(why)) => Err(why),
        Err(error) => Err(Unavailable::new(Reason::Malformed, with_sources(&error))),
    }
}

/// An error with its sources, on one line.
pub(super) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

fn cut_off(error: &io::Error) -> Unavailable {
    Unavailable::new(Reason::Failed, format!("the connection to the collector broke: {error}"))
}

fn no_frame(text: &[u8]) -> Unavailable {
    let text = String::from_utf8_lossy(text);
    let detail = match text.trim() {
        "" => "the collector ended without a snapshot".to_owned(),
        told => format!("the collector wrote no snapshot but: {told}"),
    };
    Unavailable::new(Reason::Failed, detail)
}

#[cfg(test)]
mod tests {
    use skoop_model::NodeName;
    use tokio::io::BufReader;

    use super::*;

    fn snapshot(at_ms: u64) -> NodeSnapshot {
        NodeSnapshot::new(NodeName::from("a"), at_ms)
    }

    #[tokio::test]
    async fn one_session_answers_again_and_ends_with_its_asker() {
        let (mut here, there) = tokio::io::duplex(64);
        let server = async move {
            let (requests, answers) = tokio::io::split(there);
            let mut at_ms = 0;
            let look = async || {
                at_ms += 1;
                match at_ms {
                    3 => Answer::Failed(Unavailable::new(Reason::Permission, "no more")),
                    _ => Answer::Snapshot(Box::new(snapshot(at_ms))),
                }
            };
            serve(BufReader::new(requests), answers, look).await
        };
        let client = async move {
            let (mut answers, mut requests) = tokio::io::split(&mut here);
            requests.write_all(b"nonsense\n").await.expect("open");
            assert_eq!(ask(&mut requests, &mut answers).await, Ok(snapshot(1)));
            assert_eq!(ask(&mut requests, &mut answers).await, Ok(snapshot(2)));
            let refused = ask(&mut requests, &mut answers).await.map_err(|why| why.reason);
            assert_eq!(refused, Err(Reason::Permission));
        };
        let (ended, ()) = tokio::join!(server, client);
        ended.expect("an end is no error");
    }

    async fn answered(bytes: &[u8]) -> Unavailable {
        ask(&mut tokio::io::sink(), &mut &bytes[..]).await.expect_err("no snapshot")
    }

    #[tokio::test]
    async fn what_is_no_frame_is_told() {
        let why = answered(b"exec: \"skoop\": executable file not found in $PATH\n").await;
        assert_eq!(
            why.detail,
            "the collector wrote no snapshot but: exec: \"skoop\": executable file not found in $PATH"
        );
        assert_eq!(answered(b"").await.detail, "the collector ended without a snapshot");
        let cut = [&MAGIC[..], &9_u64.to_be_bytes(), b"abc"].concat();
        assert_eq!(answered(&cut).await.reason, Reason::Malformed);
        let huge = [&MAGIC[..], &u64::MAX.to_be_bytes()].concat();
        assert_eq!(answered(&huge).await.detail, "the collector announces 18446744073709551615 bytes");
    }
}
