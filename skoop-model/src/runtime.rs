//! What the container runtime of a node says about its pods.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{NetnsId, ObjectKey, Unavailable};

/// A container runtime with its pod sandboxes. No annotations, no environment variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// Name: `containerd`, `cri-o`, `docker`.
    pub name: String,
    /// Version of the runtime.
    pub version: String,
    /// Where it was asked: `unix:///run/containerd/containerd.sock`.
    pub endpoint: String,
    /// Sandboxes, by pod; those of one pod with the ready one first.
    pub sandboxes: Vec<Sandbox>,
    /// Sandboxes of which only their being there is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<Unavailable>,
}

impl Runtime {
    /// The ready sandbox of the pod with this uid.
    pub fn ready_sandbox(&self, uid: &str) -> Option<&Sandbox> {
        self.sandboxes.iter().find(|sandbox| sandbox.ready && sandbox.uid == uid)
    }
}

/// What holds the namespaces of one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Identity at the runtime.
    pub id: String,
    /// The pod.
    pub pod: ObjectKey,
    /// UID of the pod; of a static pod the hash that kubelet gave it, which is not that of its mirror in the API.
    pub uid: String,
    /// Whether it runs. A pod that was restarted as a whole leaves sandboxes behind that do not.
    pub ready: bool,
    /// Whether it is in the node's own network namespace.
    #[serde(default)]
    pub host_network: bool,
    /// Addresses that the CNI plugin gave it, the primary one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Its first process, in the node's process namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// File of its network namespace on the node: `/var/run/netns/cni-...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns_path: Option<String>,
    /// Its network namespace, if that is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<NetnsId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_of_few_words_is_read() {
        let text = r#"{"id":"a","pod":{"namespace":"default","name":"web"},"uid":"u","ready":true,"later":1}"#;
        let sandbox: Sandbox = serde_json::from_str(text).expect("fields are only ever added");
        assert_eq!((sandbox.pid, sandbox.netns, sandbox.host_network), (None, None, false));
        let stale = Sandbox { id: "b".to_owned(), ready: false, ..sandbox.clone() };
        let runtime = Runtime {
            name: "containerd".to_owned(),
            version: "2.1.0".to_owned(),
            endpoint: "unix:///run/containerd/containerd.sock".to_owned(),
            sandboxes: vec![stale, sandbox],
            unseen: Vec::new(),
        };
        assert_eq!(runtime.ready_sandbox("u").map(|sandbox| sandbox.id.as_str()), Some("a"));
        assert_eq!(runtime.ready_sandbox("other"), None);
    }
}
