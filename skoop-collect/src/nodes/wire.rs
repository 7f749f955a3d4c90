//! The form in which a node's snapshot travels: JSON, compressed with zstd.

use std::io::{Read, Write};

use serde::{Deserialize, Serialize};
use skoop_model::{NodeSnapshot, SchemaError, Unavailable, check_schema};
use thiserror::Error;

/// What a snapshot may take uncompressed: a node of 250 pods and 10 000 services takes a tenth of it.
pub const MAX_SNAPSHOT_BYTES: u64 = 1 << 30;
/// Level of compression: the fastest that still makes rules a tenth of their size.
const LEVEL: i32 = 1;

/// What whoever looked at a node says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The node's state.
    Snapshot(Box<NodeSnapshot>),
    /// Nothing could be seen at all.
    Failed(Unavailable),
}

/// What can be wrong with an answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WireError {
    /// It could not be compressed, or it is not what zstd makes; it may have been cut off.
    #[error("the snapshot is damaged or cut off")]
    Compression(#[source] std::io::Error),
    /// It is larger than any node's.
    #[error("the snapshot is larger than {MAX_SNAPSHOT_BYTES} bytes")]
    TooLarge,
    /// It is not JSON of this kind.
    #[error("the snapshot is not what skoop writes")]
    Form(#[source] serde_json::Error),
    /// It was written by a newer skoop.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// Bytes of an answer.
///
/// # Errors
///
/// [`WireError::Form`] or [`WireError::Compression`] if memory runs out underway; no answer as such is at fault.
pub fn encode(answer: &Answer) -> Result<Vec<u8>, WireError> {
    let mut writer = zstd::Encoder::new(Vec::new(), LEVEL).map_err(WireError::Compression)?;
    {
        let mut buffered = std::io::BufWriter::with_capacity(1 << 16, &mut writer);
        serde_json::to_writer(&mut buffered, answer).map_err(WireError::Form)?;
        buffered.flush().map_err(WireError::Compression)?;
    }
    writer.finish().map_err(WireError::Compression)
}

/// The answer in these bytes.
///
/// # Errors
///
/// A [`WireError`] if they are none, or of a newer skoop.
pub fn decode(bytes: &[u8]) -> Result<Answer, WireError> {
    let decoder = zstd::Decoder::with_buffer(bytes).map_err(WireError::Compression)?;
    let mut text = Vec::new();
    decoder.take(MAX_SNAPSHOT_BYTES + 1).read_to_end(&mut text).map_err(WireError::Compression)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_SNAPSHOT_BYTES) {
        return Err(WireError::TooLarge);
    }
    let answer: Answer = serde_json::from_slice(&text).map_err(WireError::Form)?;
    if let Answer::Snapshot(snapshot) = &answer {
        check_schema(snapshot.schema)?;
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use skoop_model::{NodeName, Reason};

    use super::*;

    #[test]
    fn answers_come_back() {
        let snapshot = Answer::Snapshot(Box::new(NodeSnapshot::new(NodeName::from("a"), 7)));
        let failed = Answer::Failed(Unavailable::new(Reason::Permission, "no"));
        for answer in [snapshot, failed] {
            let bytes = encode(&answer).expect("plain data");
            assert_eq!(decode(&bytes).expect("as written"), answer);
            for length in 0..bytes.len() {
                assert!(decode(bytes.get(..length).unwrap_or_default()).is_err(), "cut off at {length}");
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        assert!(matches!(decode(b"no zstd at all"), Err(WireError::Compression(_))));
        let mut newer = NodeSnapshot::new(NodeName::from("a"), 7);
        newer.schema += 1;
        let bytes = encode(&Answer::Snapshot(Box::new(newer))).expect("plain data");
        assert!(matches!(decode(&bytes), Err(WireError::Schema(_))));
        let bytes = zstd::encode_all(&b"{}"[..], LEVEL).expect("memory");
        assert!(matches!(decode(&bytes), Err(WireError::Form(_))));
    }
}
