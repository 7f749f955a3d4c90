//! Writing: byte-identical output for equal content.

use std::io::{self, Write};

use serde::Serialize;
use skoop_model::{NodeSnapshot, SCHEMA_VERSION};

use super::manifest::{CLUSTER, FORMAT, Listed, MANIFEST, Manifest, Missing, node_member};
use super::{Bundle, BundleError};

/// Compression level: dumps of rules are repetitive; higher levels cost much and gain little.
const LEVEL: i32 = 9;
/// Mode of every member.
const MODE: u32 = 0o600;

pub(super) fn write(bundle: &Bundle, writer: impl Write) -> Result<(), BundleError> {
    let members = members(bundle)?;
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        schema: SCHEMA_VERSION,
        version: bundle.version.clone(),
        created_at_ms: bundle.created_at_ms,
        question: bundle.question.clone(),
        unavailable: bundle
            .unavailable
            .iter()
            .map(|(what, why)| Missing { what: what.clone(), why: why.clone() })
            .collect(),
        members: members.iter().map(|(name, contents)| Listed::of(name, contents)).collect(),
    };
    let manifest = encode(MANIFEST, &manifest)?;
    write_archive(writer, &manifest, &members).map_err(BundleError::Write)
}

/// Name and contents of all members but the manifest, in order.
fn members(bundle: &Bundle) -> Result<Vec<(String, Vec<u8>)>, BundleError> {
    let mut members = Vec::new();
    if let Some(cluster) = &bundle.cluster {
        members.push((CLUSTER.to_owned(), encode(CLUSTER, cluster)?));
    }
    for node in sorted(&bundle.nodes)? {
        let name = node_member(&node.node);
        let contents = encode(&name, node)?;
        members.push((name, contents));
    }
    Ok(members)
}

/// The nodes by name, each once.
fn sorted(nodes: &[NodeSnapshot]) -> Result<Vec<&NodeSnapshot>, BundleError> {
    let mut sorted: Vec<&NodeSnapshot> = nodes.iter().collect();
    sorted.sort_by(|a, b| a.node.cmp(&b.node));
    let twin = sorted.iter().zip(sorted.iter().skip(1)).find(|(a, b)| a.node == b.node);
    match twin {
        Some((node, _)) => Err(BundleError::DuplicateNode { node: node.node.clone() }),
        None => Ok(sorted),
    }
}

fn encode(member: &str, value: &impl Serialize) -> Result<Vec<u8>, BundleError> {
    serde_json::to_vec(value).map_err(|source| BundleError::Encode { member: member.to_owned(), source })
}

fn write_archive(writer: impl Write, manifest: &[u8], members: &[(String, Vec<u8>)]) -> io::Result<()> {
    let mut encoder = zstd::Encoder::new(writer, LEVEL)?;
    encoder.include_checksum(true)?;
    let mut archive = tar::Builder::new(encoder);
    append(&mut archive, MANIFEST, manifest)?;
    for (name, contents) in members {
        append(&mut archive, name, contents)?;
    }
    archive.into_inner()?.finish()?.flush()
}

/// Appends one member without owner and time, which would differ from run to run.
pub(super) fn append(archive: &mut tar::Builder<impl Write>, name: &str, contents: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(contents.len() as u64);
    header.set_mode(MODE);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    archive.append(&header, contents)
}
