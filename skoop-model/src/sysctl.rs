//! Sysctls.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Family;

/// Values below `/proc/sys`, by path with slashes: `net/ipv4/conf/flannel.1/rp_filter`. Device names keep their dots.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sysctls(BTreeMap<String, String>);

impl Sysctls {
    /// Sets the value at `path`, trimmed.
    pub fn set(&mut self, path: impl Into<String>, value: &str) {
        self.0.insert(path.into(), value.trim().to_owned());
    }

    /// The value at `path`.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// The value at `path` as a number.
    pub fn number(&self, path: &str) -> Option<i64> {
        self.text(path)?.parse().ok()
    }

    /// The number at `net/FAMILY/conf/DEVICE/NAME`.
    pub fn device(&self, family: Family, device: &str, name: &str) -> Option<i64> {
        self.number(&Self::device_path(family, device, name))
    }

    /// `net/FAMILY/conf/DEVICE/NAME`.
    pub fn device_path(family: Family, device: &str, name: &str) -> String {
        format!("net/{}/conf/{device}/{name}", family.sysctl_name())
    }

    /// All values, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, value)| (path.as_str(), value.as_str()))
    }
}

impl<K: Into<String>> FromIterator<(K, String)> for Sysctls {
    fn from_iter<I: IntoIterator<Item = (K, String)>>(values: I) -> Self {
        Self(values.into_iter().map(|(path, value)| (path.into(), value)).collect())
    }
}
