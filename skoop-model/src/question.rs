//! What is asked.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Family, NodeName, ObjectKey, ParseError, Port, Protocol};

/// "Can `from` reach `to`?", with the packet's particulars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Where the packet starts.
    pub from: End,
    /// Where it should arrive.
    pub to: End,
    /// Protocol.
    pub protocol: Protocol,
    /// Destination port; for a service its own port. None: the only port of the service, else 80. Unused for ICMP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
    /// Source port; none: an ephemeral one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<Port>,
    /// Family; none: the one that both ends have, IPv4 first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Bytes of payload above the transport header; none: the smallest packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u32>,
    /// Node by which a packet from outside enters, or whose node port is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// Walk the answer too.
    pub reply: bool,
}

impl Question {
    /// The smallest TCP question: can `from` open a connection to `to`?
    pub fn tcp(from: End, to: End, port: Option<Port>) -> Self {
        Self {
            from,
            to,
            protocol: Protocol::TCP,
            port,
            source_port: None,
            family: None,
            size_bytes: None,
            node: None,
            reply: true,
        }
    }
}

/// One end of a question.
///
/// Text forms: `pod/NS/NAME`, `svc/NS/NAME`, `deploy/NS/NAME`, `node/NAME`, an IP address, `outside`, `outside/IP`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// A pod.
    Pod(ObjectKey),
    /// A service, by its cluster address (or by node port, if the question names a node).
    Service(ObjectKey),
    /// A ready pod of a deployment.
    Deployment(ObjectKey),
    /// A node's own namespace.
    Node(NodeName),
    /// Whoever has this address.
    Address(IpAddr),
    /// A host outside the cluster; without an address any such host.
    Outside(Option<IpAddr>),
}

/// An end that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuestionError {
    /// Not one of the text forms.
    #[error(
        "`{0}` is no end: use pod/NAMESPACE/NAME, svc/NAMESPACE/NAME, deploy/NAMESPACE/NAME, node/NAME, an IP address or `outside`"
    )]
    NoEnd(String),
    /// An `outside/…` whose address is none.
    #[error(transparent)]
    Address(#[from] ParseError),
}

impl End {
    /// Reads an end, with `namespace` for the forms `pod/NAME`, `svc/NAME` and `deploy/NAME`.
    ///
    /// # Errors
    ///
    /// [`QuestionError`] when the text has none of the forms.
    pub fn parse_in(text: &str, namespace: &str) -> Result<Self, QuestionError> {
        let no_end = || QuestionError::NoEnd(text.to_owned());
        if text == "outside" {
            return Ok(Self::Outside(None));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let (kind, rest) = text.split_once('/').ok_or_else(no_end)?;
        let parts: Vec<&str> = rest.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(no_end());
        }
        let key = match parts.as_slice() {
            [name] => ObjectKey::new(namespace, *name),
            [namespace, name] => ObjectKey::new(*namespace, *name),
            _ => return Err(no_end()),
        };
        match (kind, parts.as_slice()) {
            ("pod" | "pods" | "po", _) => Ok(Self::Pod(key)),
            ("svc" | "service" | "services", _) => Ok(Self::Service(key)),
            ("deploy" | "deployment" | "deployments", _) => Ok(Self::Deployment(key)),
            ("node" | "nodes" | "no", [name]) => Ok(Self::Node(NodeName::from(*name))),
            ("outside", [address]) => {
                let address = address.parse().map_err(|_| ParseError::new(address, "an IP address"))?;
                Ok(Self::Outside(Some(address)))
            }
            _ => Err(no_end()),
        }
    }
}

impl FromStr for End {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, QuestionError> {
        Self::parse_in(text, "default")
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(key) => write!(f, "pod/{key}"),
            Self::Service(key) => write!(f, "svc/{key}"),
            Self::Deployment(key) => write!(f, "deploy/{key}"),
            Self::Node(name) => write!(f, "node/{name}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Outside(None) => f.write_str("outside"),
            Self::Outside(Some(address)) => write!(f, "outside/{address}"),
        }
    }
}

impl Serialize for End {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for End {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The question with its names looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedQuestion {
    /// The question as asked.
    #[serde(flatten)]
    pub asked: Question,
    /// Where the packet starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ResolvedEnd>,
    /// Where it should arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<ResolvedEnd>,
}

/// One end, looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedEnd {
    /// What it is, for people: `pod/default/client`.
    pub name: String,
    /// Address that the packet bears for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Port that the packet bears for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
    /// Node that it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ends_have_one_text_form() {
        for text in [
            "pod/default/client",
            "svc/a/b",
            "deploy/a/b",
            "node/node-1",
            "10.0.0.1",
            "fd00::1",
            "outside",
            "outside/192.0.2.1",
        ] {
            assert_eq!(text.parse::<End>().map(|end| end.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(End::parse_in("pod/client", "web"), Ok(End::Pod(ObjectKey::new("web", "client"))));
        for text in ["", "pod", "pod/", "pod//x", "pod/a/b/c", "node/a/b", "outside/x", "thing/a/b"] {
            assert!(text.parse::<End>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_end_or_an_error(text in ".{0,40}") {
            if let Ok(end) = text.parse::<End>() {
                prop_assert_eq!(end.to_string().parse(), Ok(end));
            }
        }
    }
}
