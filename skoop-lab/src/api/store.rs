//! The objects, as JSON.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::kinds::Kind;

/// An object or a change that an API server would refuse.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The kind is not served, or belongs to another version.
    #[error("the API server has no kind `{kind}` of `{api_version}`")]
    Kind {
        /// The object's `kind`.
        kind: String,
        /// The object's `apiVersion`.
        api_version: String,
    },
    /// A field without which an object cannot be kept.
    #[error("the {kind} has no `{field}`")]
    Field {
        /// Kind of the object.
        kind: String,
        /// The missing field.
        field: &'static str,
    },
    /// There is no such object.
    #[error("the API server has no {kind} {name}")]
    NotFound {
        /// Kind of the object.
        kind: String,
        /// `NAMESPACE/NAME`, or `NAME`.
        name: String,
    },
    /// A patch that would make another object of it.
    #[error("the patch changes kind, namespace or name of {kind} {name}")]
    Identity {
        /// Kind of the object.
        kind: String,
        /// `NAMESPACE/NAME`, or `NAME`.
        name: String,
    },
    /// A stored form that is none.
    #[error("not a list of objects")]
    NoList,
}

/// Kind, namespace (empty for cluster-wide kinds) and name: the order in which lists are served.
type Key = (&'static str, String, String);

/// A thread-safe store of objects, with the resource versions of an API server.
#[derive(Debug, Default)]
pub struct ObjectStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<Key, Value>,
    version: u64,
}

impl ObjectStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates or replaces an object. `metadata.resourceVersion` is set to the next one, and `metadata.uid` if it is missing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] for a kind that is not served, or an object without name, or without namespace where one is needed.
    pub fn put(&self, object: Value) -> Result<(), StoreError> {
        let key = key_of(&object)?;
        self.lock().put(key, object);
        Ok(())
    }

    /// Removes an object and returns it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`].
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<Value, StoreError> {
        let mut inner = self.lock();
        let removed = find(kind, namespace, name).and_then(|key| inner.objects.remove(&key));
        let removed = removed.ok_or_else(|| not_found(kind, namespace, name))?;
        inner.version += 1;
        Ok(removed)
    }

    /// Changes an object by a JSON merge patch (RFC 7386).
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], or [`StoreError::Identity`] if the patch renames the object.
    pub fn merge_patch(&self, kind: &str, namespace: &str, name: &str, patch: &Value) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let key = find(kind, namespace, name).filter(|key| inner.objects.contains_key(key));
        let key = key.ok_or_else(|| not_found(kind, namespace, name))?;
        let mut object = inner.objects.get(&key).cloned().unwrap_or_default();
        merge(&mut object, patch);
        if key_of(&object).ok().as_ref() != Some(&key) {
            return Err(StoreError::Identity { kind: kind.to_owned(), name: text_of(namespace, name) });
        }
        inner.put(key, object);
        Ok(())
    }

    /// One object; the namespace is empty for cluster-wide kinds.
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = find(kind, namespace, name)?;
        self.lock().objects.get(&key).cloned()
    }

    /// All objects of a kind, by namespace and name.
    pub fn list(&self, kind: &str) -> Vec<Value> {
        let inner = self.lock();
        let objects = inner.objects.iter().filter(|((of, _, _), _)| *of == kind);
        objects.map(|(_, object)| object.clone()).collect()
    }

    /// The objects of a kind and the version of the store, seen at one time.
    pub(super) fn list_at_version(&self, kind: &str) -> (Vec<Value>, u64) {
        let inner = self.lock();
        let objects = inner.objects.iter().filter(|((of, _, _), _)| *of == kind);
        (objects.map(|(_, object)| object.clone()).collect(), inner.version)
    }

    /// All objects, to be kept elsewhere: a JSON array.
    pub fn to_json(&self) -> Value {
        Value::Array(self.lock().objects.values().cloned().collect())
    }

    /// A store with the objects that [`ObjectStore::to_json`] gave. Resource versions are kept.
    ///
    /// # Errors
    ///
    /// As [`ObjectStore::put`], or [`StoreError::NoList`] for anything but an array.
    pub fn from_json(objects: Value) -> Result<Self, StoreError> {
        let Value::Array(objects) = objects else { return Err(StoreError::NoList) };
        let mut inner = Inner::default();
        for object in objects {
            let key = key_of(&object)?;
            match text(&object, "/metadata/resourceVersion").parse() {
                Ok(version) => {
                    inner.version = inner.version.max(version);
                    inner.objects.insert(key, object);
                }
                Err(_) => inner.put(key, object),
            }
        }
        Ok(Self { inner: Mutex::new(inner) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn put(&mut self, key: Key, mut object: Value) {
        self.version += 1;
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), json!(self.version.to_string()));
            metadata.entry("uid").or_insert_with(|| json!(format!("00000000-0000-4000-8000-{:012x}", self.version)));
        }
        self.objects.insert(key, object);
    }
}

