//! Snapshots for many callers, one at a time.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use skoop_collect::nodes::{Answer, encode};
use skoop_model::Unavailable;
use tokio::sync::{Mutex, Semaphore};

use crate::Look;
use crate::command::told;

/// Callers that may wait at the same time.
const WAITING: usize = 32;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Too many wait already.
    Busy,
    /// A bug.
    Broken,
}

/// An encoded answer, and when looking began.
struct Taken {
    begun: Instant,
    bytes: Bytes,
}

/// Takes snapshots.
pub(crate) struct Snapshots {
    look: Arc<dyn Look>,
    last: Arc<Mutex<Option<Taken>>>,
    waiting: Semaphore,
}

impl Snapshots {
    pub(crate) fn new(look: Arc<dyn Look>) -> Self {
        Self { look, last: Arc::default(), waiting: Semaphore::new(WAITING) }
    }

    /// A snapshot that was begun after this was called; all who wait for the same one share it.
    pub(crate) async fn fresh(&self) -> Result<Bytes, Refusal> {
        let _place = self.waiting.try_acquire().map_err(|_| Refusal::Busy)?;
        let asked = Instant::now();
        let mut last = self.last.clone().lock_owned().await;
        if let Some(taken) = last.as_ref().filter(|taken| taken.begun >= asked) {
            return Ok(taken.bytes.clone());
        }
        let look = self.look.clone();
        // In a task of its own, with the lock: if the caller leaves, what was begun ends before the next one begins.
        let task = tokio::spawn(async move {
            *last = None;
            let begun = Instant::now();
            let bytes = take(look.as_ref()).await?;
            *last = Some(Taken { begun, bytes: bytes.clone() });
            Ok(bytes)
        });
        task.await.unwrap_or(Err(Refusal::Broken))
    }
}

async fn take(look: &dyn Look) -> Result<Bytes, Refusal> {
    let answer = match look.look().await {
        Ok(snapshot) => Answer::Snapshot(Box::new(snapshot)),
        Err(error) => Answer::Failed(Unavailable::new(error.reason(), told(&error))),
    };
    let encoded = tokio::task::spawn_blocking(move || encode(&answer)).await;
    match encoded {
        Ok(Ok(bytes)) => Ok(Bytes::from(bytes)),
        Ok(Err(error)) => {
            eprintln!("skoop-exporter: {}", told(&error));
            Err(Refusal::Broken)
        }
        Err(_) => Err(Refusal::Broken),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use skoop_collect::CollectError;
    use skoop_collect::nodes::decode;
    use skoop_model::{NodeName, NodeSnapshot};
    use tokio::sync::Notify;

    use super::*;

    /// Numbers its looks, and ends each when told.
    #[derive(Default)]
    struct Slow {
        begun: AtomicUsize,
        begins: Notify,
        end: Notify,
    }

    #[async_trait]
    impl Look for Slow {
        async fn look(&self) -> Result<NodeSnapshot, CollectError> {
            let number = self.begun.fetch_add(1, Ordering::SeqCst);
            self.begins.notify_one();
            self.end.notified().await;
            if number == 9 {
                return Err(CollectError::NoNamespace { netns: "a".to_owned() });
            }
            Ok(NodeSnapshot::new(NodeName(number.to_string()), 0))
        }

        async fn check(&self) -> Result<(), CollectError> {
            Ok(())
        }
    }

    fn number(bytes: &Bytes) -> String {
        match decode(bytes).unwrap() {
            Answer::Snapshot(snapshot) => snapshot.node.0,
            Answer::Failed(why) => why.to_string(),
        }
    }

    #[tokio::test]
    async fn who_asks_meanwhile_shares_the_next_one() {
        let slow = Arc::new(Slow::default());
        let snapshots = Arc::new(Snapshots::new(slow.clone()));
        let ask = || {
            let snapshots = snapshots.clone();
            tokio::spawn(async move { number(&snapshots.fresh().await.unwrap()) })
        };
        let first = ask();
        slow.begins.notified().await;
        let later = [ask(), ask(), ask()];
        while snapshots.waiting.available_permits() > WAITING - 4 {
            tokio::task::yield_now().await;
        }
        slow.end.notify_one();
        assert_eq!(first.await.unwrap(), "0");
        slow.begins.notified().await;
        slow.end.notify_one();
        for asked in later {
            assert_eq!(asked.await.unwrap(), "1");
        }
    }

    #[tokio::test]
    async fn too_many_are_refused_and_failures_are_answers() {
        let slow = Arc::new(Slow { begun: AtomicUsize::new(9), ..Slow::default() });
        let snapshots = Arc::new(Snapshots::new(slow.clone()));
        let all: Vec<_> = (0..WAITING)
            .map(|_| {
                let snapshots = snapshots.clone();
                tokio::spawn(async move { snapshots.fresh().await })
            })
            .collect();
        slow.begins.notified().await;
        while snapshots.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(snapshots.fresh().await, Err(Refusal::Busy));
        slow.end.notify_one();
        let first = all.into_iter().next().unwrap().await.unwrap();
        assert!(number(&first.unwrap()).starts_with("not found: network namespace a"));
    }
}
