//! Scenario files: a question, a way to break what it asks about, and what a diagnosis must say then.

mod change;
mod embedded;
mod placeholder;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use skoop_model::{Family, Protocol, Verdict};

pub use change::{Change, Edit, ObjectPatch, ObjectRef, Place};
pub(crate) use placeholder::{Values, fill, fill_json};

/// One scenario. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Name, which is the file's too.
    pub name: String,
    /// Name of a topology.
    pub topology: String,
    /// Name of a proxy.
    #[serde(default = "iptables")]
    pub proxy: String,
    /// Family of everything in the cluster.
    #[serde(default = "ipv4", deserialize_with = "family")]
    pub family: Family,
    /// The question.
    pub question: Ask,
    /// What breaks the cluster, in order.
    #[serde(rename = "break", default)]
    pub breaks: Vec<Change>,
    /// What mends it where the advised fix has no commands, or besides them.
    #[serde(default)]
    pub heal: Vec<Change>,
    /// What a diagnosis must say.
    pub expect: Expect,
}

/// A question in a scenario's words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Where packets start: `pod/NS/NAME`, `node/NAME` or `outside`.
    pub from: String,
    /// Where they should arrive: one of those, `svc/NS/NAME`, or an address.
    pub to: String,
    /// Destination port.
    #[serde(default)]
    pub port: Option<u16>,
    /// `tcp`, `udp` or `icmp`.
    #[serde(default = "tcp")]
    pub protocol: Protocol,
    /// Short for `protocol = "icmp"`.
    #[serde(default)]
    pub icmp: bool,
    /// Bytes above the transport header.
    #[serde(default)]
    pub size: Option<u32>,
    /// Source port.
    #[serde(default)]
    pub source_port: Option<u16>,
    /// Node whose node port is asked.
    #[serde(default)]
    pub node: Option<String>,
    /// Ask the service by its load-balancer address.
    #[serde(default)]
    pub external: bool,
}

impl Ask {
    /// TCP to port 80 of `to`.
    pub fn tcp(from: &str, to: &str) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            port: Some(80),
            protocol: Protocol::TCP,
            icmp: false,
            size: None,
            source_port: None,
            node: None,
            external: false,
        }
    }

    /// The protocol, in a family.
    pub fn protocol(&self, family: Family) -> Protocol {
        if self.icmp || self.protocol.is_icmp() { Protocol::icmp(family) } else { self.protocol }
    }
}

/// What a diagnosis must say.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Verdict; real packets must bear it out, unless it is "undetermined".
    pub verdict: Verdict,
    /// Accepted codes of the first cause; empty: no cause and no warning may be reported.
    pub first: Vec<String>,
    /// Part of the first cause's evidence.
    #[serde(default)]
    pub evidence: Option<String>,
    /// Node of the first cause.
    #[serde(default)]
    pub node: Option<String>,
    /// Codes that must be among the causes, symptoms or warnings too.
    #[serde(default)]
    pub also: Vec<String>,
    /// Share of the report, to a hundredth.
    #[serde(default)]
    pub share: Option<f64>,
}

impl Scenario {
    /// Reads a scenario; `origin` names it in errors.
    ///
    /// # Errors
    ///
    /// It is not TOML, or a key is missing, unknown or of the wrong kind.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        toml::from_str(text).with_context(|| format!("scenario {origin}"))
    }

    /// The scenarios of this crate, by name.
    ///
    /// # Errors
    ///
    /// None that a test would not have found.
    pub fn embedded() -> Result<Vec<Self>> {
        embedded::FILES.iter().map(|(name, text)| Self::parse(text, name)).collect()
    }

    /// The scenarios in the `.toml` files of a directory, by file name.
    ///
    /// # Errors
    ///
    /// The directory or a file cannot be read, a file is no scenario, or there is none.
    pub fn load(directory: &Path) -> Result<Vec<Self>> {
        let what = || format!("read scenarios from {}", directory.display());
        let mut paths = fs::read_dir(directory)
            .with_context(what)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<Vec<_>>>()
            .with_context(what)?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        if paths.is_empty() {
            bail!("no scenario (*.toml) in {}", directory.display());
        }
        let read = |path: &std::path::PathBuf| {
            let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
            Self::parse(&text, &path.display().to_string())
        };
        paths.iter().map(read).collect()
    }
}

/// Three scenarios of one cluster that show most in little time.
///
/// # Errors
///
/// None that a test would not have found.
pub fn demo_scenarios() -> Result<Vec<Scenario>> {
    let mut all = Scenario::embedded()?;
    all.retain(|scenario| embedded::DEMO.contains(&scenario.name.as_str()));
    all.sort_by_key(|scenario| embedded::DEMO.iter().position(|name| *name == scenario.name));
    Ok(all)
}

fn iptables() -> String {
    "iptables".to_owned()
}

fn ipv4() -> Family {
    Family::V4
}

fn tcp() -> Protocol {
    Protocol::TCP
}

fn family<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Family, D::Error> {
    match u8::deserialize(deserializer)? {
        4 => Ok(Family::V4),
        6 => Ok(Family::V6),
        other => Err(serde::de::Error::custom(format!("family {other} is neither 4 nor 6"))),
    }
}

#[cfg(test)]
mod tests;
