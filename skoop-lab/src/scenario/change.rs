//! One step that breaks or heals.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use skoop_model::ObjectKey;

/// One step that breaks or heals a cluster.
///
/// A command whose first word is `lab` is the lab's own: `["lab", "listen", "tcp:127.0.0.1:80", …]` makes exactly these listeners run in the
/// place, `["lab", "listen"]` none. `["lab", "send", "udp:10.96.0.1:80", "40000"]` sends one packet from there, with this source port, and waits
/// for the answer; without a source port it does so some forty times.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Runs a command in a node or pod.
    Run {
        /// Where.
        place: Place,
        /// The command.
        argv: Vec<String>,
    },
    /// Changes API objects, and lets kube-proxy follow if `sync`.
    Objects {
        /// What to do with an object; none: only let kube-proxy follow.
        edit: Option<Edit>,
        /// Let kube-proxy's rules follow the API.
        sync: bool,
    },
}

/// What to do with one API object.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Applies a JSON merge patch (RFC 7386).
    Patch(ObjectPatch),
    /// Deletes it.
    Delete(ObjectRef),
    /// Creates it.
    Create(Value),
}

/// Names an object, by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectRef {
    /// Kind.
    pub kind: String,
    /// `NS/NAME`, or `NAME` for one without a namespace.
    pub name: String,
    /// The namespace, for a `name` that does not hold it.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// Names an object, and says what to change.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ObjectPatch {
    /// Kind.
    pub kind: String,
    /// As in [`ObjectRef`].
    pub name: String,
    /// As in [`ObjectRef`].
    #[serde(default)]
    pub namespace: Option<String>,
    /// The merge patch as JSON text, for what TOML cannot say: `null` removes a key.
    #[serde(default)]
    pub json: Option<String>,
    /// All other keys: the merge patch.
    #[serde(flatten)]
    pub patch: serde_json::Map<String, Value>,
}

impl ObjectRef {
    /// Namespace and name.
    pub fn key(&self) -> ObjectKey {
        key(&self.name, self.namespace.as_deref())
    }
}

impl ObjectPatch {
    /// Namespace and name.
    pub fn key(&self) -> ObjectKey {
        key(&self.name, self.namespace.as_deref())
    }

    /// The merge patch.
    ///
    /// # Errors
    ///
    /// The JSON text is none.
    pub fn body(&self) -> Result<Value> {
        match &self.json {
            Some(text) => serde_json::from_str(text).with_context(|| format!("`json` of the patch of {}", self.name)),
            None => Ok(Value::Object(self.patch.clone())),
        }
    }
}

fn key(name: &str, namespace: Option<&str>) -> ObjectKey {
    match (namespace, name.split_once('/')) {
        (Some(namespace), _) => ObjectKey::new(namespace, name),
        (None, Some((namespace, name))) => ObjectKey::new(namespace, name),
        (None, None) => ObjectKey::new("", name),
    }
}

/// Where a command runs: `node/NAME`, `pod/NS/NAME` or `outside`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A node's own namespace.
    Node(String),
    /// A pod's.
    Pod(ObjectKey),
    /// The external client's.
    Outside,
}

impl FromStr for Place {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            ["node", name] if !name.is_empty() => Ok(Self::Node((*name).to_owned())),
            ["pod", namespace, name] if !namespace.is_empty() && !name.is_empty() => {
                Ok(Self::Pod(ObjectKey::new(*namespace, *name)))
            }
            ["outside"] => Ok(Self::Outside),
            _ => bail!("`{text}` is no place: use node/NAME, pod/NAMESPACE/NAME or outside"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node/{name}"),
            Self::Pod(key) => write!(f, "pod/{key}"),
            Self::Outside => f.write_str("outside"),
        }
    }
}

/// The form in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    r#in: Option<String>,
    run: Option<Vec<String>>,
    patch: Option<ObjectPatch>,
    delete: Option<ObjectRef>,
    create: Option<Value>,
    #[serde(default)]
    sync: bool,
}

impl TryFrom<Raw> for Change {
    type Error = anyhow::Error;

    fn try_from(raw: Raw) -> Result<Self> {
        let edits = [raw.patch.map(Edit::Patch), raw.delete.map(Edit::Delete), raw.create.map(Edit::Create)];
        let mut edits = edits.into_iter().flatten();
        let (edit, more) = (edits.next(), edits.next());
        match (raw.r#in, raw.run, edit, more) {
            (Some(place), Some(argv), None, _) if !raw.sync => {
                if argv.is_empty() {
                    bail!("`run` is empty");
                }
                Ok(Self::Run { place: place.parse().context("`in`")?, argv })
            }
            (None, None, edit, None) if edit.is_some() || raw.sync => Ok(Self::Objects { edit, sync: raw.sync }),
            _ => bail!("a step is either `in` with `run`, or one of `patch`, `delete`, `create` and `sync`"),
        }
    }
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Raw::deserialize(deserializer)?).map_err(|error| serde::de::Error::custom(format!("{error:#}")))
    }
}
