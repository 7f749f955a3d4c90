//! This host as a node of a cluster: kernel state and container runtime, in one call.

use std::path::{Path, PathBuf};
use std::{env, fs};

use skoop_model::{Item, NodeName, NodeSnapshot};

use crate::CollectError;
use crate::local::{self, NetnsRef, Options, Others, Selection};
use crate::runtime::{self, RuntimeOptions};

/// What to see of this host, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThisNode {
    /// Its name in the cluster.
    pub name: NodeName,
    /// Namespaces.
    pub selection: Selection,
    /// How to read them.
    pub local: Options,
    /// How to ask the container runtime; none: it is not asked.
    pub runtime: Option<RuntimeOptions>,
}

impl ThisNode {
    /// This host with all its namespaces and its runtime. In a pod that sees the node's processes (`hostPID`) it is the node of that pod
    /// that is seen: its namespaces, its files.
    pub fn new(name: NodeName) -> Self {
        let options = (Options::default(), RuntimeOptions::default());
        let inside = is_in_pod() && is_elsewhere(Path::new("/proc/1/ns/mnt"), Path::new("/proc/self/ns/mnt"));
        let (host, (local, runtime)) = if inside {
            let root = PathBuf::from("/proc/1/root");
            let local = Options { netns_dir: root.join("run/netns"), ..options.0 };
            (NetnsRef::Pid(1), (local, RuntimeOptions { root, ..options.1 }))
        } else {
            (NetnsRef::Current, options)
        };
        Self { name, selection: Selection { host, others: Others::All }, local, runtime: Some(runtime) }
    }
}

/// The state of this host now. The runtime is asked while the kernel is read; what it does not tell stands in the snapshot with its
/// reason.
///
/// # Errors
///
/// [`CollectError`] when the host's namespace does not exist or cannot be entered.
///
/// ```
/// use skoop_collect::local::{Others, hostname};
/// use skoop_collect::nodes::{ThisNode, this_node};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let mut asked = ThisNode::new(hostname());
/// asked.selection.others = Others::None;
/// let snapshot = this_node(&asked).await?;
/// println!("{}: {} namespaces", snapshot.node, snapshot.namespaces.len());
/// # Ok::<(), skoop_collect::CollectError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn this_node(asked: &ThisNode) -> Result<NodeSnapshot, CollectError> {
    let ThisNode { name, selection, local, runtime } = asked.clone();
    let kernel = tokio::task::spawn_blocking(move || local::collect(name, &selection, &local));
    let runtime = async {
        match &runtime {
            Some(options) => runtime::read(options).await,
            None => Item::not_collected(),
        }
    };
    let (kernel, runtime) = tokio::join!(kernel, runtime);
    let kernel = kernel.map_err(|error| CollectError::System {
        operation: "read the kernel's state",
        source: std::io::Error::other(error),
    })?;
    Ok(NodeSnapshot { runtime, ..kernel? })
}

/// Whether this is a container of a pod: kubelet tells each where the API is.
fn is_in_pod() -> bool {
    env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// Whether two namespaces differ, as far as they can be seen.
fn is_elsewhere(there: &Path, here: &Path) -> bool {
    matches!((fs::read_link(there), fs::read_link(here)), (Ok(there), Ok(here)) if there != here)
}

#[cfg(test)]
mod tests {
    use skoop_model::Reason;

    use super::*;

    #[tokio::test]
    async fn a_host_without_a_runtime_is_seen_all_the_same() {
        let mut asked = ThisNode::new(NodeName::from("a"));
        asked.selection = Selection { host: NetnsRef::Current, others: Others::None };
        asked.local.netfilter = false;
        let root = tempfile::tempdir().unwrap();
        asked.runtime = Some(RuntimeOptions { root: root.path().to_path_buf(), ..RuntimeOptions::default() });
        let snapshot = this_node(&asked).await.unwrap();
        assert!(snapshot.host().is_some());
        assert_eq!(snapshot.runtime.get().map_err(|why| why.reason), Err(Reason::NotFound));
        asked.selection.host = NetnsRef::Name("no-such-namespace".to_owned());
        assert!(this_node(&asked).await.is_err());
    }
}
