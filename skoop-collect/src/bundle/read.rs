//! Reading: nothing in the data is trusted before it is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read};

use serde::de::DeserializeOwned;
use skoop_model::{ClusterSnapshot, NodeSnapshot, check_schema};

use super::manifest::{CLUSTER, FORMAT, Head, Listed, MANIFEST, Manifest, Missing, NODES, is_member_name};
use super::{Bundle, BundleError, BundleInfo, Member, MemberState};

/// First bytes of a zstd frame (RFC 8878, section 3.1.1).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Largest zstd window that is accepted, as a power of two: 128 MiB, what `zstd --ultra` may use.
const WINDOW_LOG_MAX: u32 = 27;

/// How much data a bundle may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// All decompressed data, in bytes.
    pub(super) total_bytes: u64,
    /// Members beside the manifest.
    pub(super) members: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { total_bytes: 2 << 30, members: 1 << 16 }
    }
}

pub(super) fn read(reader: impl Read, limits: &Limits) -> Result<Bundle, BundleError> {
    let mut cluster = None;
    let mut nodes = Vec::new();
    let (manifest, states) = scan(reader, limits, |listed, contents| {
        if !listed.matches(contents) {
            return Err(BundleError::Hash { member: listed.name.clone() });
        }
        if listed.name == CLUSTER {
            let decoded: ClusterSnapshot = decode(&listed.name, contents)?;
            check_schema(decoded.schema)?;
            cluster = Some(decoded);
        } else if listed.name.starts_with(NODES) {
            let decoded: NodeSnapshot = decode(&listed.name, contents)?;
            check_schema(decoded.schema)?;
            nodes.push(decoded);
        }
        Ok(MemberState::Intact)
    })?;
    let missing = manifest.members.iter().find(|listed| !states.contains_key(&listed.name));
    if let Some(Listed { name, .. }) = missing {
        return Err(BundleError::MissingMember { member: name.clone() });
    }
    nodes.sort_by(|a, b| a.node.cmp(&b.node));
    if let Some((node, _)) = nodes.iter().zip(nodes.iter().skip(1)).find(|(a, b)| a.node == b.node) {
        return Err(BundleError::DuplicateNode { node: node.node.clone() });
    }
    Ok(Bundle {
        created_at_ms: manifest.created_at_ms,
        version: manifest.version,
        question: manifest.question,
        cluster,
        nodes,
        unavailable: unavailable(manifest.unavailable),
    })
}

pub(super) fn verify(reader: impl Read, limits: &Limits) -> Result<BundleInfo, BundleError> {
    let (manifest, states) = scan(reader, limits, |listed, contents| {
        Ok(if listed.matches(contents) { MemberState::Intact } else { MemberState::Altered })
    })?;
    let member = |listed: Listed| Member {
        state: states.get(&listed.name).copied().unwrap_or(MemberState::Missing),
        name: listed.name,
        size_bytes: listed.size_bytes,
        sha256: listed.sha256,
    };
    Ok(BundleInfo {
        schema: manifest.schema,
        version: manifest.version,
        created_at_ms: manifest.created_at_ms,
        question: manifest.question,
        unavailable: unavailable(manifest.unavailable),
        members: manifest.members.into_iter().map(member).collect(),
    })
}

fn unavailable(missing: Vec<Missing>) -> Vec<(String, skoop_model::Unavailable)> {
    missing.into_iter().map(|Missing { what, why }| (what, why)).collect()
}

fn decode<T: DeserializeOwned>(member: &str, contents: &[u8]) -> Result<T, BundleError> {
    serde_json::from_slice(contents).map_err(|source| BundleError::Malformed { member: member.to_owned(), source })
}

/// Goes through all members in order, gives each listed one to `check`, and tells what it said.
fn scan(
    reader: impl Read,
    limits: &Limits,
    mut check: impl FnMut(&Listed, &[u8]) -> Result<MemberState, BundleError>,
) -> Result<(Manifest, BTreeMap<String, MemberState>), BundleError> {
    let data = decompress(reader, limits)?;
    let error = |source| read_error(source, limits);
    let mut archive = tar::Archive::new(data);
    // Raw: extensions for long names and the like have no place in a bundle, and would be read into memory unasked.
    let mut entries = archive.entries().map_err(error)?.raw(true);

    let first = entries.next().ok_or(BundleError::NoManifest)?.map_err(error)?;
    let (name, contents) = member(first, limits)?;
    if name != MANIFEST {
        return Err(BundleError::NoManifest);
    }
    let manifest = manifest(&contents, limits)?;
    let listed: BTreeMap<&str, &Listed> = manifest.members.iter().map(|entry| (entry.name.as_str(), entry)).collect();
    let mut states = BTreeMap::new();
    for entry in entries {
        let (name, contents) = member(entry.map_err(error)?, limits)?;
        let entry = listed.get(name.as_str()).filter(|_| !states.contains_key(&name));
        let entry = entry.ok_or_else(|| BundleError::UnlistedMember { member: name.clone() })?;
        let state = check(entry, &contents)?;
        states.insert(name, state);
    }
    // The checksum of the frame stands at its end, behind the last member: it is only compared when everything was read.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(error)?;
    Ok((manifest, states))
}

