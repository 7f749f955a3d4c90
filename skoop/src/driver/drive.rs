//! The loop between engine and source.

use futures::future::join_all;
use skoop_model::{Question, Report};

use super::{DriverError, Progress, Source, recheck};
use crate::engine::{Diagnosis, Step, Supplied, Want};

/// Answers a question with what `source` knows.
///
/// All facts of one request are fetched at the same time; the report does not depend on the order in which they come. What decides a
/// negative answer is read a second time if the source [changes](Source::changes).
///
/// # Errors
///
/// [`DriverError::Diagnosis`] when the question cannot be answered at all: an unknown name, an end without an address. Facts
/// that cannot be had are no error; the report tells what they cost.
pub async fn diagnose(source: &dyn Source, question: Question, progress: &dyn Progress) -> Result<Report, DriverError> {
    let mut diagnosis = Diagnosis::new(question);
    let report = answer(&mut diagnosis, source, progress).await?;
    recheck::confirmed(&mut diagnosis, source, report, progress).await
}

/// Fetches until there is a report.
pub(super) async fn answer(
    diagnosis: &mut Diagnosis,
    source: &dyn Source,
    progress: &dyn Progress,
) -> Result<Report, DriverError> {
    loop {
        match diagnosis.step()? {
            Step::Done(report) => return Ok(*report),
            Step::Need(wants) => {
                let facts = fetch_all(source, &wants, progress).await;
                for (want, supplied) in wants.iter().zip(facts) {
                    diagnosis.supply(want, supplied)?;
                }
            }
        }
    }
}

/// Fetches all facts at the same time; answers come in the order of `wants`.
pub(super) async fn fetch_all(source: &dyn Source, wants: &[Want], progress: &dyn Progress) -> Vec<Supplied> {
    join_all(wants.iter().map(|want| async move {
        progress.fetching(want);
        let supplied = source.fetch(want).await;
        progress.fetched(want, &supplied);
        supplied
    }))
    .await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::time::Duration;

    use async_trait::async_trait;
    use mockall::Sequence;
    use skoop_model::{ClusterSnapshot, End, Item, KubeNode, NodeName, Reason, Unavailable};
    use tokio::sync::Barrier;

    use super::*;
    use crate::driver::{MockSource, Silent};
    use crate::engine::ErrorKind;

    fn question() -> Question {
        Question::tcp(End::Node(NodeName::from("a")), End::Node(NodeName::from("b")), None)
    }

    fn cluster() -> ClusterSnapshot {
        let node = |name: &str, last| KubeNode {
            name: NodeName::from(name),
            addresses: vec![[192, 0, 2, last].into()],
            pod_cidrs: vec![],
            ready: Some(true),
            labels: BTreeMap::new(),
            provider_id: None,
        };
        ClusterSnapshot { nodes: Item::known(0, vec![node("a", 1), node("b", 2)]), ..ClusterSnapshot::new("test", 0) }
    }

    fn gone() -> Supplied {
        Supplied::Unavailable(Unavailable::new(Reason::Timeout, "no answer"))
    }

    fn is_node(want: &Want) -> bool {
        matches!(want, Want::Node(_))
    }

    #[tokio::test]
    async fn the_cluster_comes_first_and_what_cannot_be_had_is_supplied_as_such() {
        let (mut source, mut order) = (MockSource::new(), Sequence::new());
        source
            .expect_fetch()
            .withf(|want| *want == Want::Cluster)
            .once()
            .in_sequence(&mut order)
            .return_once(|_| Supplied::Cluster(Box::new(cluster())));
        source.expect_fetch().withf(is_node).times(2).in_sequence(&mut order).returning(|_| gone());
        // The sender's own node was not seen: there is nowhere to start from.
        let error = diagnose(&source, question(), &Silent).await.expect_err("nothing to start from");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("no answer"), "{error}");
    }

    /// Answers for two facts only when both are being asked for.
    struct Together(Barrier);

    #[async_trait]
    impl Source for Together {
        async fn fetch(&self, _want: &Want) -> Supplied {
            self.0.wait().await;
            gone()
        }
    }

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Progress for Heard {
        fn fetching(&self, want: &Want) {
            self.0.lock().expect("no panic before").push(format!("? {want}"));
        }

        fn fetched(&self, want: &Want, _supplied: &Supplied) {
            self.0.lock().expect("no panic before").push(format!("! {want}"));
        }
    }

    #[tokio::test]
    async fn a_frontier_is_fetched_at_the_same_time_and_answered_in_order() {
        let wants = [Want::Node(NodeName::from("a")), Want::Node(NodeName::from("b"))];
        let (source, heard) = (Together(Barrier::new(2)), Heard::default());
        let facts = tokio::time::timeout(Duration::from_secs(10), fetch_all(&source, &wants, &heard)).await;
        assert_eq!(facts.expect("both were asked for"), [gone(), gone()]);
        let heard = heard.0.into_inner().expect("no panic before");
        assert_eq!(heard.first().map(String::as_str), Some("? node a"));
        assert_eq!(heard.get(1).map(String::as_str), Some("? node b"));
        assert_eq!(heard.len(), 4);
    }
}
