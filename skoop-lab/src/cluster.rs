//! The lab's API objects.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use skoop_model::ObjectKey;

use crate::objects;
use crate::plan::Plan;
use crate::proxy::Intent;
use crate::scenario::split_name;
use crate::topology::Topology;

/// The API objects of one lab.
#[derive(Debug)]
pub(crate) struct Cluster {
    objects: Mutex<Vec<Value>>,
}

impl Cluster {
    /// The objects of a healthy cluster.
    pub(crate) fn new(plan: &Plan, topology: &dyn Topology, proxy: &str) -> Self {
        Self::of(objects::objects(plan, topology, proxy))
    }

    /// These objects.
    pub(crate) fn of(objects: Vec<Value>) -> Self {
        Self { objects: Mutex::new(objects) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Value>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All objects.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.lock().clone()
    }

    /// Services and endpoint slices.
    pub(crate) fn intent(&self) -> Result<Intent> {
        Intent::read(&self.objects())
    }

    /// One object.
    pub(crate) fn find(&self, kind: &str, key: &ObjectKey) -> Result<Value> {
        let objects = self.lock();
        let found = objects.iter().find(|object| is(object, kind, key));
        found.cloned().with_context(|| format!("the API has no {kind} {key}"))
    }

    /// Applies a JSON merge patch.
    pub(crate) fn patch(&self, kind: &str, name: &str, patch: &Value) -> Result<()> {
        let key = split_name(name);
        let mut objects = self.lock();
        let found = objects.iter_mut().find(|object| is(object, kind, &key));
        merge(found.with_context(|| format!("the API has no {kind} {key}"))?, patch);
        Ok(())
    }

    /// Deletes an object.
    pub(crate) fn delete(&self, kind: &str, name: &str) -> Result<()> {
        let key = split_name(name);
        let mut objects = self.lock();
        let before = objects.len();
        objects.retain(|object| !is(object, kind, &key));
        if objects.len() == before {
            bail!("the API has no {kind} {key}");
        }
        Ok(())
    }

    /// Creates an object.
    pub(crate) fn create(&self, mut object: Value) -> Result<()> {
        let (kind, namespace, name) = objects::identity(&object)?;
        let key = ObjectKey::new(namespace, name);
        let mut objects = self.lock();
        if objects.iter().any(|object| is(object, &kind, &key)) {
            bail!("the API has a {kind} {key} already");
        }
        objects::complete(&mut object, objects.len() + 1000);
        objects.push(object);
        Ok(())
    }
}

fn is(object: &Value, kind: &str, key: &ObjectKey) -> bool {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    text("/kind") == kind && text("/metadata/name") == key.name && text("/metadata/namespace") == key.namespace
}

/// JSON merge patch (RFC 7386).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}
