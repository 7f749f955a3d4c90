//! Where the container runtime listens.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Where runtimes listen that are set up as their authors meant it.
const USUAL: &[&str] = &[
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
];
/// Configuration of kubelet where its command line names none.
const KUBELET_CONFIG: &str = "/var/lib/kubelet/config.yaml";

/// Sockets to try, the likeliest first: the one that kubelet uses if that can be told, then the usual ones that are there.
pub(super) fn sockets(root: &Path) -> Vec<PathBuf> {
    let kubelet = of_kubelet(root).as_deref().and_then(socket);
    let usual = USUAL.iter().map(PathBuf::from).filter(|path| within(root, path).exists());
    let mut found: Vec<PathBuf> = kubelet.into_iter().chain(usual).collect();
    let mut known = Vec::new();
    found.retain(|path| {
        let new = !known.contains(path);
        known.extend(new.then(|| path.clone()));
        new
    });
    found
}

/// The path of an endpoint: `unix:///run/a.sock`, or the path alone.
pub(super) fn socket(endpoint: &str) -> Option<PathBuf> {
    let path = endpoint.strip_prefix("unix://").or_else(|| endpoint.strip_prefix("unix:")).unwrap_or(endpoint);
    let path = Path::new(path);
    let up = path.components().any(|part| part == Component::ParentDir);
    (path.is_absolute() && !up).then(|| plain(path))
}

/// A path of the node as seen from here. `/var/run` is everywhere a link to `/run`; an absolute link would lead out of the root.
pub(super) fn within(root: &Path, path: &Path) -> PathBuf {
    let path = plain(path);
    root.join(path.strip_prefix("/").unwrap_or(&path))
}

fn plain(path: &Path) -> PathBuf {
    path.strip_prefix("/var/run").map_or_else(|_| path.to_path_buf(), |rest| Path::new("/run").join(rest))
}

/// The endpoint that kubelet was told, by its command line, else by its configuration.
fn of_kubelet(root: &Path) -> Option<String> {
    let line = command_line(root);
    let option = |name| line.as_deref().and_then(|line| option(line, name));
    if let Some(endpoint) = option("--container-runtime-endpoint") {
        return Some(endpoint);
    }
    let config = option("--config").unwrap_or_else(|| KUBELET_CONFIG.to_owned());
    endpoint_of_config(&fs::read_to_string(within(root, Path::new(&config))).ok()?)
}

/// The command line of kubelet, arguments apart.
fn command_line(root: &Path) -> Option<Vec<String>> {
    let processes = fs::read_dir(within(root, Path::new("/proc"))).ok()?;
    processes.flatten().filter(|entry| is_number(&entry.file_name().to_string_lossy())).find_map(|entry| {
        let bytes = fs::read(entry.path().join("cmdline")).ok()?;
        let words: Vec<String> =
            bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let program = Path::new(words.first()?).file_name()?;
        (program == "kubelet").then_some(words)
    })
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The value of `--name=VALUE` or `--name VALUE`.
fn option(line: &[String], name: &str) -> Option<String> {
    let mut words = line.iter();
    while let Some(word) = words.next() {
        if word == name {
            return words.next().cloned();
        }
        if let Some(value) = word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
            return Some(value.to_owned());
        }
    }
    None
}

/// `containerRuntimeEndpoint` of a `KubeletConfiguration`: a plain value at the top level, in YAML or in JSON.
fn endpoint_of_config(text: &str) -> Option<String> {
    if let Ok(config) = serde_json::from_str::<serde_json::Value>(text) {
        return config.get("containerRuntimeEndpoint")?.as_str().filter(|value| !value.is_empty()).map(str::to_owned);
    }
    let value = text.lines().find_map(|line| line.strip_prefix("containerRuntimeEndpoint:"))?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, contents: &str) {
        let path = within(root, Path::new(path));
        fs::create_dir_all(path.parent().expect("an absolute path")).expect("a directory");
        fs::write(path, contents).expect("a file");
    }

    fn found(root: &Path) -> Vec<String> {
        sockets(root).iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn kubelet_knows_best() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path();
        assert!(found(root).is_empty());
        write(root, "/run/crio/crio.sock", "");
        write(root, "/run/k3s/containerd/containerd.sock", "");
        assert_eq!(found(root), ["/run/crio/crio.sock", "/run/k3s/containerd/containerd.sock"]);
        write(
            root,
            KUBELET_CONFIG,
            "kind: KubeletConfiguration\ncontainerRuntimeEndpoint: \"unix:///var/run/a.sock\"\n",
        );
        assert_eq!(found(root).first().map(String::as_str), Some("/run/a.sock"));
        write(root, "/proc/12/cmdline", "/usr/bin/kubelet\0--config\0/etc/kubelet.yaml\0");
        write(root, "/etc/kubelet.yaml", r#"{"containerRuntimeEndpoint": "/run/b.sock"}"#);
        assert_eq!(found(root).first().map(String::as_str), Some("/run/b.sock"));
        write(root, "/proc/12/cmdline", "/usr/bin/kubelet\0--container-runtime-endpoint=unix:///run/crio/crio.sock\0");
        assert_eq!(found(root), ["/run/crio/crio.sock", "/run/k3s/containerd/containerd.sock"]);
    }

    #[test]
    fn endpoints_are_absolute_paths() {
        for (endpoint, path) in [
            ("unix:///run/a.sock", Some("/run/a.sock")),
            ("unix:/run/a.sock", Some("/run/a.sock")),
            ("/var/run/a.sock", Some("/run/a.sock")),
            ("npipe:////./pipe/containerd", None),
            ("tcp://127.0.0.1:1", None),
            ("/run/../etc/a.sock", None),
        ] {
            assert_eq!(socket(endpoint), path.map(PathBuf::from), "{endpoint}");
        }
    }
}
