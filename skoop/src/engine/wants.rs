//! The frontier: facts that walks ran into and that were not supplied yet.

use std::cell::RefCell;
use std::collections::BTreeSet;

use skoop_model::NodeName;

use super::want::Want;

/// Facts wanted so far. Walks only read the network; this is where they leave what they miss.
#[derive(Debug, Default)]
pub struct Wants(RefCell<BTreeSet<Want>>);

impl Wants {
    /// Asks for a node.
    pub fn node(&self, name: &NodeName) {
        self.0.borrow_mut().insert(Want::Node(name.clone()));
    }

    /// All that was asked for, in a fixed order.
    pub fn into_list(self) -> Vec<Want> {
        self.0.into_inner().into_iter().collect()
    }
}
