//! What a runtime tells of a sandbox in its own words, the `info` of a verbose status: JSON whose shape differs by runtime.

use std::collections::HashMap;

use serde::Deserialize;

/// The parts of it that matter here; everything else, environments included, is skipped while reading.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Info {
    /// First process; none if it has none any more.
    pub(super) pid: Option<u32>,
    /// File of the network namespace.
    pub(super) netns_path: Option<String>,
    /// Whether the network namespace was taken down.
    pub(super) closed: bool,
}

/// `SandboxInfo` of containerd (internal/cri/server/podsandbox/types) and of CRI-O (server/sandbox_status.go) in one.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Told {
    pid: i64,
    net_namespace_closed: bool,
    runtime_spec: Option<Spec>,
    sandbox_metadata: Option<Versioned>,
}

/// An OCI runtime configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    linux: Option<Linux>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Linux {
    namespaces: Option<Vec<Namespace>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
    path: String,
}

/// What containerd keeps of a sandbox, since 1.7, with the version of its form.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Versioned {
    metadata: Option<Kept>,
    #[serde(rename = "NetNSPath")]
    path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Kept {
    #[serde(rename = "NetNSPath")]
    path: String,
}

/// Reads the `info` of a verbose status. A runtime that tells nothing (cri-dockerd) gives an empty one.
pub(super) fn read(info: &HashMap<String, String>) -> Result<Info, serde_json::Error> {
    let Some(text) = info.get("info") else { return Ok(Info::default()) };
    let told: Told = serde_json::from_str(text)?;
    let kept = told.sandbox_metadata.map(|kept| kept.metadata.map_or(kept.path, |inner| inner.path));
    let namespaces = told.runtime_spec.and_then(|spec| spec.linux).and_then(|linux| linux.namespaces);
    let of_spec = namespaces.into_iter().flatten().find(|namespace| namespace.kind == "network");
    let paths = [of_spec.map(|namespace| namespace.path), kept];
    Ok(Info {
        pid: u32::try_from(told.pid).ok().filter(|pid| *pid > 0),
        netns_path: paths.into_iter().flatten().find(|path| !path.is_empty()),
        closed: told.net_namespace_closed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Info {
        read(&HashMap::from([("info".to_owned(), text.to_owned())])).expect("JSON of a runtime")
    }

    /// Recorded from the runtimes named, with environments, mounts and images cut.
    #[test]
    fn shapes_of_all_runtimes_are_read() {
        let cases = [
            (
                "containerd 1.6",
                r#"{"pid":4711,"processStatus":"running","netNamespaceClosed":false,"image":"registry.k8s.io/pause:3.9",
                    "snapshotKey":"8f","snapshotter":"overlayfs","runtimeHandler":"","runtimeType":"io.containerd.runc.v2",
                    "runtimeOptions":null,"config":{"metadata":{"name":"web","uid":"u","namespace":"default"},
                    "annotations":{"secret":"s"},"linux":{"security_context":{"namespace_options":{"pid":1}}}},
                    "runtimeSpec":{"ociVersion":"1.0.2-dev","process":{"env":["PASSWORD=x"]},"linux":{"namespaces":[
                    {"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},
                    {"type":"network","path":"/var/run/netns/cni-7a1c"}]}},"cniResult":{"Interfaces":{}}}"#,
                (Some(4711), Some("/var/run/netns/cni-7a1c"), false),
            ),
            (
                "containerd 2.1, stopped",
                r#"{"pid":0,"processStatus":"deleted","netNamespaceClosed":true,"runtimeSpec":null,
                    "sandboxMetadata":{"Version":"v1","Metadata":{"ID":"8f","NetNSPath":"/var/run/netns/cni-7a1c","IP":"10.0.0.9"}}}"#,
                (None, Some("/var/run/netns/cni-7a1c"), true),
            ),
            (
                "containerd, host network",
                r#"{"pid":88,"netNamespaceClosed":false,"runtimeSpec":{"linux":{"namespaces":[{"type":"pid"}]}}}"#,
                (Some(88), None, false),
            ),
            (
                "CRI-O 1.29",
                r#"{"image":"registry.k8s.io/pause:3.9","pid":5120,"runtimeSpec":{"ociVersion":"1.1.0","hostname":"web",
                    "annotations":{"io.kubernetes.cri-o.IP.0":"10.85.0.7"},"linux":{"namespaces":[{"type":"pid"},
                    {"type":"network","path":"/var/run/netns/5c2e7f6a-8d6e-4f0c-b7a4-5c0f8b9d6a11"},{"type":"mount"},
                    {"type":"ipc","path":"/var/run/ipcns/5c2e7f6a"},{"type":"uts","path":"/var/run/utsns/5c2e7f6a"}]}}}"#,
                (Some(5120), Some("/var/run/netns/5c2e7f6a-8d6e-4f0c-b7a4-5c0f8b9d6a11"), false),
            ),
            (
                "CRI-O without a pause container",
                r#"{"image":"","pid":-1,"runtimeSpec":{"linux":{"namespaces":[{"type":"network","path":"/var/run/netns/5c2e"}]}}}"#,
                (None, Some("/var/run/netns/5c2e"), false),
            ),
        ];
        for (name, text, (pid, path, closed)) in cases {
            let info = told(text);
            assert_eq!((info.pid, info.netns_path.as_deref(), info.closed), (pid, path, closed), "{name}");
        }
    }

    #[test]
    fn who_tells_nothing_is_known_by_nothing() {
        assert_eq!(read(&HashMap::new()).expect("cri-dockerd"), Info::default());
        assert_eq!(told("{}"), Info::default());
        assert!(read(&HashMap::from([("info".to_owned(), "{".to_owned())])).is_err());
    }
}
