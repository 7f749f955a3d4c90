//! `manifest.json`: what is in a bundle, and the hash of each part.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use skoop_model::{NodeName, Question, Unavailable};

/// Name of the manifest's member.
pub(super) const MANIFEST: &str = "manifest.json";
/// Name of the cluster's member.
pub(super) const CLUSTER: &str = "cluster.json";
/// Folder of the nodes' members.
pub(super) const NODES: &str = "nodes/";
/// Ending of all members.
const ENDING: &str = ".json";
/// Longest node name that becomes a file name as it is. The USTAR header holds 100 bytes.
const PLAIN_NAME_BYTES: usize = 80;
/// Bytes of a hostile node name that are kept for people, before its hash.
const HINT_BYTES: usize = 40;

/// Tells a bundle from any other tar file with a `manifest.json`.
pub(super) const FORMAT: &str = "skoop-bundle";

/// What every version of the manifest has; read before the rest is.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    /// [`FORMAT`].
    pub(super) format: String,
    /// Schema of the bundle.
    pub(super) schema: u32,
}

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// [`FORMAT`].
    pub(super) format: String,
    /// Schema of the writer.
    pub(super) schema: u32,
    /// Version of the writing skoop.
    pub(super) version: String,
    /// Time of creation, in milliseconds since the Unix epoch.
    pub(super) created_at_ms: u64,
    /// The question for which it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) question: Option<Question>,
    /// What was wanted and could not be seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unavailable: Vec<Missing>,
    /// All other members, by name.
    pub(super) members: Vec<Listed>,
}

/// Something that was wanted and could not be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Missing {
    /// What was wanted: `node worker-3`.
    pub(super) what: String,
    /// Why it is not there.
    pub(super) why: Unavailable,
}

/// One member, as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    /// Name within the tar.
    pub(super) name: String,
    /// Size in bytes.
    pub(super) size_bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub(super) sha256: String,
}

impl Listed {
    /// The entry for these contents.
    pub(super) fn of(name: &str, contents: &[u8]) -> Self {
        Self { name: name.to_owned(), size_bytes: contents.len() as u64, sha256: sha256(contents) }
    }

    /// Whether these are the listed contents.
    pub(super) fn matches(&self, contents: &[u8]) -> bool {
        self.size_bytes == contents.len() as u64 && self.sha256 == sha256(contents)
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(super) fn sha256(contents: &[u8]) -> String {
    Sha256::digest(contents).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Name of a node's member. A name with anything but lower-case letters, digits, dots and dashes, or one that is too long, is cut to a hint
/// and told apart by its hash; `~` occurs in no plain name, so the two forms never meet.
pub(super) fn node_member(node: &NodeName) -> String {
    let name = node.as_str();
    let is_safe = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let is_plain =
        !name.is_empty() && name.len() <= PLAIN_NAME_BYTES && !name.starts_with('.') && name.bytes().all(is_safe);
    if is_plain {
        return format!("{NODES}{name}{ENDING}");
    }
    let hint: String =
        name.bytes().take(HINT_BYTES).map(|byte| if is_safe(byte) { char::from(byte) } else { '_' }).collect();
    let hash: String = sha256(name.as_bytes()).chars().take(16).collect();
    format!("{NODES}_{hint}~{hash}{ENDING}")
}

/// Whether a bundle may hold a member of this name: relative, of at most two parts, none of which starts with a dot.
pub(super) fn is_member_name(name: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut parts = name.split('/');
    let folder_or_file = parts.next();
    let file = parts.next();
    parts.next().is_none()
        && [folder_or_file, file]
            .into_iter()
            .flatten()
            .all(|part| !part.is_empty() && !part.starts_with('.') && part.bytes().all(is_safe))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_names_stay_and_hostile_ones_are_hashed() {
        assert_eq!(node_member(&NodeName::from("node-1.example.com")), "nodes/node-1.example.com.json");
        let long = "n".repeat(253);
        let hostile =
            ["", ".", "..", "../../etc/passwd", "a/b", "a\\b", "NODE", "node", "nöde", "a\0b", ".hidden", &long];
        let names: BTreeSet<String> = hostile.iter().map(|name| node_member(&NodeName::from(*name))).collect();
        assert_eq!(names.len(), hostile.len(), "no two names meet");
        for name in &names {
            assert!(is_member_name(name), "{name}");
            assert!(name.len() <= 100, "{name}");
        }
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        for name in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "nodes/../x",
            "nodes//x",
            "nodes/",
            "a/b/c",
            "nodes/.x",
            "a b",
            "C:x",
        ] {
            assert!(!is_member_name(name), "{name}");
        }
        for name in [MANIFEST, CLUSTER, "nodes/a.json", "cloud.json"] {
            assert!(is_member_name(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_node_name_has_a_safe_member(name in ".{0,300}") {
            let member = node_member(&NodeName(name));
            prop_assert!(is_member_name(&member));
            prop_assert!(member.len() <= 100);
        }
    }
}
