//! A recorded cluster as a source.

use std::path::Path;

use async_trait::async_trait;
use skoop_collect::bundle::{Bundle, BundleError};
use skoop_model::{Reason, Unavailable};

use super::Source;
use crate::engine::{Supplied, Want};

/// What a bundle holds; asks nobody else. The same bundle gives the same report, byte for byte.
#[derive(Debug, Clone)]
pub struct BundleSource {
    bundle: Bundle,
}

impl BundleSource {
    /// The contents of `bundle` as a source.
    pub fn new(bundle: Bundle) -> Self {
        Self { bundle }
    }

    /// The contents of a file as a source.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no whole bundle of a schema that this build reads.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        Bundle::read_file(path).map(Self::new)
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Why a fact is not there: as it was recorded, or because nobody asked for it then.
    fn missing(&self, want: &Want) -> Supplied {
        let text = want.to_string();
        let recorded = self.bundle.unavailable.iter().find(|(what, _)| *what == text).map(|(_, why)| why.clone());
        Supplied::Unavailable(recorded.unwrap_or_else(|| {
            Unavailable::new(
                Reason::NotCollected,
                format!("{text}: not in this bundle, for its recording did not ask for it"),
            )
        }))
    }
}

#[async_trait]
impl Source for BundleSource {
    async fn fetch(&self, want: &Want) -> Supplied {
        let found = match want {
            Want::Cluster => self.bundle.cluster.clone().map(|cluster| Supplied::Cluster(Box::new(cluster))),
            Want::Node(name) => {
                let node = self.bundle.nodes.iter().find(|node| node.node == *name);
                node.map(|node| Supplied::Node(Box::new(node.clone())))
            }
        };
        found.unwrap_or_else(|| self.missing(want))
    }
}

#[cfg(test)]
mod tests {
    use skoop_model::{ClusterSnapshot, NodeName, NodeSnapshot};

    use super::*;
    use crate::driver::Recorder;

    #[tokio::test]
    async fn what_was_recorded_is_supplied_again() {
        let mut bundle = Bundle::new("0.1.0", 7);
        bundle.cluster = Some(ClusterSnapshot::new("test", 1));
        bundle.nodes = vec![NodeSnapshot::new(NodeName::from("a"), 2)];
        bundle.unavailable = vec![("node b".to_owned(), Unavailable::new(Reason::Permission, "no"))];
        let wants = [Want::Cluster, Want::Node(NodeName::from("a")), Want::Node(NodeName::from("b"))];
        let recorder = Recorder::new(BundleSource::new(bundle.clone()));
        for want in &wants {
            recorder.fetch(want).await;
        }
        assert_eq!(recorder.into_bundle(7, None).version, env!("CARGO_PKG_VERSION"));

        let recorder = Recorder::new(BundleSource::new(bundle.clone()));
        for want in wants.iter().rev() {
            recorder.fetch(want).await;
        }
        let again = recorder.into_bundle(7, None);
        assert_eq!((again.cluster, again.nodes, again.unavailable), (bundle.cluster, bundle.nodes, bundle.unavailable));
    }

    #[tokio::test]
    async fn what_nobody_asked_for_is_not_collected() {
        let source = BundleSource::new(Bundle::new("0.1.0", 0));
        let Supplied::Unavailable(why) = source.fetch(&Want::Node(NodeName::from("c"))).await else {
            panic!("the bundle is empty")
        };
        assert_eq!(why.reason, Reason::NotCollected);
    }
}
