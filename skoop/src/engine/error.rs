//! What keeps a question from being answered at all.

use std::net::IpAddr;

use skoop_model::{Family, ObjectKey, Port, Reason, SchemaError, Unavailable};
use thiserror::Error;

/// A question that cannot be answered. Each message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DiagnosisError {
    /// No such object.
    #[error("there is no {kind} `{key}`{}", hint(near))]
    NotFound {
        /// Kind, for people.
        kind: &'static str,
        /// What was asked for.
        key: ObjectKey,
        /// Names that look like it.
        near: Vec<ObjectKey>,
    },
    /// A kind of object that could not be listed and is needed.
    #[error("cannot look up {what}: {why}; name both ends by IP address to go without")]
    Unlisted {
        /// Kind, for people.
        what: &'static str,
        /// Why.
        why: Unavailable,
    },
    /// The pod runs on no node.
    #[error("pod `{pod}` is not scheduled to a node yet: see `kubectl describe pod`")]
    PodNotScheduled {
        /// The pod.
        pod: ObjectKey,
    },
    /// The sender's namespace is not in sight.
    #[error("cannot start from {end}: {why}")]
    NoNamespace {
        /// The end.
        end: String,
        /// Why.
        why: String,
    },
    /// Services send nothing.
    #[error("a service sends nothing: name one of the pods of `{service}` as --from")]
    ServiceAsSource {
        /// The service.
        service: ObjectKey,
    },
    /// An end that has no address.
    #[error("{end} has no address")]
    NoAddress {
        /// The end.
        end: String,
    },
    /// The service has several ports, or none of the protocol.
    #[error("say which port of service `{service}` with --port: it has {}", ports.join(", "))]
    WhichPort {
        /// The service.
        service: ObjectKey,
        /// Its ports, as `80/tcp`.
        ports: Vec<String>,
    },
    /// The service has no node port there.
    #[error("service `{service}` has no node port for port {port}: leave out --node to ask for its cluster address")]
    NoNodePort {
        /// The service.
        service: ObjectKey,
        /// Its port.
        port: Port,
    },
    /// A packet from outside could come in anywhere.
    #[error(
        "{from} counts as a host outside, and {address} is no node's address: say with --node by which node the packet comes in"
    )]
    WhichNode {
        /// Source, as asked.
        from: String,
        /// Destination.
        address: IpAddr,
    },
    /// The source may live in a namespace that may not be entered.
    #[error("no namespace in sight has {address}, and {closed} may not be entered: ask as root")]
    ClosedNamespaces {
        /// Source.
        address: IpAddr,
        /// Namespaces that may not be entered.
        closed: usize,
    },
    /// An end lacks the family.
    #[error("{end} has no {family} address")]
    NoFamily {
        /// The end.
        end: String,
        /// The family.
        family: Family,
    },
    /// The ends share no family.
    #[error("{from} and {to} have no address family in common")]
    NoCommonFamily {
        /// One end.
        from: String,
        /// The other.
        to: String,
    },
    /// A kind of end that this version does not know.
    #[error("{end} is not supported as an end here")]
    UnsupportedEnd {
        /// The end.
        end: String,
    },
    /// A snapshot that this build cannot read.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A fact that answers something else than what was wanted.
    #[error("the source answered `{want}` with something else: report this as a bug of the source")]
    WrongFact {
        /// What was wanted.
        want: String,
    },
    /// The engine asks for the same facts again and again.
    #[error("the engine does not come to an end: report this as a bug, with a bundle made by --record")]
    NoProgress,
}

/// Who has to act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller: the question does not fit the cluster.
    Usage,
    /// Whoever grants permissions.
    NotPermitted,
    /// Skoop's authors, or the source's.
    Internal,
}

impl DiagnosisError {
    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unlisted { why, .. } if why.reason == Reason::Permission => ErrorKind::NotPermitted,
            Self::ClosedNamespaces { .. } => ErrorKind::NotPermitted,
            Self::WrongFact { .. } | Self::NoProgress => ErrorKind::Internal,
            _ => ErrorKind::Usage,
        }
    }
}

fn hint(near: &[ObjectKey]) -> String {
    if near.is_empty() {
        return String::new();
    }
    let names: Vec<String> = near.iter().map(|key| format!("`{key}`")).collect();
    format!("; did you mean {}?", names.join(" or "))
}