/// The tar within, never more than `limits` allow.
fn decompress(reader: impl Read, limits: &Limits) -> Result<Bounded<impl Read>, BundleError> {
    let mut reader = BufReader::new(reader);
    let begin = reader.fill_buf().map_err(BundleError::Read)?;
    let known = begin.len().min(ZSTD_MAGIC.len());
    if known == 0 || begin.get(..known) != ZSTD_MAGIC.get(..known) {
        return Err(BundleError::NotBundle);
    }
    let mut decoder = zstd::Decoder::with_buffer(reader).map_err(BundleError::Read)?.single_frame();
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(BundleError::Read)?;
    Ok(Bounded { inner: decoder, left: limits.total_bytes })
}

/// The manifest, after its schema is known to be readable.
fn manifest(contents: &[u8], limits: &Limits) -> Result<Manifest, BundleError> {
    let head: Head = serde_json::from_slice(contents).map_err(BundleError::Manifest)?;
    if head.format != FORMAT {
        return Err(BundleError::NotBundle);
    }
    check_schema(head.schema)?;
    let manifest: Manifest = serde_json::from_slice(contents).map_err(BundleError::Manifest)?;
    if manifest.members.len() > limits.members {
        return Err(BundleError::TooManyMembers { limit: limits.members });
    }
    let mut seen = BTreeSet::from([MANIFEST]);
    for Listed { name, .. } in &manifest.members {
        if !is_member_name(name) {
            return Err(BundleError::BadMember { member: name.escape_default().to_string() });
        }
        if !seen.insert(name) {
            return Err(BundleError::UnlistedMember { member: name.clone() });
        }
    }
    Ok(manifest)
}

/// Name and contents of a member that is a plain file with a harmless name.
fn member<R: Read>(mut entry: tar::Entry<'_, R>, limits: &Limits) -> Result<(String, Vec<u8>), BundleError> {
    let path = entry.path_bytes();
    let name = String::from_utf8_lossy(&path).into_owned();
    if !entry.header().entry_type().is_file() || !is_member_name(&name) {
        return Err(BundleError::BadMember { member: name.escape_default().to_string() });
    }
    let size_bytes = entry.size();
    if size_bytes > limits.total_bytes {
        return Err(BundleError::TooLarge { limit_bytes: limits.total_bytes });
    }
    // Grows as data comes: the size in the header is only a claim.
    let mut contents = Vec::new();
    entry.read_to_end(&mut contents).map_err(|source| read_error(source, limits))?;
    if contents.len() as u64 != size_bytes {
        return Err(BundleError::Truncated);
    }
    Ok((name, contents))
}

/// A reader that fails when more than `left` bytes come out of it.
struct Bounded<R> {
    inner: R,
    left: u64,
}

/// Marks the error of [`Bounded`] among those of the readers around it.
#[derive(Debug, thiserror::Error)]
#[error("too large")]
struct TooLarge;

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| io::Error::other(TooLarge))?;
        Ok(count)
    }
}

/// What a failed read means. The tar reader wraps the errors of its source, hence the walk along the sources.
fn read_error(error: io::Error, limits: &Limits) -> BundleError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut is_short = false;
    while let Some(cause) = source {
        if cause.is::<TooLarge>() {
            return BundleError::TooLarge { limit_bytes: limits.total_bytes };
        }
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            if cause.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<TooLarge>) {
                return BundleError::TooLarge { limit_bytes: limits.total_bytes };
            }
            if cause.raw_os_error().is_some() {
                return BundleError::Read(error);
            }
            is_short |= cause.kind() == io::ErrorKind::UnexpectedEof;
        }
        source = cause.source();
    }
    if is_short { BundleError::Truncated } else { BundleError::Corrupt(error) }
}
