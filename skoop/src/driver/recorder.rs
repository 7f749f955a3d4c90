//! A source that remembers what another one said.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
#[cfg(feature = "bundle")]
use skoop_collect::bundle::Bundle;
#[cfg(feature = "bundle")]
use skoop_model::Question;

use super::Source;
use crate::engine::{Supplied, Want};

/// Passes on what `source` says, and keeps it for a bundle: what could be had and what could not.
pub struct Recorder<S> {
    source: S,
    facts: Mutex<BTreeMap<Want, Supplied>>,
}

impl<S: Source> Recorder<S> {
    /// Records what `source` says.
    pub fn new(source: S) -> Self {
        Self { source, facts: Mutex::default() }
    }

    /// What was said, by what was asked for; the last answer counts.
    pub fn into_facts(self) -> BTreeMap<Want, Supplied> {
        self.facts.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was said as a bundle of this skoop, made `created_at_ms` milliseconds after the Unix epoch for `question`.
    #[cfg(feature = "bundle")]
    pub fn into_bundle(self, created_at_ms: u64, question: Option<Question>) -> Bundle {
        let mut bundle = Bundle { question, ..Bundle::new(env!("CARGO_PKG_VERSION"), created_at_ms) };
        for (want, supplied) in self.into_facts() {
            match supplied {
                Supplied::Cluster(cluster) => bundle.cluster = Some(*cluster),
                Supplied::Node(node) => bundle.nodes.push(*node),
                Supplied::Unavailable(why) => bundle.unavailable.push((want.to_string(), why)),
            }
        }
        bundle
    }
}

#[async_trait]
impl<S: Source> Source for Recorder<S> {
    async fn fetch(&self, want: &Want) -> Supplied {
        let supplied = self.source.fetch(want).await;
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).insert(want.clone(), supplied.clone());
        supplied
    }

    fn changes(&self) -> bool {
        self.source.changes()
    }
}
