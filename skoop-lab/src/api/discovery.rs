//! What the server has, for clients that ask before they list.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::VERSION;
use super::kinds::KINDS;

/// `/version`.
pub(super) fn version() -> Value {
    let (major, minor) = VERSION;
    json!({
        "major": major,
        "minor": minor,
        "gitVersion": format!("v{major}.{minor}.0"),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": "linux/amd64",
    })
}

/// `/api`.
pub(super) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`.
pub(super) fn groups() -> Value {
    let groups: BTreeSet<(&str, String)> =
        KINDS.iter().filter(|kind| !kind.group.is_empty()).map(|kind| (kind.group, kind.api_version())).collect();
    let groups: Vec<Value> = groups.into_iter().map(|(group, version)| group_entry(group, &version)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn group_entry(group: &str, group_version: &str) -> Value {
    let version = group_version.rsplit('/').next().unwrap_or_default();
    let version = json!({"groupVersion": group_version, "version": version});
    json!({"name": group, "versions": [version], "preferredVersion": version})
}

/// `/apis/GROUP`; none if there is no such group.
pub(super) fn group(group: &str) -> Option<Value> {
    let kind = KINDS.iter().find(|kind| kind.group == group && !group.is_empty())?;
    let mut entry = group_entry(group, &kind.api_version());
    if let Some(fields) = entry.as_object_mut() {
        fields.insert("kind".to_owned(), json!("APIGroup"));
        fields.insert("apiVersion".to_owned(), json!("v1"));
    }
    Some(entry)
}

/// `/api/VERSION` and `/apis/GROUP/VERSION`; none if there is no such version.
pub(super) fn resources(group: &str, version: &str) -> Option<Value> {
    let kinds: Vec<_> = KINDS.iter().filter(|kind| kind.group == group && kind.version == version).collect();
    let group_version = kinds.first()?.api_version();
    let resources: Vec<Value> = kinds
        .iter()
        .map(|kind| {
            json!({
                "name": kind.plural,
                "singularName": kind.name.to_ascii_lowercase(),
                "namespaced": kind.namespaced,
                "kind": kind.name,
                "verbs": ["get", "list"],
                "shortNames": [kind.short],
            })
        })
        .collect();
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}))
}
