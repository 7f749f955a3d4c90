//! Nodes, seen in files that `skoop snapshot` wrote on them.

use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use skoop_model::{NodeSnapshot, Reason, Unavailable};

use super::{NodeCollector, Target, session};

/// Reads `NODE.snapshot` in a directory.
#[derive(Debug, Clone)]
pub struct FileCollector {
    directory: PathBuf,
}

impl FileCollector {
    /// The snapshots in `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }
}

#[async_trait]
impl NodeCollector for FileCollector {
    fn name(&self) -> &'static str {
        "file"
    }

    async fn snapshot(&self, node: &Target) -> Result<NodeSnapshot, Unavailable> {
        // A name from the API server is a DNS name; one with a separator would lead out of the directory.
        if node.name.as_str().contains(['/', '\0']) {
            return Err(Unavailable::new(Reason::Malformed, "this name is no file's"));
        }
        let path = self.directory.join(format!("{}.snapshot", node.name));
        let read = tokio::task::spawn_blocking({
            let path = path.clone();
            move || std::fs::read(path)
        });
        let bytes = read.await.map_err(io::Error::other).and_then(|bytes| bytes);
        let bytes = bytes.map_err(|error| {
            let reason = if error.kind() == io::ErrorKind::NotFound { Reason::NotFound } else { Reason::Failed };
            Unavailable::new(reason, format!("cannot read {}: {error}", path.display()))
        })?;
        let snapshot = session::understood(&bytes)?;
        if snapshot.node == node.name {
            return Ok(snapshot);
        }
        let text = format!("{} is of node {}; `skoop snapshot --node` says whose it is", path.display(), snapshot.node);
        Err(Unavailable::new(Reason::Malformed, text))
    }
}

#[cfg(test)]
mod tests {
    use skoop_model::NodeName;

    use super::*;
    use crate::nodes::{Answer, encode};

    fn target(name: &str) -> Target {
        Target { name: NodeName::from(name), addresses: Vec::new(), ready: None }
    }

    #[tokio::test]
    async fn files_are_found_by_the_name_of_the_node() {
        let directory = tempfile::tempdir().expect("a directory");
        let snapshot = NodeSnapshot::new(NodeName::from("a"), 7);
        let bytes = encode(&Answer::Snapshot(Box::new(snapshot.clone()))).expect("plain data");
        for name in ["a.snapshot", "b.snapshot"] {
            std::fs::write(directory.path().join(name), &bytes).expect("writable");
        }
        let files = FileCollector::new(directory.path());
        assert_eq!(files.snapshot(&target("a")).await, Ok(snapshot));
        let reason = async |name| files.snapshot(&target(name)).await.map_err(|why| why.reason);
        assert_eq!(reason("b").await, Err(Reason::Malformed));
        assert_eq!(reason("c").await, Err(Reason::NotFound));
        assert_eq!(reason("../a").await, Err(Reason::Malformed));
    }
}