fn key_of(object: &Value) -> Result<Key, StoreError> {
    let (kind, api_version) = (text(object, "/kind"), text(object, "/apiVersion"));
    let known = Kind::named(kind).filter(|known| known.api_version() == api_version);
    let known = known.ok_or_else(|| StoreError::Kind { kind: kind.to_owned(), api_version: api_version.to_owned() })?;
    let field = |field, pointer| match text(object, pointer) {
        "" => Err(StoreError::Field { kind: kind.to_owned(), field }),
        text => Ok(text.to_owned()),
    };
    let namespace = if known.namespaced { field("metadata.namespace", "/metadata/namespace")? } else { String::new() };
    Ok((known.name, namespace, field("metadata.name", "/metadata/name")?))
}

fn find(kind: &str, namespace: &str, name: &str) -> Option<Key> {
    Some((Kind::named(kind)?.name, namespace.to_owned(), name.to_owned()))
}

fn not_found(kind: &str, namespace: &str, name: &str) -> StoreError {
    StoreError::NotFound { kind: kind.to_owned(), name: text_of(namespace, name) }
}

fn text_of(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

/// The text at a JSON pointer (RFC 6901); empty if there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// JSON merge patch, as the pseudo-code of RFC 7386, section 2.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "default", "name": name}})
    }

    #[test]
    fn objects_get_versions_and_uids() {
        let store = ObjectStore::new();
        store.put(pod("a")).unwrap();
        store.put(pod("b")).unwrap();
        store.put(pod("a")).unwrap();
        let a = store.get("Pod", "default", "a").unwrap();
        assert_eq!((text(&a, "/metadata/resourceVersion"), text(&a, "/metadata/uid").len()), ("3", 36));
        assert_eq!(store.list("Pod").len(), 2);
        assert_eq!(store.delete("Pod", "default", "a").unwrap(), a);
        assert_eq!(store.list_at_version("Pod").1, 4);
        assert_eq!(store.get("Pod", "default", "a"), None);
        assert_eq!(store.delete("Pod", "default", "a").unwrap_err().to_string(), "the API server has no Pod default/a");
    }

    #[test]
    fn what_an_api_server_refuses_is_refused() {
        let store = ObjectStore::new();
        for (object, error) in [
            (json!({}), "the API server has no kind `` of ``"),
            (json!({"apiVersion": "v1", "kind": "DaemonSet"}), "the API server has no kind `DaemonSet` of `v1`"),
            (
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}),
                "the Pod has no `metadata.namespace`",
            ),
            (json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": ""}}), "the Node has no `metadata.name`"),
            (json!({"apiVersion": "v1", "kind": "Node"}), "the Node has no `metadata.name`"),
        ] {
            assert_eq!(store.put(object).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn a_stored_form_comes_back() {
        let store = ObjectStore::new();
        store.put(pod("a")).unwrap();
        store.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})).unwrap();
        let kept = store.to_json();
        let again = ObjectStore::from_json(kept.clone()).unwrap();
        assert_eq!(again.to_json(), kept);
        again.put(pod("c")).unwrap();
        assert_eq!(text(&again.get("Pod", "default", "c").unwrap(), "/metadata/resourceVersion"), "3");
        assert_eq!(ObjectStore::from_json(json!({})).unwrap_err(), StoreError::NoList);
    }

    #[test]
    fn patches_change_one_object() {
        let store = ObjectStore::new();
        store.put(pod("a")).unwrap();
        store.merge_patch("Pod", "default", "a", &json!({"spec": {"nodeName": "n"}})).unwrap();
        let patched = store.get("Pod", "default", "a").unwrap();
        assert_eq!((text(&patched, "/spec/nodeName"), text(&patched, "/metadata/resourceVersion")), ("n", "2"));
        for patch in [json!({"metadata": {"name": "b"}}), json!({"kind": "Node"}), json!([]), json!({"metadata": null})]
        {
            let error = store.merge_patch("Pod", "default", "a", &patch).unwrap_err();
            assert!(matches!(error, StoreError::Identity { .. }), "{patch}");
        }
        assert_eq!(store.get("Pod", "default", "a").unwrap(), patched, "a refused patch changes nothing");
        assert!(store.merge_patch("Pod", "default", "x", &json!({})).is_err());
        assert!(store.merge_patch("Thing", "default", "x", &json!({})).is_err());
    }

    #[test]
    fn merging_follows_the_rfc() {
        // RFC 7386, appendix A.
        for (original, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut target = original.clone();
            merge(&mut target, &patch);
            assert_eq!(target, expected, "{original} with {patch}");
        }
    }
}
